"""How links are resolved, beside what browsers do, and whether every form of an article's address has one name."""

from __future__ import annotations

import gzip
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from score.table import Figure

from digest.gather.urls import canonical_url, resolve


def resolved(folder: Path) -> tuple[int, int]:
    """Of the WHATWG's own cases that give an http or https address: those that we resolve to it, and all."""
    cases = [case for case in json.loads((folder / "urltestdata.json").read_text()) if isinstance(case, dict)]
    web = [case for case in cases if re.match(r"https?:", str(case.get("href") or ""))]
    right = [case for case in web if resolve(case.get("base") or "", case["input"]) == case["href"]]
    return len(right), len(web)


def _with(parameter: str) -> Callable[[str], str]:
    def vary(url: str) -> str:
        page, sign, fragment = url.partition("#")
        return page + ("&" if "?" in page else "?") + parameter + sign + fragment

    return vary


# Parameters that many sites share, as their makers' documents and other cleaners' lists name them.
TRACKING = """
utm utm_source utm_medium utm_campaign utm_term utm_content utm_id utm_source_platform utm_name utm_cid utm_reader
ga_source ga_medium ga_campaign _ga _gl gs_l gclid gclsrc gbraid wbraid dclid yclid ysclid _openstat msclkid twclid
ttclid fbclid fb_action_ids fb_action_types fb_source fb_ref action_object_map action_type_map action_ref_map
igshid igsh mkt_tok hmb_campaign hmb_medium hmb_source otm_source cmpid os_ehash __twitter_impression wtmc wt_mc
wt_zmc wtzmc wtrid mc xmc Echobox spm vn_a vn_a_b tracking_source ceneo_spo itm_campaign itm_medium itm_source
__hsfp __hssc __hstc _hsenc _hsmi __s hsCtaTracking mc_eid mc_cid mc_tc ml_subscriber ml_subscriber_hash oly_anon_id
oly_enc_id rb_clickid s_cid vero_conv vero_id wickedid ref ref_ referrer pk_campaign mtm_campaign li_fat_id epik
""".split()  # noqa: SIM905 - as one reads it

VARIANTS: dict[str, Callable[[str], str]] = {
    **{f"?{name}=": _with(f"{name}=x1") for name in TRACKING},
    "?%3Futm_source=": _with("%3Futm_source=x1"),
    "two of them": _with("utm_source=rss&fbclid=IwAR0"),
    "a fragment": lambda url: url if "#" in url else f"{url}#comments",
    "http or https": lambda url: re.sub("^http(s?):", lambda found: "http:" if found[1] else "https:", url),
    "www. or none": lambda url: re.sub(
        r"^(https?://)(www\.)?(?=[^/?#.]+\.[^/?#]*[a-z](?:[:/?#]|$))",
        lambda found: found[1] + ("" if found[2] else "www."),
        url,
    ),
    "a trailing slash": lambda url: re.sub(
        r"^([^?#]*[^?#/])(/?)(?=$|[?#])", lambda found: found[1] if found[2] else f"{found[1]}/", url
    ),
    "upper case of the host": lambda url: re.sub("^https?://[^/?#]+", lambda found: found[0].upper(), url),
    "AMP, by a parameter": _with("amp=1"),
    "AMP, by a path": lambda url: re.sub(r"^([^?#]*?)/?(?=$|[?#])", r"\1/amp/", url, count=1),
}


def addresses(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Every article of the news corpora: corpus, URL, title."""
    for line in (folder / "uci" / "articles.jsonl").read_text().split("\n")[:-1]:
        yield "uci", *_named(json.loads(line))
    for name, file in (("huffpost", "articles.jsonl.gz"), ("hackernews", "posts.jsonl.gz")):
        for line in gzip.decompress((folder / name / file).read_bytes()).decode().split("\n")[:-1]:
            yield name, *_named(json.loads(line))


def _named(row: Mapping[str, Any]) -> tuple[str, str]:
    return str(row.get("url") or row.get("link") or ""), str(row.get("title") or row.get("headline") or "")


def web_addresses(folder: Path) -> list[str]:
    """The addresses of the news corpora, each once."""
    found = {url for _, url, _ in addresses(folder)}
    return sorted(url for url in found if re.match("https?://", url))


def unnamed(urls: list[str]) -> list[str]:
    """The variants that are not known by the name of what they are a variant of; and names that have another name."""
    wrong = []
    for url in urls:
        name = canonical_url(url)
        if canonical_url(name) != name:
            wrong.append(f"again {url}")
        wrong += [f"{label} {url}" for label, vary in VARIANTS.items() if canonical_url(vary(url)) != name]
    return wrong


def merged(folder: Path) -> list[tuple[str, ...]]:
    """Titles of one corpus whose addresses differ, and yet have one name."""
    groups: defaultdict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for corpus, url, title in addresses(folder):
        if re.match("https?://", url):
            groups[corpus, canonical_url(url)].setdefault(_letters(title), url)
    return [tuple(found.values()) for found in groups.values() if len(set(found.values())) > 1]


def _letters(title: str) -> str:
    return "".join(filter(str.isalnum, title.casefold()))


def figures(folder: Path) -> Iterator[Figure]:
    """What links are held to."""
    right, stated = resolved(folder / "urls")
    yield Figure("links: resolved as a browser does", right / stated, 0.98, baseline="urllib 0.417, ada-url 1.000")
    urls = web_addresses(folder / "news")[::10]
    checked = len(urls) * (len(VARIANTS) + 1)
    share = 1 - len(unnamed(urls)) / checked
    yield Figure("links: variants of an article's address, one name", share, 1.0, note=f"{checked:,} variants")
    yield Figure("links: articles of other titles under one name", len(merged(folder / "news")), unit="pairs")

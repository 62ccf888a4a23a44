"""Links: resolved as a browser does, and reduced to the one name an article is known by."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import unquote

import ada_url

# Parameters that say where a reader came from, never what they read. `utm` stands for utm, utm_source, utm_...
_TRACKING = re.compile(
    r"""(?ix) ^ (?:
      utm (?:_[a-z_]*)? | u?otm_[a-z_]* | itm_[a-z_]+ | ga_[a-z_]+ | _ga | _gl | gs_l | g(?:clid|clsrc|braid) | wbraid
    | dclid | fbclid | fb_(?:action_(?:types|ids)|source|ref) | action_(?:object|type|ref)_map | igsh(?:id)?
    | msclkid | twclid | ttclid | yclid | ysclid | li_fat_id | epik | rb_clickid | wickedid | srsltid | irclickid
    | _openstat | mkt_tok | hmb_(?:campaign|medium|source) | cmpid | cmp | os_ehash | __twitter_impression
    | mc_(?:cid|eid|tc) | [a-z]?mc | wt_?z?mc | wtrid | oly_(?:anon|enc)_id | s_cid | ncid | icid | ito | smid
    | sr_share | vero_(?:conv|id) | __s | ml_subscriber(?:_hash)?
    | _hs(?:enc|mi) | __hs(?:tc|sc|fp) | hsctatracking | piwik_[a-z]+ | pk_[a-z]+
    | mtm_[a-z]+ | vn (?:_[a-z]*)+ | tracking_source | ceneo_spo | echobox | spm | trk(?:campaign|info)? | mbid | cvid
    | at_[a-z_]+ | ns_(?:mchannel|source|campaign|linkname|fee) | ref (?:_(?:src|url)?)?
    | referrer | campaign_id | guccounter
    | guce_referrer(?:_sig)? | sc_(?:campaign|channel|content|medium|outcome|geo|country) | amp
    ) $""",
)
MAX_NAME = 1_500  # characters of a canonical URL; PostgreSQL can't index more than 2,700 bytes
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def resolve(base: str, href: str) -> str:
    """`href` against `base` by the WHATWG URL standard, as a browser's `a.href`; empty if that gives no URL."""
    try:
        return str(ada_url.join_url(base, href)) if base else str(ada_url.URL(href).href)
    except ValueError:
        pass
    try:
        return str(ada_url.URL(href).href)
    except ValueError:
        return ""


def is_absolute(href: str) -> bool:
    """True for a URL that needs no base."""
    return bool(_ABSOLUTE.match(href.strip()))


def web(url: str) -> str:
    """`url` if it is http or https with a host, else nothing."""
    return url if url.startswith(("http://", "https://")) else ""


def host(url: str) -> str:
    """The host name of `url`, in lower case and ASCII; empty if there is none."""
    try:
        return str(ada_url.URL(url).hostname)
    except ValueError:
        return ""


def canonical_url(url: str) -> str:
    """The one name of the page at `url`: an identity, not an address to fetch.

    Tracking parameters, fragment (but for a page's route, `#!` or `#/`), `www.`, AMP forms, trailing slash,
    `index.html` and the difference of http and https are gone; what is left of the parameters is sorted by name. One
    that is not http or https stays as it is.
    """
    try:
        parsed = ada_url.URL(url)
    except ValueError:
        return url
    if parsed.protocol not in ("http:", "https:"):
        return url
    name = _without_amp_cache(str(parsed.hostname), str(parsed.pathname))
    if name:
        return canonical_url(name)
    port = f":{parsed.port}" if parsed.port else ""
    hostname = re.sub(r"^(?:(?:www\d?|amp|m)\.)+(?=[^.]+\.)", "", str(parsed.hostname).rstrip("."))
    place = f"{_path(str(parsed.pathname))}{_query(str(parsed.search))}{_route(str(parsed.hash))}"
    return _bounded(f"https://{hostname}{port}{place}")


def _bounded(name: str) -> str:
    """`name`; the end of one that is too long is replaced by the hash of the whole."""
    if len(name) <= MAX_NAME:
        return name
    return f"{name[:MAX_NAME]}#{hashlib.sha256(name.encode()).hexdigest()}"


def _without_amp_cache(hostname: str, path: str) -> str:
    """The page behind an address of the AMP cache or of a search engine's viewer."""
    if hostname.endswith(".cdn.ampproject.org") or (hostname.startswith("www.google.") and path.startswith("/amp/")):
        found = re.match(r"^/(?:amp/|[cvi]/)?(s/)?(.+)$", path)
        if found and "." in found[2].split("/")[0]:
            return f"http{'s' if found[1] else ''}://{found[2]}"
    return ""


def _path(path: str) -> str:
    path = re.sub(r"/{2,}", "/", path).rstrip("/")
    path = re.sub(r"(?:/amp(?:\.html)?|\.amp)/?$", "", path)
    path = re.sub(r"\.amp(\.html?)$", r"\1", path)
    path = re.sub(r"^/amp(?=/)", "", path)
    path = re.sub(r"/(?:index|default)\.(?:html?|php|aspx?)$", "", path)
    return path.rstrip("/") or "/"


def _route(fragment: str) -> str:
    """The fragment where it names the page, as old applications have it, and not a place in it."""
    return fragment if fragment.startswith(("#!", "#/")) else ""


def _query(search: str) -> str:
    parts = [part for part in search.removeprefix("?").split("&") if part and not _is_tracking(part)]
    return "?" + "&".join(sorted(parts)) if parts else ""


def _is_tracking(part: str) -> bool:
    name = unquote(part.partition("=")[0]).lstrip("?")
    return bool(_TRACKING.match(name)) or part.lower() in ("outputtype=amp", "amp=1")

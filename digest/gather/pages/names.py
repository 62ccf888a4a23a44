"""Who wrote a page: names as bylines, meta elements and linked data spell them, without roles, agencies and dates."""

from __future__ import annotations

import re

from digest.gather.clean import plain_text

MAX_AUTHORS = 8
MAX_NAME = 60

_BY = re.compile(
    r"^\W*(?:(?:(?:view all posts|all posts|more articles|written|posted|reported|words|story|text|article|"
    r"published|authored|submitted|created)\s+)?by|von|par|por|di|af|av|door|autor(?:in|en|a)?s?|"
    r"auteurs?|authors?|text|written|przez|oleh|автор|skrevet av)\b\s*:?\s*",
    re.I,
)
_SPLIT = re.compile(r"\s*(?:[,;|/•·\n\t]|\s[-–—]\s|&(?!\w+;)|\b(?:and|und|et|y|e|og|och|en|with)\b(?=\s+[^\W\d_]))\s*")
_ADDRESS = re.compile(r"\S+@\S+\.\S+|https?://\S+|www\.\S+|@\w+|\bTwitter\b|\bFollow\b", re.I)
_BRACKETS = re.compile(r"\([^()]*\)|\[[^\]]*\]|\{+[^}]*\}+")
_DATE_TAIL = re.compile(
    r"(?:\b(?:on|updated|published|posted|am|vom|le|el|at)\b\s*:?\s*)?(?:\b(?:mon|tues|wednes|thurs|fri|satur|"
    r"sun)day\b|\b\w{3,9}\.?\s\d{1,2},?\s(?:19|20)\d\d|\d{1,2}[./-]\d).*$",
    re.I | re.S,
)
_ELSE = re.compile(r"\s(?:in|on|am|for|at|from|vom|is|has|a|auf|sur|à|about|edited by|mit|avec)\s.*$")
_SHOUTED = re.compile(r"(?<=[a-z])(?:\s[A-Z]{2,}){2,}.*$")
_LETTERS = re.compile(r"^(?:[A-Z]{1,3}|[A-Z]\.?[A-Z]\.?|Ph\.?D\.?|M\.?D\.?|Esq\.?|MBA|Jr\.?|Sr\.?)$")
_EASTERN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_NOBODY = re.compile(
    r"^(?:undefined|null|none|unknown|admin(?:istrator)?|author|editor|editors|staff|user|guest|anonymous|test|"
    r"webmaster|root|n/?a|the author|by|contact|more|share|print|email|posts?|view all.*|read more.*|about.*|"
    r"all posts.*|"
    r"facebook|twitter|instagram|linkedin|default|redaktion|website|advertisement|comments?|leave a .*|"
    r"see all.*|.*reply.*)$",
    re.I,
)
_ROLE = re.compile(
    r"\b(?:editor|writer|reporter|correspondent|contributor|columnist|staff|director|manager|producer|"
    r"photographer|analyst|"
    r"journalist|redakteur(?:in)?|bureau|columnist|blogger|author|professor|fellow|chief|ceo|founder|hosts?|"
    r"press secretary|freelance)\b",
    re.I,
)
_COMPANY = re.compile(
    r"\b(?:inc|llc|ltd|gmbh|ag|e\.v|redaktion|news|times|post|magazine|media|press|network|agency|reuters|afp|"
    r"dpa|ap|associated press)\b",
    re.I,
)


def authors(text: str, *, site: str = "") -> list[str]:
    """The names in `text`, each once, in order; none where it names nobody."""
    text = plain_text(text, 600)
    text = _DATE_TAIL.sub("", _BRACKETS.sub(" ", _ADDRESS.sub(" ", text)))
    text = _BY.sub("", " ".join(text.split()))
    found: dict[str, str] = {}
    for part in _SPLIT.split(text):
        name = _name(part)
        if name:
            found.setdefault(name.casefold(), name)
    names = list(found.values())
    if len(names) > 1 and _LETTERS.match(names[-1]):
        names = [name for name in names if not _LETTERS.match(name)] or names
    if len(names) > 1:
        people = [name for name in names if not _ROLE.search(name) and not is_site(name, site)]
        names = people or names[:1]
    if len(names) > 1 and sum(" " in name for name in names) and names[0].count(" ") == 0 and not names[1].count(" "):
        names = [name for name in names if " " in name] or names
    return names[:MAX_AUTHORS]


def is_site(name: str, site: str) -> bool:
    """Whether it is only the site's name."""
    return bool(site) and re.sub(r"\W+", "", name.casefold()) == re.sub(r"\W+", "", site.casefold())


def _name(part: str) -> str:
    name = _SHOUTED.sub("", _ELSE.sub("", f"{_BY.sub('', part)} ".rstrip(" ") + " ").strip())
    name = name.strip(" ,:;-–—|\"'“”*›»«()[]《》")
    if not re.search(r"(?:^|\s)(?:[A-Z]|[JS]r|e\.V)\.$", name):
        name = name.strip(" .")
    if not 2 <= len(name) <= MAX_NAME or _NOBODY.match(name) or len(name.split()) > 6:
        return ""
    if re.search(r"\d{2}|[<>{}=%]|\w\.(?:com|org|net|de|fr|uk)\b", name) or not re.search(r"[^\W\d_]", name):
        return ""
    return name


def is_person(name: str) -> bool:
    """Whether it looks like the name of a person: two words or more, no role, no company."""
    return (" " in name or bool(_EASTERN.search(name))) and not _COMPANY.search(name)

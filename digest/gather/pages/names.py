"""Who wrote a page: names as bylines, meta elements and linked data spell them, without roles, agencies and dates."""

from __future__ import annotations

import re

from digest.gather.clean import plain_text

MAX_AUTHORS = 8
MAX_NAME = 60

_BY = re.compile(
    r"^\W*(?:(?:(?:view all posts|all posts|more articles|more stories|more from|written|posted|reported|words|story|"
    r"text|article|published|authored|submitted|created|alles|(?:zeige )?alle beiträge|(?:ein )?beitrag|geschrieben|"
    r"verfasst|erstellt|veröffentlicht|gespeichert|écrit|publié|rédigé|escrito|publicado|redactado|scritto)\s+)?"
    r"(?:by|von|par|por|di|af|av|door|autor(?:in|en|a)?s?|"
    r"auteurs?|authors?|text|written|przez|oleh|автор|skrevet av)\b\s*:?\s*|(?:作者|著者|執筆|記者|文)\s*[：:●]\s*)",
    re.I,
)
_SPLIT = re.compile(
    r"\s*(?:[,;|/•·、，\n\t]|\s[-–—]\s|&(?!\w+;)|\b(?:and|und|et|y|e|og|och|en|with)\b(?=\s+[^\W\d_]))\s*"
)
_ADDRESS = re.compile(r"[^\s@]+@\S+?\.\S+|https?://\S+|www\.\S+|@\w+|\bTwitter\b|\bFollow\b", re.I)
_WHOLE = re.compile(r"[\[(（【]([^\[\]()（）【】]+)[\])）】]")
_BRACKETS = re.compile(r"\([^()]*\)|\[[^\]]*\]|\{[^}]*\}+")
_DATE_TAIL = re.compile(
    r"(?:\b(?:on|updated|published|posted|am|vom|le|el|at)\b\s*:?\s*)?(?:\b(?:mon|tues|wednes|thurs|fri|satur|"
    r"sun)day\b|\b\w{3,9}\.?\s\d{1,2},?\s(?:19|20)\d\d|\d{1,2}[./-]\d).*$",
    re.I | re.S,
)
_ELSE = re.compile(
    r"\s(?:(?i:edited by|photos by|photographs by|illustrations? by)|in|on|am|for|at|from|vom|is|has|a|auf|sur|à|about|"
    r"mit|avec|\d+[\s-]+(?:min|hour|day|week)\w*)\s.*$"
)
_SURNAME_FIRST = re.compile(r"^\s*([^\W\d_][\w'’-]+),\s+([^\W\d_][\w.'’ -]{0,30}?)\s*$")
_TWICE = re.compile(r"^(.+?)(?:\s+\1)+$")
_SHOUTED = re.compile(r"(?<=[a-z])(?:\s[A-Z]{2,}){2,}.*$")
_LETTERS = re.compile(r"^(?:[A-Z]{1,3}|[A-Z]\.?[A-Z]\.?|Ph\.?D\.?|M\.?D\.?|Esq\.?|MBA|Jr\.?|Sr\.?)$")
_EASTERN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_NOBODY = re.compile(
    r"^(?:undefined|null|none|unknown|admin(?:istrator)?|author|user|guest|anonymous|test|"
    r"webmaster|root|n/?a|the author|by|contact|more|share|print|email|posts?|view all.*|read more.*|about.*|"
    r"all posts.*|"
    r"facebook|twitter|instagram|linkedin|default|website|advertisement|comments?|leave a .*|"
    r"see all.*|.*reply.*|click here.*|follow.*|us|zur \w+|名片|留言|人氣)$",
    re.I,
)
_ROLE = re.compile(
    r"\b(?:editor|writer|reporter|correspondent|contributor|columnist|staff|director|manager|producer|"
    r"photographer|analyst|"
    r"journalist|redakteur(?:in)?|bureau|columnist|blogger|author|professor|fellow|chief|ceo|founder|hosts?|"
    r"press secretary|freelance|team|desk)\b",
    re.I,
)
_DESK = re.compile(r"\b(?:editors?|staff|desk|team|redaktion|redazione|r[ée]daction|redacci[óo]n|newsroom)\b", re.I)
_AGENCY = re.compile(r"(?:Reuters|Bloomberg|Kyodo|Xinhua|dpa|epd|[A-Z]{2,6})$")
_TITLED = re.compile(
    r"^(\S+\s.*?)\s+(?:(?:staff|senior|chief|contributing|associate|political|special)\s+)*"
    r"(?:writer|reporter|correspondent|contributor|columnist|editor)$",
    re.I,
)
_COMPANY = re.compile(
    r"\b(?:inc|llc|ltd|gmbh|ag|e\.v|redaktion|news|times|post|magazine|media|press|network|agency|reuters|afp|"
    r"dpa|ap|associated press)\b",
    re.I,
)


def upright(text: str) -> str:
    """A name as library metadata writes it, "Lee, Ann", with the surname last."""
    return _SURNAME_FIRST.sub(r"\2 \1", text)


def signed(texts: list[str], sites: list[str]) -> list[str]:
    """The names that the pieces of one byline give, each once; roles and the site's name only where nobody else is."""
    found: dict[str, str] = {}
    for text in texts:
        for name in _named(text):
            found.setdefault(name.casefold(), name)
    names = list(found.values())
    if len(names) < 2:
        return names
    people = [name for name in names if not _ROLE.search(name) and not _DESK.search(name) and not name.islower()]
    people = [name for name in people if not any(is_site(name, site) for site in sites)]
    if any(" " in name for name in people):
        people = [name for name in people if " " in name or _EASTERN.search(name) or _AGENCY.match(name)]
    people = [name for name in people if not any(other != name and other in name for other in people)]
    return people or names


def _named(text: str) -> list[str]:
    text = plain_text(text, 600)
    whole = _WHOLE.fullmatch(text.strip())
    text = _DATE_TAIL.sub("", _BRACKETS.sub(" ", _ADDRESS.sub(" ", whole[1] if whole else text)))
    text = _BY.sub("", " ".join(text.split()))
    parts = _SPLIT.split(text)
    if any(len(part.strip()) == 1 for part in parts):  # "A & B" is one name
        parts = [text]
    names = [name for part in parts if (name := _name(part))]
    if len(names) > 1 and _LETTERS.match(names[-1]):
        names = [name for name in names if not _LETTERS.match(name)] or names
    if len(names) > 2 and " " not in names[0] and " " not in names[1]:
        names = [name for name in names if " " in name] or names
    return names


def grade(name: str, sites: list[str]) -> int:
    """What a name is worth as an author's: 3 a person, 2 a single word, 1 a company or a desk, 0 the site itself."""
    if any(is_site(name, site) for site in sites):
        return 0
    if _COMPANY.search(name) or _DESK.search(name):
        return 1
    return 3 if " " in name or _EASTERN.search(name) else 2


def is_site(name: str, site: str) -> bool:
    """Whether it is the site's name, or little more."""
    bare, whole = (re.sub(r"\W+", "", text.casefold()) for text in (site, name))
    return bool(bare) and (bare == whole or (len(bare) > 5 and bare in whole and len(whole) < 2 * len(bare)))


def _name(part: str) -> str:
    name = _SHOUTED.sub("", _ELSE.sub("", f"{_BY.sub('', part)} ").strip())
    name = name.strip(" ,:;+-–—|\"'“”*›»«()[]《》")
    if not re.search(r"(?:^|\s)(?:[A-Z]|[JS]r|e\.V)\.$", name):
        name = name.strip(" .")
    if len(name) <= 3 * MAX_NAME:
        name = _TITLED.sub(r"\1", _TWICE.sub(r"\1", name))
    if not 2 <= len(name) <= MAX_NAME or _NOBODY.match(name) or len(name.split()) > 6:
        return ""
    if re.search(r"\d{2}|[<>{}=%]|\w\.(?:com|org|net|de|fr|uk)\b", name) or not re.search(r"[^\W\d_]", name):
        return ""
    return name

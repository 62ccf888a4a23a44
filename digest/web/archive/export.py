"""The archive as a folder of files: pages, indexes and feeds that work from any host, and from the disk itself.

Written anew into the same folder, only what changed is touched, and what is no longer there goes; a list of our files
beside them says which are ours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path, PurePosixPath

from starlette.responses import Response

from digest import db
from digest.deliver.progress import Watcher, unwatched
from digest.errors import DigestError, UsageError
from digest.pictures import storing
from digest.web import archive
from digest.web.archive import feeds, reading, showing
from digest.web.archive.showing import Neighbourhood, Places
from digest.web.pages import Site

OURS = ".digest-archive.json"
_HEADER_ONLY = re.compile(r";?\s*frame-ancestors [^;]*")  # of a policy that stands in a page


@dataclass(frozen=True)
class Exported:
    """What became of the files of the folder."""

    issues: int
    written: int
    unchanged: int
    removed: int


@dataclass(frozen=True)
class _Shelf:
    shelf: reading.Shelf
    lines: list[reading.Line]  # newest first


def export(site: Site, folder: Path, url: str | None = None, progress: Watcher = unwatched) -> Exported:
    """Every issue that may be seen, below `folder`; the feeds name the pages at `url`, else those on the public host.

    UsageError, with nothing written, if a file that is not ours stands where one of ours would.
    """
    site = replace(site, language=site.templates.wording(site.config.site.language).language)
    shelves = _shelves(site)
    paths = _paths(shelves)
    try:
        before = _ours(folder)
        _refuse_foreign(folder, paths - before)
        folder.mkdir(parents=True, exist_ok=True)
        _list(folder, before | paths)  # ours, even if we are stopped half-way
        pictures: set[str] = set()
        count = _Count(folder)
        total = len(paths)
        for done, (path, content) in enumerate(_files(site, shelves, url, pictures), 1):
            count.write(path, content)
            progress("Pages", done, total)
        _list(folder, before | paths | {f"images/{name}" for name in pictures})
        for name in sorted(pictures):
            count.write(f"images/{name}", _picture(site, name))
        kept = paths | {f"images/{name}" for name in pictures}
        removed = sum(_remove(folder, path) for path in sorted(before - kept))
        _list(folder, kept)
    except OSError as error:
        raise DigestError(f"{error.filename or folder}: can't be written: {error.strerror}") from error
    return Exported(sum(len(one.lines) for one in shelves), count.written, count.unchanged, removed)


def _shelves(site: Site) -> list[_Shelf]:
    with db.reading(site.engine) as session:
        found = [_Shelf(one, reading.lines(session, one.id)) for one in reading.shelves(session)]
    return [one for one in found if one.lines]


def _paths(shelves: list[_Shelf]) -> set[str]:
    names = ("index.html", "feed.xml", "feed.json")
    ours = {f"{one.shelf.id}/{name}" for one in shelves for name in names}
    return ours | {"index.html"} | {f"{line.edition_id}/{line.number}.html" for one in shelves for line in one.lines}


def _files(site: Site, shelves: list[_Shelf], url: str | None, pictures: set[str]) -> Iterator[tuple[str, bytes]]:
    top, below = _places(site, url, "", pictures), _places(site, url, "../", pictures)
    found = [(one.shelf, one.lines) for one in shelves]
    yield "index.html", _alone(archive.all_page(site, found, top, archive.headers_of(site, None, 0)))
    for one in shelves:
        yield from _edition(site, one, below)


def _edition(site: Site, one: _Shelf, places: Places) -> Iterator[tuple[str, bytes]]:
    shelf, headers = one.shelf, archive.headers_of(site, one.shelf.list_id, 0)
    yield f"{shelf.id}/index.html", _alone(archive.edition_page(site, shelf, one.lines, places, headers))
    with db.reading(site.engine) as session:
        feed = archive.feed_of(site, shelf, reading.told(session, shelf.id, archive.IN_A_FEED), places)
    yield f"{shelf.id}/feed.xml", feeds.as_rss(feed)
    yield f"{shelf.id}/feed.json", feeds.as_json(feed)
    policy = archive.policy(site)
    for place, line in enumerate(one.lines):
        with db.reading(site.engine) as session:
            frozen = reading.frozen(session, shelf.id, line.number)
        after = one.lines[place - 1] if place else None
        before = one.lines[place + 1] if place + 1 < len(one.lines) else None
        around = Neighbourhood(shelf, before, after, site.config.noindex(shelf.list_id))
        if frozen is not None:
            html = showing.page(frozen, around, places, site.templates)
            yield f"{shelf.id}/{line.number}.html", _with_policy(html, policy)


def _places(site: Site, url: str | None, up: str, pictures: set[str]) -> Places:
    """Addresses as a page sees them that stands `up` below the folder."""
    public = site.links.archive()

    def absolute(path: str) -> str:
        if url is None:
            return f"{public}/{path}"
        named = PurePosixPath(path)
        page = path if named.suffix in (".xml", ".json") else f"{path}.html"
        return f"{url.rstrip('/')}/{page if len(named.parts) > 1 else f'{path}/index.html'}"

    return Places(
        home=site.links.subscribe(),
        edition=lambda edition: f"{up}{edition}/index.html",
        issue=lambda edition, number: f"{up}{edition}/{number}.html",
        absolute=absolute,
        feeds=lambda edition, file: f"{up}{edition}/{file}",
        ours=_relative(site, up, pictures),
        said={
            "home": site.links.subscribe(),
            "archive": f"{up}index.html",
            "link": f"{site.links.base}/link",
            "languages": (),
        },
    )


def _relative(site: Site, up: str, pictures: set[str]) -> Callable[[str], str]:
    """What makes addresses of our pictures in an issue lead into the folder, and notes which there are."""
    address = re.compile(f'"{re.escape(escape(site.links.picture("")))}([0-9a-f]{{64}}\\.(?:jpg|png))"')

    def here(found: re.Match[str]) -> str:
        pictures.add(found[1])
        return f'"{up}images/{found[1]}"'

    return lambda html: address.sub(here, html)


def _picture(site: Site, name: str) -> bytes:
    with db.reading(site.engine) as session:
        found = storing.picture(session, name.partition(".")[0])
    return found.content if found else b""


def _alone(page: Response) -> bytes:
    return _with_policy(bytes(page.body).decode(), page.headers["content-security-policy"])


def _with_policy(html: str, policy: str) -> bytes:
    """The page with its policy inside, as no server says it."""
    meta = f'<meta http-equiv="Content-Security-Policy" content="{escape(_HEADER_ONLY.sub("", policy))}">'
    return re.sub("<head>", lambda found: found[0] + "\n" + meta, html, count=1).encode()


def _refuse_foreign(folder: Path, new: set[str]) -> None:
    foreign = next((folder / path for path in sorted(new) if (folder / path).exists()), None)
    if foreign is not None:
        raise UsageError(f"{foreign} is there already and was not exported by Digest: choose another folder")


def _ours(folder: Path) -> set[str]:
    """The files that earlier exports left in the folder."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: expected a folder, found a file")
    try:
        found = json.loads((folder / OURS).read_text())
        return {path for path in found["files"] if _inside(path)}
    except FileNotFoundError:
        return set()
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"{folder / OURS}: expected the list of files that an export writes") from None


def _inside(path: str) -> bool:
    named = PurePosixPath(path)
    return not named.is_absolute() and ".." not in named.parts and len(named.parts) in (1, 2)


def _list(folder: Path, paths: set[str]) -> None:
    _replace(folder / OURS, json.dumps({"files": sorted(paths)}, indent=0).encode() + b"\n")


def _replace(path: Path, content: bytes) -> None:
    new = path.with_name(path.name + ".new")
    new.write_bytes(content)
    new.replace(path)


def _remove(folder: Path, path: str) -> bool:
    target = folder / path
    if not target.is_file():
        return False
    target.unlink()
    if target.parent != folder and not any(target.parent.iterdir()):
        target.parent.rmdir()
    return True


class _Count:
    """Writes files, and counts which of them changed."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.written, self.unchanged = folder, 0, 0

    def write(self, path: str, content: bytes) -> None:
        target = self._folder / path
        if target.is_file() and target.read_bytes() == content:
            self.unchanged += 1
            return
        target.parent.mkdir(exist_ok=True)
        _replace(target, content)
        self.written += 1

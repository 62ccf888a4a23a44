"""Articles made to act in a mail, a page or a preview; and a Chromium that reports whatever tries to run.

The browser is told by Content-Security-Policy-Report-Only that no script is allowed: it runs everything as ever, and
reports each script, handler and plug-in that it meets to the server that the page came from.
"""

from __future__ import annotations

import random
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import chromium
import samples

from digest.compose.content import Also, ArticleContent, Byline, IssueContent, Picture, SectionContent, Sponsor

MARKUP = (
    "<script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</mj-text><mj-raw><script>alert(1)</script></mj-raw><mj-text>",
    "</p></td></tr></table><script src=/hit></script>",
    "<img src=x onerror=alert(1)>",
    '" onmouseover=alert(1) autofocus onfocus=alert(1) x="',
    "' onload=alert(1) '",
    "<svg/onload=alert(1)>",
    "<svg><script>alert&#40;1)</script>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<object data='data:text/html,<script>alert(1)</script>'></object>",
    "<embed src=/hit>",
    "<body onload=alert(1)>",
    "<meta http-equiv=refresh content='0;url=/hit'>",
    "<base href=//evil.example/>",
    "<link rel=import href=/hit>",
    "<style>*{background:url(/hit)}</style>",
    "<!--[if !mso]><!--><script>alert(1)</script><!--<![endif]-->",
    "--><script>alert(1)</script><!--",
    "<![endif]--><img src=x onerror=alert(1)>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&amp;lt;script&amp;gt;",
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    "<template><script>alert(1)</script></template>",
    "<details open ontoggle=alert(1)>x",
    "<video><source onerror=alert(1)>",
    "<form action=/hit><input autofocus onfocus=alert(1)></form>",
    "<a href=javascript:alert(1)>x</a>",
    "<table background=javascript:alert(1)>",
    '<x style="width:expression(alert(1))">',
    "{{7*7}}{% raw %}{{ ''.__class__ }}",
    "{# comment #}{%- include 'x' -%}",
    "<mj-include path='/etc/passwd' /><mj-head>",
    "bk3v9xunsubscribex bw0xunsubscribex",
    "\u202e<script>alert(1)</script>\u202c",
    "\u2028\u2029\u00a0\u200d\\u{a0}\\",
    "\x00<scr\x00ipt>alert(1)</script>",
    "＜script＞alert(1)＜/script＞",
    "[x](javascript:alert(1)) <javascript:alert(1)>",
    "![x](x onerror=alert(1)) <img src=x onerror=alert(1)>",
    "[x]: javascript:alert(1)\n\n[x]",
    "السَّلامُ हिन्दी ภาษาไทย <b>",
)
ADDRESSES = (
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    " javascript:alert(1)",
    "java\nscript:alert(1)",
    "java\tscript:alert(1)",
    "\x01javascript:alert(1)",
    "javascript&#58;alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "data:image/svg+xml,<svg onload=alert(1)>",
    "vbscript:msgbox(1)",
    "file:///etc/passwd",
    "//evil.example/x",
    "/hit",
    "#",
    "",
    'https://a.example/"onmouseover=alert(1) x="',
    "https://a.example/'><script>alert(1)</script>",
    "https://a.example/?q=<svg onload=alert(1)>",
    "https://a.example/\u00a0x\\y",
    "https://[::1",
    "https://a.example/a?b=c&d=e&amp;f",
    "https://a.example/good",
)


def issues(count: int, size: int, seed: int, more: Sequence[str] = ()) -> Iterator[IssueContent]:
    """`count` articles in issues of `size`, every field hostile; `more` are texts to draw from, too."""
    dice = random.Random(seed)
    texts, made = [*MARKUP, *more], 0

    def text() -> str:
        return " ".join(dice.choices([*texts, "plain words", "and more"], k=dice.randint(1, 3)))

    def picture() -> Picture | None:
        return Picture(dice.choice(ADDRESSES), text(), text(), 600, 400) if dice.random() < 0.5 else None

    def article(number: int) -> ArticleContent:
        return ArticleContent(
            id=number,
            url=dice.choice(ADDRESSES),
            title=text(),
            dek=text(),
            bylines=tuple(Byline(text(), text()) for _ in range(dice.randint(0, 2))),
            kind=text(),
            section=text(),
            source=text(),
            picture=picture(),
            published=samples.ISSUE.date,
            language=dice.choice([None, "ar", "de", '"><script>alert(1)</script>']),
            also=tuple(Also(text(), dice.choice(ADDRESSES)) for _ in range(dice.randint(0, 3))),
            also_more=dice.randint(0, 2),
            rank=number,
        )

    while made < count:
        pieces = [article(made + offset) for offset in range(min(size, count - made))]
        made += len(pieces)
        styles = ("full", "short", "links", "symposium")
        yield replace(
            samples.ISSUE,
            site=replace(
                samples.SITE, name=text(), postal_address=text(), social=((text(), "https://social.example/@us"),)
            ),
            edition=text(),
            list_title=text(),
            subject=text(),
            preheader=text(),
            intro=text(),
            outro=text(),
            lead=pieces[0],
            sections=tuple(
                SectionContent(f"s{at}", text(), style, tuple(pieces[1 + at :: 4]), note=text(), question=text())
                for at, style in enumerate(styles)
            ),
            latest=tuple(pieces[:5]),
            sponsor=Sponsor(text(), text(), dice.choice(ADDRESSES), text(), picture()),
        )


@dataclass
class Stage:
    """Pages that a browser was shown, and what happened there."""

    pages: Mapping[str, str]
    reports: list[str] = field(default_factory=list)  # what tried to run
    asked: set[str] = field(default_factory=set)  # addresses of ours that were asked for, other than the pages


def shown(pages: Mapping[str, str]) -> Stage:
    """All `pages` (path -> HTML) opened in Chromium, side by side, until nothing happens there any more."""
    stage = Stage(pages)
    frames = "".join(f'<iframe src="{path}" width="640" height="400"></iframe>' for path in pages)
    with (
        _served(stage, f'<!doctype html><meta charset="utf-8">{frames}') as home,
        tempfile.TemporaryDirectory() as folder,
    ):
        command = [chromium.BINARY, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
        command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
        command += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", f"--user-data-dir={folder}"]
        command += ["--virtual-time-budget=20000", "--dump-dom", home]
        subprocess.run([str(part) for part in command], check=True, capture_output=True, timeout=300)
    return stage


@contextmanager
def _served(stage: Stage, home: str) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = home if self.path == "/" else stage.pages.get(self.path)
            if page is None and self.path != "/favicon.ico":
                stage.asked.add(self.path)
            self._answer(page or "")

        def do_POST(self) -> None:
            stage.reports.append(self.rfile.read(int(self.headers["content-length"])).decode())
            self._answer("")

        def _answer(self, page: str) -> None:
            body = page.encode()
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            policy = "script-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'; report-uri /report"
            self.send_header("content-security-policy-report-only", policy)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

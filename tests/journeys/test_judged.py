"""Every mail and page before independent judges: axe-core in Chromium, light and dark; the Nu HTML checker."""

from __future__ import annotations

import re
import zlib
from datetime import datetime

import chromium
import nodetools
import pictures
import pytest
import samples
from sqlalchemy import Engine, update
from webhost import add_issue, add_list, serving

from digest import db
from digest.compose.rendering import render
from digest.models import Variant, table
from digest.templating import Templates, template_root

pytestmark = pytest.mark.slow
in_chromium = pytest.mark.skipif(
    chromium.BINARY is None or not nodetools.AXE.is_file(),
    reason="axe-core or chromium is not here (python tests/nodetools.py fetches axe-core): nobody looks for barriers",
)


@in_chromium
def test_axe_finds_nothing_in_any_mail() -> None:
    found = {}
    with chromium.page() as page:
        for name, html in pictures.mails().items():
            for dark in (False, True):
                page.show(html, 600, dark=dark)
                if told := nodetools.violations(page, mail=True):
                    found[f"{name}, {'dark' if dark else 'light'}"] = told
    assert found == {}


@in_chromium
def test_axe_finds_what_is_wrong() -> None:
    with chromium.page() as page:
        page.show("<html><title>A</title><img src='a.png'><p style='color:#bbb'>pale</p>", 600)
        told = nodetools.violations(page)
    assert {one.partition(":")[0] for one in told} >= {"color-contrast", "html-has-lang", "image-alt"}


@in_chromium
def test_axe_finds_nothing_in_the_archive(engine: Engine, now: datetime) -> None:
    if engine.dialect.name != "sqlite":
        pytest.skip("the pages are the same on every database")
    html = render(samples.RICH, Templates(template_root()), "roundup", "w1k").html
    with db.writing(engine) as session:
        add_list(session, now, description="Every Friday.")
        add_issue(session, now, 1)
        session.execute(update(table(Variant)).values(html=zlib.compress(html.encode())))
    found = {}
    with serving(engine, now) as host, chromium.page() as page:
        for path in ("/", "/archive", "/archive/weekly", "/archive/weekly/1", "/unsubscribe", "/nowhere"):
            page.open(host.url + path, 600)
            assert page.said("document.body.innerText.length") > 20, path
            if told := nodetools.violations(page):
                found[path] = told
    assert found == {}


@pytest.mark.skipif(
    nodetools.JAVA is None or not nodetools.VNU.is_file(),
    reason="java or the Nu HTML checker is not here (python tests/nodetools.py fetches it): nobody validates the HTML",
)
def test_the_nu_checker_finds_no_error_but_what_outlook_on_windows_wants() -> None:
    documents = {
        name: re.sub(r"data:image/png;base64,[^\"]*", "a.png", html) for name, html in pictures.mails().items()
    }
    told = nodetools.errors(documents)
    assert [one for one in told if not re.search(r"“(mso-hide|mso-table-[lr]space|xmlns:[ov])”", one)] == []
    assert told, "the checker said nothing at all, not even of what is for Outlook alone"

"""An issue rendered: accessible, complete in both parts, inert, small enough to be read whole."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from datetime import date
from html import unescape
from itertools import pairwise
from pathlib import Path

import mjml
import pytest
import samples

from digest.blanks import Blank, blank, fill
from digest.compose.content import ArticleContent, Byline, IssueContent, SectionContent, articles
from digest.compose.rendering import Rendered, render, render_letter
from digest.templating import Templates, rows, template_root
from digest.templating.inspection import Document
from digest.templating.rows import MAX_HTML, Mail
from digest.templating.text import columns
from digest.theme import THEMES

TEMPLATES = Templates(template_root())
WORD = "k3v9q"
UNSUBSCRIBE = blank(WORD, Blank.UNSUBSCRIBE)


def rendered(content: IssueContent = samples.ISSUE, template: str = "roundup") -> Rendered:
    return render(content, TEMPLATES, template, WORD)


def issue_of(*pieces: ArticleContent) -> IssueContent:
    return replace(samples.ISSUE, lead=None, latest=(), sections=(SectionContent("s", "All", "full", pieces),))


def bare() -> IssueContent:
    """An issue that says as little as an issue can."""
    site = replace(samples.SITE, social=())
    section = SectionContent("s", "News", "full", (ArticleContent(1, "https://a.example/1", "Only a title"),))
    return IssueContent(
        site, "Weekly", "weekly", "Weekly", 1, date(2026, 11, 20), "en", "ltr", "S", "", sections=(section,)
    )


SHIPPED = {
    "roundup": rendered(),
    "roundup in Arabic": rendered(samples.ARABIC),
    "roundup with a logo": rendered(
        replace(samples.ISSUE, site=replace(samples.SITE, logo="https://meridian.example/logo.png"))
    ),
    "bare roundup": rendered(bare()),
    "roundup in Japanese": rendered(samples.JAPANESE),
    "compact roundup": rendered(samples.RICH, "compact"),
    "compact roundup in Arabic": rendered(samples.ARABIC, "compact"),
    "bare compact roundup": rendered(bare(), "compact"),
    "single roundup": rendered(samples.ALONE, "single"),
    "single roundup with more": rendered(samples.RICH, "single"),
    "bare single roundup": rendered(bare(), "single"),
    **{kind: render_letter(kind, context, TEMPLATES, WORD) for kind, context in samples.LETTERS.items()},
}
mails = pytest.mark.parametrize("mail", SHIPPED.values(), ids=SHIPPED.keys())
ISSUES = {name: mail for name, mail in SHIPPED.items() if "roundup" in name}
issues = pytest.mark.parametrize("mail", ISSUES.values(), ids=ISSUES.keys())


@pytest.mark.parametrize("theme", THEMES)
def test_everything_an_issue_can_hold_stands_in_both_parts(theme: str) -> None:
    mail = rendered(replace(samples.RICH, theme=THEMES[theme]))
    assert mail.problems == ()
    text, seen = " ".join(mail.text.split()), " ".join(Document(mail.html).text.split())
    for words in ("What should an audit be allowed to find?", "Maps of the north", "Sponsored by Harbour Books"):
        assert (words in text, words in seen) == (True, True)
    assert "Our view on two fronts, explained at length [" in text
    assert text.index("Sanctions work best") < text.index("Maps of the north") < text.index("ARMS AND BUDGETS")
    assert seen.index("Sanctions work best") < seen.index("Maps of the north") < seen.index("Arms and Budgets")
    assert THEMES[theme].light.accent in mail.html
    assert THEMES[theme].dark.card in mail.html


def test_a_sponsor_whose_section_is_not_there_follows_the_lead() -> None:
    assert samples.RICH.sponsor
    mail = rendered(replace(samples.RICH, sponsor=replace(samples.RICH.sponsor, after="gone", label="")))
    for part in (mail.text.upper(), Document(mail.html).text.upper()):
        assert part.index("STOPPED ANSWERING") < part.index("MAPS OF THE NORTH") < part.index("SANCTIONS WORK BEST")
    assert "[Sponsored]" in mail.text


def test_a_theme_sets_width_typefaces_and_logo() -> None:
    own = replace(THEMES["press"], width=560, heading_font="Futura,sans-serif", logo="https://a.example/l.png")
    html = rendered(replace(samples.RICH, theme=own)).html
    assert "max-width:560px" in html
    assert "Futura,sans-serif" in html
    assert "https://a.example/l.png" in html


@mails
def test_no_text_is_smaller_than_fourteen_pixels(mail: Rendered) -> None:
    sizes = re.findall(r"font-size:\s*(\d+)px|font:[^;\"]*?(\d+)px/", mail.html)
    assert min(int(one or other) for one, other in sizes if int(one or other) > 1) >= 14


@pytest.mark.parametrize("name", SHIPPED)
def test_nothing_is_wrong_with_a_shipped_mail(name: str) -> None:
    mail = SHIPPED[name]
    assert mail.problems == ()
    assert mail.trimmed == 0
    blanks = tuple(blank(WORD, one) for one in Blank)
    said = rows.failures(Mail(mail.subject, mail.html, mail.text, blanks, issue="roundup" in name))
    assert [one for one in said if one[0] != "A-14" or "bare" not in name] == []


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("template", ["roundup", "compact", "single"])
def test_nothing_is_wrong_in_any_theme(theme: str, template: str) -> None:
    mail = rendered(replace(samples.RICH, theme=THEMES[theme]), template)
    blanks = tuple(blank(WORD, one) for one in Blank)
    assert rows.failures(Mail(mail.subject, mail.html, mail.text, blanks)) == []


@mails
def test_document_says_its_language_direction_and_title(mail: Rendered) -> None:
    document = Document(mail.html)
    places = [attrs for tag, attrs in document.tags if tag == "html" or attrs.get("role") == "article"]
    assert len(places) == 2
    assert {(attrs["lang"], attrs["dir"]) for attrs in places} in ({("en", "ltr")}, {("ar", "rtl")}, {("ja", "ltr")})
    assert f"<title>{mail.subject}</title>" in mail.html


@mails
def test_layout_tables_say_that_they_are_none(mail: Rendered) -> None:
    tables = re.findall(r"<table\b[^>]*>", mail.html)  # those for Outlook, in comments, too
    assert tables
    assert [table for table in tables if 'role="presentation"' not in table] == []
    assert not re.search(r"<(th|caption)\b", mail.html)


@mails
def test_images_have_alternatives_and_sizes(mail: Rendered) -> None:
    for tag, attrs in Document(mail.html).tags:
        if tag == "img":
            assert attrs["alt"]
            assert attrs.get("width") or attrs.get("height")


@mails
def test_headings_are_an_outline(mail: Rendered) -> None:
    levels = [int(tag[1]) for tag, _ in Document(mail.html).tags if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))


@mails
def test_links_say_where_they_lead(mail: Rendered) -> None:
    document = Document(mail.html)
    named: dict[str, set[str]] = defaultdict(set)
    labels = [attrs.get("aria-label", "") for tag, attrs in document.tags if tag == "a" and "href" in attrs]
    for (href, words), label in zip(document.links, labels, strict=True):
        named[(label or words).strip()].add(href)
    assert "" not in named
    assert {name: hrefs for name, hrefs in named.items() if len(hrefs) > 1} == {}
    assert not {name.lower() for name in named} & {"read more", "click here", "here", "more"}


@mails
def test_both_parts_have_the_same_links(mail: Rendered) -> None:
    hrefs = {href for href, _ in Document(mail.html).links}
    in_text = {word for word in mail.text.split() if word.startswith(("http", f"b{WORD}x"))}
    assert hrefs <= in_text
    assert in_text - hrefs <= {samples.SITE.url}


@mails
def test_text_part_is_wrapped_and_plain(mail: Rendered) -> None:
    long = [line for line in mail.text.split("\n") if columns(line) > 76 and "://" not in line]
    assert long == []
    assert not re.search(r"</?[a-z]+[ >]|&[a-z]+;|\n\n\n|[ \t]\n", mail.text)
    assert mail.text.endswith("\n")


@mails
def test_sender_says_where_he_lives(mail: Rendered) -> None:
    last = "".join(mail.text.split("---")[-1].split())[-20:]
    assert "14" in last or last in samples.SITE.postal_address.replace(" ", "")
    assert "".join(Document(mail.html).text.split()).endswith(last)


@mails
def test_font_of_the_body_is_large_enough(mail: Rendered) -> None:
    sizes = {int(size) for size in re.findall(r"font-size:(\d+)px", mail.html)} - {0, 1}
    assert min(sizes) >= 12
    assert "justify" not in mail.html


@issues
def test_unsubscribe_is_in_both_parts_on_a_line_of_its_own(mail: Rendered) -> None:
    assert f'href="{UNSUBSCRIBE}"' in mail.html
    assert UNSUBSCRIBE in mail.text.split("\n")
    filled = fill(mail.html, WORD, dict.fromkeys(Blank, "https://news.example/unsubscribe/abc"))
    assert 'href="https://news.example/unsubscribe/abc"' in filled


@issues
def test_touch_targets_of_the_footer_are_large_enough(mail: Rendered) -> None:
    style = re.search(rf'href="{UNSUBSCRIBE}" style="([^"]*)"', mail.html)
    assert style
    assert "padding:12px 10px;line-height:20px" in style[1]  # 12 + 20 + 12 = 44 px


def test_preheader_is_first_hidden_and_padded() -> None:
    body = rendered().html.split("<body", 1)[1]
    first = re.search(r"<div style=\"([^\"]*)\">([^<]*)", body)
    assert first
    assert "display:none" in first[1]
    assert "max-height:0" in first[1]
    assert first[2].startswith(samples.ISSUE.preheader)
    assert unescape(first[2]).count("\u034f") == 40


@pytest.mark.parametrize("template", ["roundup", "compact", "single"])
def test_every_article_is_in_both_parts_in_the_same_order(template: str) -> None:
    mail = rendered(template=template)
    html, text = Document(mail.html).text, " ".join(mail.text.split())
    for part in (html, text):
        places = [part.index(article.title) for article in articles(samples.ISSUE)]
        assert places == sorted(places)


def test_kicker_leaves_out_the_section_under_its_own_heading() -> None:
    mail = rendered()
    assert "ANALYSIS | GLOBAL CRISES\nThe strait" in mail.text
    assert "\nREPORTING\nA ceasefire" in mail.text
    assert "\nSYMPOSIUM | WASHINGTON POLITICS\nWhy parliaments" in mail.text


def test_one_image_for_the_lead_and_each_section() -> None:
    images = [attrs["src"][-5] for tag, attrs in Document(rendered().html).tags if tag == "img"]
    assert images == ["1", "2", "5", "7"]


def test_every_word_stands_with_images_off() -> None:
    mail = rendered()
    bare = re.sub(r"<img[^>]*>", "", mail.html)
    for article in articles(samples.ISSUE):
        assert article.title in Document(bare).text


@pytest.mark.parametrize(("issue", "direction"), [(samples.ISSUE, "ltr"), (samples.ARABIC, "rtl")])
def test_a_thumbnail_s_description_is_read_in_the_mail_s_direction(issue: IssueContent, direction: str) -> None:
    cells = re.findall(r'<td class="th"[^>]*>', rendered(issue).html)
    assert cells
    assert all(f'dir="{direction}"' in cell for cell in cells)


def test_mixed_directions_are_isolated() -> None:
    mail = SHIPPED["roundup in Arabic"]
    assert "<bdi>The border town that votes twice</bdi>" in mail.html
    assert 'lang="en"' in mail.html
    assert "\u2068Tomas Lindqvist\u2069" in mail.text
    assert "direction:ltr" not in mail.html
    assert "text-align:right" in mail.html


HOSTILE = ArticleContent(
    id=1,
    url="javascript:alert(1)",
    title=f"{{{{7*7}}}} </mj-text><script>alert(1)</script> {UNSUBSCRIBE[:-1]} =?utf-8?q?a=0D=0ABcc:_x?=\r\nBcc: x",
    dek="<img src=x onerror=alert(1)> {% raw %} \\u{a0} &lt;b&gt;",
    bylines=(Byline("<b>A</b>", "{{ 1 }}"),),
    kind="</p>",
    section="<mj-raw>",
    picture=replace(samples.picture(1, '" onerror="alert(1)'), url='https://x.example/"><script>'),
)


def test_a_hostile_article_arrives_inert() -> None:
    mail = rendered(issue_of(HOSTILE))
    assert mail.problems == ()
    title = HOSTILE.title.replace("\r\n", " ")
    assert title in Document(mail.html).text
    assert " ".join(title.split()) in " ".join(mail.text.split())
    assert HOSTILE.dek in Document(mail.html).text
    assert "javascript:" not in mail.html + mail.text
    assert "<script" not in mail.html


def test_a_blank_of_another_word_in_a_title_stays_text() -> None:
    mail = rendered(issue_of(replace(HOSTILE, title="bother9xunsubscribex")))
    assert "bother9xunsubscribex" in fill(mail.html, WORD, dict.fromkeys(Blank, "https://n.example/u"))


@pytest.mark.parametrize(
    "url",
    ["https://x.example/a.webp", "https://x.example/a.SVG?w=1", "data:image/png;base64,AA", "http://x.example/a.png"],
)
def test_images_that_mail_readers_do_not_show_are_left_out(url: str) -> None:
    mail = rendered(issue_of(samples.article(1, "One", picture=replace(samples.picture(1, "alt"), url=url))))
    assert "<img" not in mail.html


def many(count: int) -> IssueContent:
    dek = (
        "Twenty words that say what the article is about, so that its length is that of an ordinary one in a magazine. "
    )
    pieces = [
        samples.article(
            100 + n, f"Article number {n} of this issue", dek=dek, bylines=(Byline("A. Author"),), kind="News"
        )
        for n in range(count)
    ]
    sections = tuple(SectionContent(f"s{n}", f"Section {n}", "full", tuple(pieces[n::4])) for n in range(4))
    return replace(samples.ISSUE, sections=sections, latest=())


def test_an_article_costs_less_than_a_kilobyte_and_a_half() -> None:
    each = (len(rendered(many(40)).html.encode()) - len(rendered(many(10)).html.encode())) / 30
    assert each <= 1500


@pytest.mark.parametrize("template", ["roundup", "compact", "single"])
@pytest.mark.parametrize("count", [55, 90, 200])
def test_a_large_issue_is_trimmed_to_what_mail_readers_show(count: int, template: str) -> None:
    content = many(count)
    mail = rendered(content, template)
    filled = fill(mail.html, WORD, dict.fromkeys(Blank, "https://news.example/unsubscribe/" + "a" * 200))
    assert len(filled.encode()) <= MAX_HTML
    kept = Document(mail.html).text.count("Article number")
    assert kept + mail.trimmed == count
    assert mail.problems == ()
    if mail.trimmed:
        assert f"{mail.trimmed} more stories on the web" in Document(mail.html).text
        assert f"{mail.trimmed} more stories on the web [" in mail.text
        assert "Article number 0 of" in mail.text
    assert mail.text.count("Article number") == kept
    assert samples.SITE.postal_address in " ".join(mail.text.split())
    assert UNSUBSCRIBE in mail.html.encode()[:MAX_HTML].decode()


def test_those_that_rank_lowest_are_left_to_the_web_whatever_their_section() -> None:
    content = many(200)
    ranked = tuple(
        replace(section, articles=tuple(replace(one, rank=(one.id * 37) % 200 + 1) for one in section.articles))
        for section in content.sections
    )
    low = SectionContent("low", "The lowest", "full", (samples.article(900, "The last of all", rank=999),))
    mail = rendered(replace(content, sections=(low, *ranked)))
    seen = Document(mail.html).text
    placed = [one for section in ranked for one in section.articles]
    kept = {one.rank for one in placed if one.title in seen}
    assert kept == set(range(1, len(kept) + 1))
    assert mail.trimmed == 201 - len(kept)
    assert "The lowest" not in seen
    assert samples.LEAD.title in seen


@pytest.mark.parametrize("dek", [20, 200, 2_000])
def test_few_compiles_tell_how_many_have_to_go(monkeypatch: pytest.MonkeyPatch, dek: int) -> None:
    content, compiled = many(200), []
    long = tuple(
        replace(
            section, articles=tuple(replace(one, dek="words " * (dek * (one.id % 3) // 6)) for one in section.articles)
        )
        for section in content.sections
    )
    real = mjml.mjml2html
    monkeypatch.setattr(mjml, "mjml2html", lambda *args, **more: compiled.append(1) or real(*args, **more))
    mail = rendered(replace(content, sections=long))
    assert len(compiled) <= 5
    assert MAX_HTML - 6_000 < len(mail.html.encode()) <= MAX_HTML


@pytest.mark.parametrize("part", ["html", "txt"])
def test_an_own_template_that_forgets_what_the_law_wants_must_not_go_out(tmp_path: Path, part: str) -> None:
    shipped = template_root() / "email"
    folder = tmp_path / "email"
    (folder / "parts").mkdir(parents=True)
    if part == "html":
        source = (shipped / "parts" / "footer.mjml.j2").read_text()
        (folder / "parts" / "footer.mjml.j2").write_text(source.replace("blanks.unsubscribe", "site.url"))
    else:
        source = (shipped / "parts" / "closing.txt.j2").read_text()
        (folder / "parts" / "closing.txt.j2").write_text(source.replace("{{ site.postal_address|wrap }}", ""))
    problems = render(samples.ISSUE, Templates(template_root(), tmp_path), "roundup", WORD).problems
    said = (
        "the HTML part has no link to unsubscribe"
        if part == "html"
        else "the text part does not say the postal address"
    )
    assert said in problems


def test_articles_left_out_are_said_even_without_an_archive() -> None:
    mail = rendered(replace(many(200), web_url=""))
    assert mail.problems == ()
    assert f"{mail.trimmed} more stories on the web" in Document(mail.html).text


def test_a_mail_that_can_not_be_made_small_is_a_problem() -> None:
    mail = rendered(replace(samples.ISSUE, intro="many words " * 9000))
    assert any("mail readers cut after 90,000" in problem for problem in mail.problems)


def test_one_compile_for_an_issue(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []
    real = mjml.mjml2html
    monkeypatch.setattr(mjml, "mjml2html", lambda *args, **more: compiled.append(1) or real(*args, **more))
    rendered()
    assert len(compiled) == 1


def test_rendering_twice_gives_the_same_bytes() -> None:
    assert rendered() == rendered()


def test_confirm_mail_carries_no_advertising() -> None:
    mail = SHIPPED["confirm"]
    document = Document(mail.html)
    assert [href for href, _ in document.links] == [blank(WORD, Blank.CONFIRM), blank(WORD, Blank.DECLINE)]
    assert not [tag for tag, _ in document.tags if tag == "img"]
    assert "http" not in mail.text


def test_notice_says_what_happened() -> None:
    mail = SHIPPED["notice"]
    assert "holds 16 articles in 4 sections" in " ".join(mail.text.split())
    assert "[1] https://news.meridian.example/desk/issues/142" in mail.text


def test_a_postal_address_of_several_lines_is_one() -> None:
    site = replace(samples.SITE, postal_address="14 Harbour Lane,\r\nPortland\n")
    assert "14 Harbour Lane, Portland\n" in rendered(replace(samples.ISSUE, site=site)).text

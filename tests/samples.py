"""Issues of an invented magazine, for tests and pictures. All texts are written for this project."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from digest.compose.content import (
    Also,
    ArticleContent,
    Byline,
    IssueContent,
    Picture,
    SectionContent,
    SiteContent,
    Sponsor,
)

SITE = SiteContent(
    name="The Meridian Review",
    url="https://meridian.example/",
    postal_address="The Meridian Review, 14 Harbour Lane, Suite 3, Portland, ME 04101, USA",
    social=(
        ("Mastodon", "https://social.example/@meridian"),
        ("YouTube", "https://video.example/meridian"),
        ("RSS", "https://meridian.example/feed.xml"),
    ),
)

INTRO = """Dear reader,

Two ministries said this week that nothing had changed, which is how one learns that something has. Our lead follows the
grain ships that no longer answer their radios; below it, **a budget nobody voted for** and
[a conversation about borders](https://meridian.example/talks/borders) that we would happily have continued for an hour.
"""

OUTRO = """That is the week. Write to us by answering this mail: a person reads it.

*Ana Whitlock, editor*
"""


def article(number: int, title: str, **more: object) -> ArticleContent:
    """An article of the magazine; its link is made of `number`."""
    url = f"https://meridian.example/2026/11/{number}-" + "-".join(title.lower().split()[:6]).replace(",", "")
    values: dict[str, object] = {"id": number, "url": url, "title": title, "source": SITE.name}
    return ArticleContent(**{**values, **more})  # type: ignore[arg-type]


def picture(number: int, alt: str, credit: str = "") -> Picture:
    """One of the pictures that tests/pictures.py draws."""
    return Picture(f"https://meridian.example/images/{number}.png", alt, credit, 1200, 675)


LEAD = article(
    1,
    "The strait where the ships stopped answering",
    dek="For nine weeks, freighters on the northern grain route have gone quiet for an hour each night."
    " Harbour masters, insurers and one very patient radio operator explain what the silence is worth,"
    " and who is paying for it.",
    bylines=(Byline("Ines Okafor"), Byline("Tomas Lindqvist", "Baltic Desk")),
    kind="Analysis",
    section="Global Crises",
    picture=picture(1, "A cargo ship at dusk, its lights out, off a low coast", "Jonas Pell / Harbour Archive"),
    published=date(2026, 11, 19),
    also=(Also("Coastal Gazette", "https://gazette.example/strait"), Also("Port Wire", "https://wire.example/9931")),
)

CRISES = SectionContent(
    "crises",
    "Global Crises",
    "full",
    (
        article(
            2,
            "A ceasefire with two clocks and no calendar",
            dek="Both sides agreed on the hour at which the guns fall silent. Neither will say on which day.",
            bylines=(Byline("Miriam Castellane"),),
            kind="Reporting",
            section="Global Crises",
            picture=picture(2, "Two clocks on the wall of an empty conference room"),
            published=date(2026, 11, 18),
        ),
        article(
            3,
            "What the aid convoys carry back",
            dek="The trucks go in with flour. They return with letters, car parts and a very good map.",
            bylines=(Byline("Davit Arakelian"), Byline("Ruth Odhiambo")),
            kind="Analysis",
            section="Global Crises",
            published=date(2026, 11, 17),
            also=(Also("Port Wire", "https://wire.example/9902"),),
        ),
        article(
            4,
            "Sanctions work best on people who read",
            dek="A study of 61 lists finds that most of those named learned of it from a bank clerk.",
            bylines=(Byline("Paul Ferrante", "Institute for Slow Diplomacy"),),
            kind="Opinion",
            section="Global Crises",
            published=date(2026, 11, 16),
        ),
    ),
)

BUDGETS = SectionContent(
    "industry",
    "Arms and Budgets",
    "full",
    (
        article(
            5,
            "The missile that passed every test but the audit",
            dek="Delivered late, over cost and, as it turns out, to the wrong address: a procurement in four invoices.",
            bylines=(Byline("Hollis Grant"),),
            kind="Reporting",
            section="Arms and Budgets",
            picture=picture(5, "A hangar with a single crate under a tarpaulin"),
            published=date(2026, 11, 18),
        ),
        article(
            6,
            "Why parliaments find out last",
            dek="Budget lines are approved in spring, amended in summer and explained in memoirs.",
            bylines=(Byline("Sofia Brandt"),),
            kind="Symposium",
            section="Washington Politics",
            published=date(2026, 11, 17),
        ),
    ),
)

EUROPE = SectionContent(
    "europe",
    "Europe",
    "full",
    (
        article(
            7,
            "The border town that votes twice",
            dek="In Kaltbrunn an der Linde, election day is a family visit.",
            bylines=(Byline("Greta Solheim"),),
            kind="Reporting",
            section="Europe",
            picture=picture(7, "A bridge over a narrow river, flags at both ends"),
            published=date(2026, 11, 15),
        ),
        article(
            8,
            "A pipeline looking for a reason",
            dek="It was built for gas, defended as hydrogen and may end as a very long cellar.",
            bylines=(Byline("Emil Kovac"),),
            kind="Video",
            section="Europe",
            published=date(2026, 11, 14),
        ),
    ),
)

NOTES = SectionContent(
    "notes",
    "Field Notes",
    "short",
    tuple(
        article(9 + offset, title, bylines=(Byline(name),), kind="Note", published=date(2026, 11, 19 - offset))
        for offset, (title, name) in enumerate(
            [
                ("Envoy recalled, then recalled again", "Ruth Odhiambo"),
                ("Six words missing from the communiqué", "Emil Kovac"),
                ("Poll: most people would rather not be a buffer state", "Greta Solheim"),
            ]
        )
    ),
)

ISSUE = IssueContent(
    site=SITE,
    edition="The Weekly Round-up",
    edition_id="weekly",
    list_title="The Weekly Round-up",
    number=142,
    date=date(2026, 11, 20),
    language="en",
    direction="ltr",
    subject="The strait where the ships stopped answering",
    preheader="Also this week: a ceasefire with two clocks, an audit nobody passed, and a town that votes twice.",
    intro=INTRO,
    outro=OUTRO,
    lead=LEAD,
    sections=(CRISES, BUDGETS, EUROPE, NOTES),
    latest=(NOTES.articles[0], LEAD, CRISES.articles[0], BUDGETS.articles[0]),
    web_url="https://news.meridian.example/archive/weekly/142",
    subscribe_url="https://news.meridian.example/",
)

ARABIC = IssueContent(
    site=replace(SITE, name="مجلة الأفق", postal_address="مجلة الأفق، شارع الميناء 14، عمّان، الأردن"),
    edition="حصاد الأسبوع",
    edition_id="weekly-ar",
    list_title="حصاد الأسبوع",
    number=12,
    date=date(2026, 11, 20),
    language="ar",
    direction="rtl",
    subject="المضيق الذي صمتت فيه السفن",
    preheader="وفي هذا العدد أيضًا: هدنة بساعتين ومن دون تقويم، وبلدة حدودية تصوّت مرتين.",
    intro="أعزاءنا القراء،\n\nقالت وزارتان هذا الأسبوع إن شيئًا لم يتغيّر، وهكذا يعرف المرء أن شيئًا قد تغيّر.",
    lead=article(
        21,
        "المضيق الذي صمتت فيه السفن",
        dek="منذ تسعة أسابيع تصمت سفن الحبوب ساعةً كل ليلة. مراقبو الموانئ يشرحون ثمن هذا الصمت.",
        bylines=(Byline("إيناس عثمان"), Byline("Tomas Lindqvist", "Baltic Desk")),
        kind="تحليل",
        section="أزمات عالمية",
        picture=picture(1, "سفينة شحن عند الغروب"),
    ),
    sections=(
        SectionContent(
            "crises",
            "أزمات عالمية",
            "full",
            (
                article(
                    22,
                    "هدنة بساعتين ومن دون تقويم (UN & NATO)",
                    dek="اتفق الطرفان على ساعة وقف النار، ولم يقل أحد في أي يوم.",
                    bylines=(Byline("مريم قسطلان"),),
                    kind="تقرير",
                    picture=picture(2, "ساعتان على جدار قاعة خالية"),
                ),
                article(
                    23,
                    "The border town that votes twice",
                    bylines=(Byline("Greta Solheim"),),
                    kind="رأي",
                    language="en",
                ),
            ),
        ),
    ),
    web_url="https://news.meridian.example/archive/weekly-ar/12",
    subscribe_url="https://news.meridian.example/",
)

JAPANESE = IssueContent(
    site=replace(SITE, name="子午線評論", postal_address="子午線評論、〒100-0001 東京都千代田区港町14番地"),
    edition="今週のまとめ",
    edition_id="weekly-ja",
    list_title="今週のまとめ",
    number=12,
    date=date(2026, 11, 20),
    language="ja",
    direction="ltr",
    subject="船が応答をやめた海峡",
    preheader="今号はほかに、二つの時計はあるが暦のない停戦、監査だけに落ちたミサイル、二度投票する国境の町の話をお届けします。",
    intro="読者の皆さま\n\n今週、二つの省が「何も変わっていない」と述べました。何かが変わったことは、いつもこうして知れるものです。",
    outro="今週は以上です。このメールに返信すれば、編集部の人間が読みます。",
    lead=article(
        31,
        "船が応答をやめた海峡",
        dek="九週間前から、北の穀物航路の貨物船は毎晩一時間だけ沈黙する。港長、保険会社、そして辛抱強い無線技士が、その沈黙の値段を語る。",
        bylines=(Byline("岡本 泉"), Byline("Tomas Lindqvist", "Baltic Desk")),
        kind="分析",
        section="世界の危機",
        picture=picture(1, "夕暮れの沖に灯を消して停まる貨物船", "港湾資料館"),
    ),
    sections=(
        SectionContent(
            "crises",
            "世界の危機",
            "full",
            (
                article(
                    32,
                    "二つの時計はあるが暦のない停戦",
                    dek="砲火がやむ時刻には両者が合意した。何日かは、どちらも言わない。",
                    bylines=(Byline("宮田 理央"),),
                    kind="取材",
                    picture=picture(2, "無人の会議室の壁に掛かる二つの時計"),
                ),
                article(33, "The border town that votes twice", bylines=(Byline("Greta Solheim"),), language="en"),
            ),
        ),
    ),
    web_url="https://news.meridian.example/archive/weekly-ja/12",
    subscribe_url="https://news.meridian.example/",
)

RICH = replace(
    ISSUE,
    sections=(
        replace(CRISES, note="Our view on **two** fronts, [explained at length](https://meridian.example/more)."),
        replace(
            BUDGETS,
            style="symposium",
            question="What should an audit be allowed to find?",
            articles=tuple(replace(one, kind="Symposium") for one in BUDGETS.articles),
        ),
        replace(EUROPE, style="links"),
        NOTES,
    ),
    sponsor=Sponsor(
        "Sponsored by Harbour Books",
        "Maps of the north",
        "https://books.example/maps",
        "A *new* edition, with every strait in it and two that were drawn from memory.",
        picture(2, "Two clocks over a table of maps"),
        after="crises",
    ),
)

ALONE = replace(
    ISSUE, sections=(), latest=(), preheader="Harbour masters, insurers and one very patient radio operator."
)

CONFIRM = {
    "site": SITE,
    "list_title": "The Weekly Round-up",
    "subject": "Please confirm your subscription",
    "language": "en",
    "direction": "ltr",
}

NOTICE = {
    "site": SITE,
    "subject": "The Weekly Round-up, No. 142, waits for your approval",
    "body": "The draft was composed at 07:00 and holds **16 articles** in 4 sections.\n\n"
    "Read it, then approve it at [the desk](https://news.meridian.example/desk/issues/142).",
    "language": "en",
    "direction": "ltr",
}

WELCOME = {
    **CONFIRM,
    "subject": "Welcome to The Weekly Round-up",
    "issue_url": "https://news.meridian.example/archive/weekly/142",
    "issue_title": "The strait where the ships stopped answering",
}

GOODBYE = {
    **CONFIRM,
    "subject": "You have left The Weekly Round-up",
    "subscribe_url": "https://news.meridian.example/",
}

LETTERS = {
    "confirm": CONFIRM,
    "welcome": WELCOME,
    "goodbye": GOODBYE,
    "link": {**CONFIRM, "subject": "A link to your page"},
    "move": {**CONFIRM, "subject": "Please confirm your new address"},
    "moved": {**CONFIRM, "subject": "Your address was changed"},
    "changed": {**CONFIRM, "subject": "Your choices were changed"},
    "notice": NOTICE,
}

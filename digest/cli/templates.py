"""digest templates: how mails look; the newsroom's own in place of ours."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from digest.cli import frame
from digest.errors import NothingToDo

app = frame.noun("How mails look: ours, and the newsroom's own in their place.")


@app.command("list")
def list_(ctx: typer.Context) -> None:
    """Show all templates, which are the newsroom's own, and which copies are older than what is shipped.

    \b
    Example:
      digest templates list
    """
    from digest.templating import template_root
    from digest.templating.owned import listed

    here = frame.of(ctx)
    found = listed(template_root(), _own(here))
    rows = [[one.path, _state(one.own, one.shipped), one.taken_from, "yes" if one.aged else ""] for one in found]
    lines = frame.columns(["TEMPLATE", "WHOSE", "TAKEN FROM", "OLDER THAN SHIPPED"], rows)
    here.out({"folder": str(_own(here)), "templates": [asdict(one) for one in found]}, lines)


@app.command("eject")
def eject(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A mail, or a file as digest templates list shows it.")],
) -> None:
    """Copy a shipped template into the folder `templates` beside config.toml, to change it; overwrites nothing.

    \b
    Examples:
      digest templates eject roundup
      digest templates eject email/parts/footer.mjml.j2
    """
    from digest import __version__
    from digest.templating import template_root
    from digest.templating.owned import eject

    here = frame.of(ctx)
    copied = eject(template_root(), _own(here), name, __version__)
    lines = [*(f"Copied {_own(here) / path}" for path in copied), "Change it, then: digest templates check"]
    here.out({"copied": [str(_own(here) / path) for path in copied]}, lines)


@app.command("check")
def check(ctx: typer.Context) -> None:
    """Try every mail on sample issues and letters, with the newsroom's own templates; exit code 1 if one is not right.

    Each flaw has its row of docs/templates.md; one without a row keeps the mail from going out. Copies that are older
    than what is shipped are told, and go on working.

    \b
    Example:
      digest templates check
    """
    from digest.compose.trying import flaws, mails
    from digest.templating import Templates, template_root
    from digest.templating.owned import listed

    here = frame.of(ctx)
    own = _own(here)
    mine = [one for one in listed(template_root(), own) if one.own]
    if not mine and not (own / "words").is_dir():
        raise NothingToDo(f"there are no templates of your own in {own}: digest templates eject makes copies to change")
    templates = Templates(template_root(), own)
    tried = mails(templates)
    found = [asdict(flaw) for name in tried for flaw in flaws(templates, name)]
    aged = [one.path for one in mine if one.aged]
    lines = [
        f"{one['template']} ({one['specimen'] or 'letter'}): {one['row'] or 'stops'}: {one['what']}" for one in found
    ]
    lines += [f"{path} is older than what is shipped now: compare, and take over what you want" for path in aged]
    lines.append(f"{len(tried)} mails tried with {len(mine)} templates of your own: {len(found)} flaws.")
    here.out({"tried": tried, "own": [one.path for one in mine], "flaws": found, "older": aged}, lines)
    if found:
        raise typer.Exit(1)


def _own(here: frame.Frame) -> Path:
    return here.path.absolute().parent / "templates"


def _state(own: bool, shipped: bool) -> str:
    return "shipped" if not own else "own, in place of the shipped" if shipped else "own"

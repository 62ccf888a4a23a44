"""digest doctor: look whether mail will get through."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from digest.cli import frame
from digest.errors import UsageError

_MARKS = {"ok": "ok     ", "warning": "WARNING", "failure": "FAILURE"}


def command(
    ctx: typer.Context,
    nameserver: Annotated[
        str | None, typer.Option(metavar="HOST[:PORT]", help="Ask this name server instead of the machine's own.")
    ] = None,
) -> None:
    """Check relays (log-in, TLS), signing keys and DNS, database, clock and settings; each finding with its mend.

    It sends no mail and changes nothing. Exit code 1 when something has to be mended, 0 with warnings alone.

    \b
    Examples:
      digest doctor
      digest doctor --nameserver 9.9.9.9
    """
    from digest.doctor.findings import Level
    from digest.doctor.run import examine
    from digest.wiring import utcnow

    here = frame.of(ctx)
    asked = _address(nameserver) if nameserver else None
    with here.engine() as engine, here.progress() as progress:
        working = examine(here.config, engine, now=utcnow(), nameserver=asked, progress=progress)
        found = asyncio.run(working)
    counts = {level.value: sum(one.level is level for one in found) for level in Level}
    lines = []
    for one in found:
        lines.append(f"{_MARKS[one.level]}  {one.where}: {one.what}")
        lines += [f"         {one.mend}"] if one.mend else []
    said = f"{counts['failure']} to mend, {counts['warning']} worth a look, {counts['ok']} well."
    here.out({"findings": [one.__dict__ for one in found], "counts": counts}, [*lines, said])
    if counts["failure"]:
        raise typer.Exit(1)


def _address(text: str) -> tuple[str, int]:
    import ipaddress

    host, port = text, 53
    if text.count(":") == 1:
        host, _, given = text.partition(":")
        port = int(given) if given.isdigit() else 0
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise UsageError(f'--nameserver: expected an IP address like 9.9.9.9 or 127.0.0.1:53, got "{text}"') from None
    if not 0 < port < 65_536:
        raise UsageError(f'--nameserver: expected a port from 1 to 65535, got "{text}"')
    return host, port

"""digest feedback: what comes back by mail."""

from __future__ import annotations

import sys

import typer

from digest.cli import frame

app = frame.noun("What comes back by mail.")

_TRY_AGAIN = 75  # EX_TEMPFAIL: the mail server keeps the message and comes again

_SAID = {
    "unsubscribed": "Unsubscribed.",
    "declined": "Declined: the address is not asked again.",
    "automatic": "An auto-reply or a bounce: nothing was done.",
    "nothing": "No link of ours in it: nothing was done.",
}


@app.command("receive")
def receive(ctx: typer.Context) -> None:
    """Take one message from stdin, as a mail server's pipe gives it; mail to unsubscribe_address unsubscribes.

    Exits with 0 whatever the message was, as a mail server would send it back otherwise; with 75 when it could not
    be read now, and the mail server tries again.

    \b
    Example, a line of Postfix's /etc/aliases:
      leave: "|digest --config /srv/newsroom/config.toml feedback receive"
    """
    from digest.errors import DigestError
    from digest.feedback import inbox, run

    here = frame.of(ctx)
    message = sys.stdin.buffer.read(inbox.LONGEST_HEAD)
    while sys.stdin.buffer.read(1 << 20):  # a pipe that is not read to its end looks like a failure
        pass
    try:
        with here.app() as opened:
            outcome = run.receive(opened.engine, opened.links, message, opened.clock())
    except DigestError as error:
        here.say(f"The message was not taken, and the mail server should try again: {error}")
        raise typer.Exit(_TRY_AGAIN) from error
    here.out({"outcome": outcome}, _SAID[outcome])

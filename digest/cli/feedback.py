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
    Example, a line of a file of Postfix's aliases:
      leave: "|digest --config /srv/newsroom/config.toml feedback receive"
    """
    from digest.cli import logs
    from digest.feedback import inbox, run

    here = frame.of(ctx)
    message = sys.stdin.buffer.read(inbox.LONGEST_HEAD)
    while sys.stdin.buffer.read(1 << 20):  # a pipe that is not read to its end looks like a failure
        pass
    try:
        with here.app() as opened:
            outcome = run.receive(opened.engine, opened.links, message, opened.clock())
    except Exception as error:  # whatever it is: any other exit code sends the mail back to who wants to leave
        if here.verbose:
            logs.traceback(error)
        why = logs.masked((str(error).splitlines() or [type(error).__name__])[0])
        here.say(f"The message was not taken, and the mail server should try again: {why}")
        raise typer.Exit(_TRY_AGAIN) from error
    here.out({"outcome": outcome}, _SAID[outcome])

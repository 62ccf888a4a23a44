"""A process that delivers, to be killed: python tests/sender_process.py DATABASE PORT POLICY CONNECTIONS WINDOW."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from post import LINKS, config

from digest import db
from digest.config import RelayConfig
from digest.deliver.run import deliver


async def main(database: str, port: str, policy: str, connections: str, window: str) -> None:
    shape = {"connections": int(connections), "window": int(window)}
    relay = RelayConfig(name="box", host="127.0.0.1", port=int(port), security="none", **shape)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    engine = db.open_engine(database)
    print("ready", flush=True)
    told = await deliver(engine, config(relay, unknown=policy), LINKS, until_done=True, stop=stop)
    print(sorted(told.counts.items()), flush=True)
    engine.dispose()


def unwanted() -> list[str]:
    """Modules that a sender has no need of, and yet has loaded."""
    roots = ("fastapi", "starlette", "uvicorn", "feedparser", "httpx", "apscheduler", "typer", "mjml", "digest.web")
    return sorted(name for name in sys.modules if name.startswith(roots))


if __name__ == "__main__":
    if sys.argv[1:] == ["modules"]:
        print(unwanted())
    else:
        asyncio.run(main(*sys.argv[1:]))

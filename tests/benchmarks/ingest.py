"""A server that keeps deliveries and does nothing else: `python -m tests.benchmarks.ingest`, ended by a signal."""

import os
import signal
import threading

from app.logs import configure
from app.main import Server, serving
from app.settings.loading import load, settings_path
from app.settings.own_files import address_file


def main() -> None:
    """Serve with the settings that FLUXBRIDGE_CONFIG names, without workers, also on SQLite."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    settings = load(settings_path(os.environ), os.environ)
    configure(settings.log.level, settings.log.format)
    with serving(Server(settings, is_private=True)) as url:
        address_file(settings).write_text(f"{url}\n")
        ended.wait()


if __name__ == "__main__":
    main()

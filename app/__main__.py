"""The program's start: `fluxbridge`, or `python -m app`. Says a word before anything large is loaded."""

import os
import signal
import sys
from importlib import import_module
from io import TextIOWrapper

_FIRST_WORDS = "Starting the demo: a server, a registry and a config repository, all on this machine …"


def main() -> None:
    """Run the command line with the program's own arguments, and exit."""
    _put_right()
    # On a machine that has just been set up Python compiles some thousand modules first: seconds without a word.
    if sys.argv[1:2] == ["demo"] and "--help" not in sys.argv:
        sys.stdout.write(f"{_FIRST_WORDS}\n")
        sys.stdout.flush()
    import_module("app.cli").main()


def _put_right() -> None:
    """What may have been inherited and would do harm: lost exit codes, an open umask, letters that end the program."""
    # What we make is for this account alone; what we write into files and repositories of people keeps their modes.
    os.umask(0o077)
    # Where SIGCHLD is ignored, as by some supervisors, every git command seems to end well.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


if __name__ == "__main__":
    main()

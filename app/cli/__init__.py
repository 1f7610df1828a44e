"""The command line: `fluxbridge`."""

import sys
from collections.abc import Sequence

from app.cli.commands import app
from app.cli.failures import exit_code
from app.cli.terminal import printable
from app.core.errors import FluxbridgeError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line, by default with the program's own arguments, and exit.

    What Fluxbridge raises on purpose becomes one line on standard error and an exit code.
    """
    try:
        app(arguments)
    except FluxbridgeError as error:
        told = "\n".join(map(printable, f"fluxbridge: {error}".split("\n")))
        sys.stderr.write(f"{told}\n")
        sys.exit(exit_code(error))

"""The command line: `fluxbridge`."""

import os
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from app.cli.check import check
from app.cli.edit import edit
from app.cli.explain import explain
from app.cli.failures import exit_code
from app.cli.migrate import migrate
from app.cli.policy import policy
from app.cli.pulls import pulls
from app.cli.queries import plan, promotions, replay, stages, status
from app.cli.sweep import sweep
from app.cli.terminal import printable
from app.core.errors import FluxbridgeError
from app.demo.story import tell
from app.logs import configure
from app.main import serve, work
from app.settings.loading import load, settings_path
from app.settings.models import Settings

app = typer.Typer(
    name="fluxbridge",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(check)
app.command()(migrate)
app.command()(plan)
app.command()(stages)
app.command()(promotions)
app.command()(status)
app.command()(replay)
app.command()(sweep)
app.command()(explain)
app.command()(edit)
app.add_typer(policy, name="policy")
app.add_typer(pulls, name="pulls")


def _show_version(is_wanted: bool) -> None:  # noqa: FBT001 (typer calls it so)
    if is_wanted:
        typer.echo(f"fluxbridge {metadata.version('fluxbridge')}")
        raise typer.Exit


@app.callback()
def fluxbridge(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Join Jenkins to Flux: builds and pushes become pull requests, and a history of what runs where."""


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


def _settings() -> Settings:
    settings = load(settings_path(os.environ), os.environ)
    configure(settings.log.level, settings.log.format)
    return settings


@app.command("serve")
def serve_command(
    *,
    workers: Annotated[
        bool, typer.Option(help="Run the workers in this process too; without: PostgreSQL only.")
    ] = True,
) -> None:
    """Receive webhooks, answer the API and, unless told otherwise, do the work."""
    serve(_settings(), has_workers=workers)


@app.command("work")
def work_command() -> None:
    """Do the work beside `serve --no-workers` processes on the same PostgreSQL."""
    work(_settings())


@app.command()
def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="Merge by itself, show the history and exit.")] = False,
    folder: Annotated[Path, typer.Option(help="Where the demo keeps everything; it is made anew.")] = Path(
        "fluxbridge-demo"
    ),
    port: Annotated[int, typer.Option(help="The port to listen on; 0 takes a free one.")] = 0,
) -> None:
    """Show the whole way on this machine: webhooks in, pull requests out, merged, applied."""
    raise typer.Exit(tell(folder, is_once=once, port=port))

"""What commands write for people: one line at a time, bold or coloured where there is a terminal."""

import sys

import typer

from app.core.unseen import printable as printable


def section(title: str) -> None:
    """Write a heading behind an empty line."""
    typer.echo()
    say(title, bold=True)


def say(text: str, *, bold: bool = False, colour: str | None = None, to_stderr: bool = False) -> None:
    """Write one line; where there is no terminal, without colours."""
    typer.secho(printable(text), bold=bold or None, fg=colour, err=to_stderr)


def pass_on(text: str) -> None:
    """Write a text as it is for the program that reads it; where a person does, without what a terminal obeys."""
    if not sys.stdout.isatty():
        # Else typer takes out what would colour a terminal, which is content here.
        typer.echo(text, color=True)
        return
    for line in text.split("\n"):
        say(line)

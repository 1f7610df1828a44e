"""What commands write for people: one line at a time, bold or coloured where there is a terminal."""

import sys

import typer

from app.core.unseen import UNSEEN


def section(title: str) -> None:
    """Write a heading behind an empty line."""
    typer.echo()
    say(title, bold=True)


def say(text: str, *, bold: bool = False, colour: str | None = None) -> None:
    """Write one line; where there is no terminal, without colours."""
    typer.secho(printable(text), bold=bold or None, fg=colour)


def pass_on(text: str) -> None:
    """Write a text as it is for the program that reads it; where a person does, without what a terminal obeys."""
    if not sys.stdout.isatty():
        # Else typer takes out what would colour a terminal, which is content here.
        typer.echo(text, color=True)
        return
    for line in text.split("\n"):
        say(line)


def printable(text: str) -> str:
    """A text from outside for a terminal, which is not to obey its control characters; tabs only move on.

    What cannot be seen is written out too.

    >>> print(printable("a" + chr(0x9B) + "b" + chr(0x3164)).replace(chr(92), "/"))
    a/x9bb/u3164
    """
    if text.isprintable() and not UNSEEN.search(text):
        return text
    return "".join(one if _is_shown(one) else one.encode("unicode_escape").decode() for one in text)


def _is_shown(one: str) -> bool:
    return one == "\t" or (one.isprintable() and not UNSEEN.fullmatch(one))

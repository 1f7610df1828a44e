"""What commands write for people: one line at a time, bold or coloured where there is a terminal."""

import typer


def section(title: str) -> None:
    """Write a heading behind an empty line."""
    typer.echo()
    say(title, bold=True)


def say(text: str, *, bold: bool = False, colour: str | None = None) -> None:
    """Write one line; where there is no terminal, without colours."""
    typer.secho(printable(text), bold=bold or None, fg=colour)


def printable(text: str) -> str:
    """A text from outside for a terminal, which is not to obey its control characters."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)

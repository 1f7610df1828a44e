"""The pages as text: their fenced blocks, and what a session on them looks like."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


def page(name: str) -> str:
    """A page of docs/, or one further up by its path."""
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.+?)^```", text, re.DOTALL | re.MULTILINE)


def block(text: str, language: str, words: str) -> str:
    """The one block that holds these words."""
    [found] = [each for each in blocks(text, language) if words in each]
    return found


def indented_commands(text: str) -> Iterator[str]:
    """What stands four spaces in, outside of fenced blocks, is to be typed; of a session, the lines with a `$`."""
    prose = re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)
    for found in re.findall(r"(?:^ {4}\S.*\n(?:^ {4}.*\n|^\n(?= {4}))*)", prose, re.MULTILINE):
        lines = found.replace("\\\n", "").splitlines()
        typed = [line.strip().removeprefix("$ ") for line in lines if line.startswith("    $ ")]
        yield from typed or [line.strip() for line in lines if line.strip()]


def session(shown: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with what it prints."""
    parts = re.split(r"^\$ ", shown, flags=re.MULTILINE)[1:]
    return [(command, printed) for command, _, printed in (part.partition("\n") for part in parts)]


def fits(shown: str, printed: str) -> bool:
    """Whether a command printed what a page shows; `…` is any text, alone on its line any lines."""
    lines = ["(?:.*\n)*?" if line.strip() == "…" else f"{_line(line)} *\n" for line in shown.splitlines()]
    return re.fullmatch("".join(lines), printed) is not None


def _line(line: str) -> str:
    return re.sub(r"(?:\\ )+", " +", re.escape(line)).replace("…", ".*")

"""The parts of docs/cli.md that the program's own help makes: between `<!-- commands: … -->` and `<!-- end -->`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import typer

from app.cli.commands import app

MARKED = re.compile(r"(<!-- commands: (?P<names>[^>]+) -->\n).*?(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Given:
    """An argument or option of a command."""

    names: tuple[str, ...]
    default: str
    help: str

    def __str__(self) -> str:
        written = ", ".join(f"`{name}`" for name in self.names)
        return f"| {written} |{self.default and f' {self.default}'} | {self.help.removesuffix('.')} |\n"


@dataclass(frozen=True, slots=True)
class Command:
    """A command as its help tells it."""

    name: str
    arguments: tuple[str, ...]
    help: str
    given: tuple[Given, ...]

    @property
    def options(self) -> set[str]:
        """Its long options."""
        return {name for one in self.given for name in one.names if name.startswith("--")}

    def __str__(self) -> str:
        usage = " ".join((f"fluxbridge {self.name}", *self.arguments))
        table = "| | default | |\n|---|---|---|\n" + "".join(map(str, self.given))
        paragraphs = [" ".join(part.split()) for part in self.help.split("\n\n")]
        return "\n\n".join((f"### `{usage}`", *paragraphs)) + "\n\n" + (f"{table}\n" if self.given else "")


def commands() -> dict[str, Command]:
    """Every command by its name, in the order of the help."""
    return {one.name: one for one in _below(typer.main.get_command(app), "")}


def with_commands(text: str) -> str:
    """The page with its commands told anew. Raises KeyError where it names one that there is not."""
    every = commands()

    def told(found: re.Match[str]) -> str:
        names = re.split(r", ", found["names"])
        return f"{found[1]}\n{''.join(str(every[name]) for name in names)}{found[3]}"

    return MARKED.sub(told, text)


def named(text: str) -> list[str]:
    """The commands that a page tells."""
    return [name for found in MARKED.finditer(text) for name in found["names"].split(", ")]


def _below(command: Any, name: str) -> Iterator[Command]:
    inner = getattr(command, "commands", {})
    if not inner or command.invoke_without_command:
        arguments = [one for one in command.params if one.param_type_name == "argument"]
        given = tuple(_given(one) for one in command.params if one.name != "help")
        yield Command(name, tuple(_called(one) for one in arguments), command.help, given)
    for word, one in inner.items():
        yield from _below(one, f"{name} {word}".strip())


def _given(one: Any) -> Given:
    if one.param_type_name == "argument":
        return Given((_called(one),), "", one.help)
    default = "" if one.default is None or one.default is False else f"`{one.default}`"
    if one.is_flag and one.secondary_opts:
        default = f"`{one.opts[0] if one.default else one.secondary_opts[0]}`"
    return Given((*one.opts, *one.secondary_opts), default, one.help)


def _called(one: Any) -> str:
    if one.metavar:
        return str(one.metavar).replace("[NAME]...", "NAME…")
    called = str(one.name).upper().removesuffix("S")
    return f"{called}…" if one.nargs == -1 else called

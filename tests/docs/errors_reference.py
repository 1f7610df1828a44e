"""The errors of docs/troubleshooting.md: what each says is from the program, what to do about it is the page's own."""

import ast
import importlib
import inspect
import pkgutil
import re
import textwrap
from collections.abc import Iterator, Mapping

import app
from app.core import errors
from app.core.errors import FluxbridgeError

MARKED = re.compile(r"(<!-- errors: (?P<kind>\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
ROW = re.compile(r"^\| .*? \| `(?P<name>\w+)` \| ?(?P<answer>.*?) ?\|$", re.MULTILINE)
_HEAD = "| what it says | error | what to do |\n|---|---|---|\n"
_UNSEEN = {
    "BrokenOff": "a run notices that it has to stop, and the next one goes on",
    "LostDelivery": "a worker leaves to another what that has taken over",
    "LostLane": "the same with a lane",
    "NestedTransaction": "a mistake of the program, which tests find",
    "NoExcerpt": "a place without an excerpt is told without one",
    "NotStored": "a scan that cannot be read is made anew",
}
"""Errors that end inside the program."""


def kinds() -> list[type[FluxbridgeError]]:
    """The six kinds."""
    return [kind for kind in FluxbridgeError.__subclasses__() if kind.__module__ == errors.__name__]


def leaves() -> list[type[FluxbridgeError]]:
    """Every error that a person may meet, by name."""
    for module in pkgutil.walk_packages(app.__path__, "app."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found = {one for one in _below(FluxbridgeError) if one.__module__.startswith("app.")}
    return sorted((one for one in found - set(kinds()) if one.__name__ not in _UNSEEN), key=lambda one: one.__name__)


def with_errors(text: str) -> str:
    """The page with the words of each error as the program has them, and its own answers."""
    answers = {row["name"]: row["answer"] for row in ROW.finditer(text)}

    def table(found: re.Match[str]) -> str:
        kind = next(one for one in kinds() if one.__name__ == found["kind"])
        rows = [_row(one, answers) for one in leaves() if issubclass(one, kind)]
        return f"{found[1]}{_HEAD}{''.join(sorted(rows, key=str.lower))}{found[3]}"

    return MARKED.sub(table, text)


def words_of(error: type[FluxbridgeError]) -> str:
    """What it says, with `…` for what differs; where its callers write the message, what it is about."""
    [defined] = ast.parse(textwrap.dedent(inspect.getsource(error))).body
    calls = [node for node in ast.walk(defined) if isinstance(node, ast.Call) and _is_super_init(node.func)]
    if calls and calls[0].args and (said := _text(calls[0].args[0])).strip("… "):
        return " ".join(said.split()).replace("|", "\\|")
    return f"*{(inspect.getdoc(error) or '').split('.')[0]}*"


def _below(error: type[FluxbridgeError]) -> Iterator[type[FluxbridgeError]]:
    for one in error.__subclasses__():
        yield one
        yield from _below(one)


def _row(error: type[FluxbridgeError], answers: Mapping[str, str]) -> str:
    return f"| {words_of(error)} | `{error.__name__}` | {answers.get(error.__name__, '')} |\n"


def _is_super_init(called: ast.expr) -> bool:
    return isinstance(called, ast.Attribute) and called.attr == "__init__" and isinstance(called.value, ast.Call)


def _text(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_text(part) for part in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _text(left) + _text(right)
    return "…"

"""`fluxbridge policy`: tag policies tried out, without a server, a registry or a config repository."""

import json
from collections.abc import Iterator
from typing import BinaryIO

import typer

from app.core.policies.cases import InvalidCase, read_case
from app.core.policies.selection import InvalidPolicy, compile_policy

_LONGEST_LINE = 4 * 1024 * 1024


def evaluate() -> None:
    """Choose a tag for each case on standard input: one JSON object a line in, one a line out."""
    is_every_line_good = True
    for number, line in enumerate(_lines(typer.get_binary_stream("stdin")), start=1):
        try:
            answer = _answer(line)
        except InvalidCase as error:
            is_every_line_good = False
            answer = _as_json(None, "invalid-line", f"line {number}: {error}")
        typer.echo(answer)
    if not is_every_line_good:
        raise typer.Exit(1)


def _answer(line: bytes) -> str:
    if len(line) > _LONGEST_LINE:
        raise InvalidCase(f"longer than {_LONGEST_LINE} bytes: show the policy fewer tags")
    case = read_case(line)
    try:
        selection = compile_policy(case.spec).select(case.tags)
    except InvalidPolicy as error:
        return _as_json(None, "invalid-policy", str(error))
    return _as_json(selection.tag, selection.error, selection.message)


def _as_json(tag: str | None, error: str | None, message: str) -> str:
    return json.dumps({"tag": tag, "error": error, "message": message})


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Lines as they come, each cut off soon after the longest that is read."""
    while line := stream.readline(_LONGEST_LINE + 2):
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = stream.readline(_LONGEST_LINE)
        yield line.removesuffix(b"\n")

"""What `fluxbridge senders` prints: the kinds of senders, and what a saved body of one says."""

import json
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest
from pathlib import Path

import typer

from app.cli.tables import show_table
from app.core.errors import Invalid
from app.senders import SENDERS
from app.senders.saved_bodies import read_saved_body
from app.senders.sender import MOST_BYTES, PROOF_WORDS, Sender, WebhookRequest

_FIELD = re.compile(r"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(?P<value>.*?)[ \t]*")
_WIDTH = 24
_PROOFS_WIDTH = 14
_MOST_HEADERS_BYTES = 1024 * 1024


class SavedBodyUnreadable(Invalid):
    """The file of a saved body or of its headers cannot be read."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"there is no saved body in {path}: {why}")


def list_senders(*, as_json: bool) -> None:
    """Print every kind with what it can tell, and how it is proven."""
    if as_json:
        kinds = [{"kind": one.kind, "proven_by": _proofs(one), "tells": one.tells} for one in SENDERS.values()]
        typer.echo(json.dumps(kinds, indent=2))
    else:
        show_table([row for one in SENDERS.values() for row in _rows(one)], ("KIND", "PROVEN BY", "TELLS", "OF EACH"))


def read(kind: str, body: Path, headers: Path | None) -> None:
    """Print what a saved body says, as one line of JSON."""
    sender = SENDERS.get(kind)
    if sender is None:
        raise typer.BadParameter(f"must be one of {', '.join(SENDERS)}", param_hint="--kind")
    request = WebhookRequest(headers=_headers(headers), body=_bytes(body, MOST_BYTES + 1))
    typer.echo(json.dumps(read_saved_body(sender, request).as_json()))


def _proofs(sender: Sender) -> tuple[str, ...]:
    return tuple(PROOF_WORDS[kind] for kind in sender.needs)


def _rows(sender: Sender) -> Iterator[tuple[str, str, str, str]]:
    """A row for each thing that it tells, and more where one is too long for a terminal."""
    proofs = textwrap.wrap(", ".join(_proofs(sender)), _PROOFS_WIDTH)
    told = [
        ("" if index else event, line)
        for event, fields in sender.tells.items()
        for index, line in enumerate(textwrap.wrap(", ".join(fields), _WIDTH))
    ]
    for index, (proof, (event, line)) in enumerate(zip_longest(proofs, told, fillvalue=("", ""))):
        yield "" if index else sender.kind, "".join(proof), event, line


def _headers(path: Path | None) -> Mapping[str, str]:
    """The headers of a file: lines as curl and HTTP write them, or one JSON object; what is neither is left out."""
    if path is None:
        return {}
    text = _bytes(path, _MOST_HEADERS_BYTES).decode("latin-1")
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        given = None
    pairs = given.items() if isinstance(given, dict) else _lines(text)
    return _joined((str(name), value) for name, value in pairs if isinstance(value, str))


def _joined(pairs: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """Names in lower case; what stands twice is one value with a comma, as the server has it (RFC 9110)."""
    joined: dict[str, str] = {}
    for name, value in pairs:
        key = name.lower()
        joined[key] = f"{joined[key]}, {value}" if key in joined else value
    return joined


def _bytes(path: Path, most: int) -> bytes:
    """So much of a file, or of the standard input. Raises SavedBodyUnreadable."""
    try:
        with sys.stdin.buffer if str(path) == "-" else path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise SavedBodyUnreadable(path, error.strerror or type(error).__name__) from error


def _lines(text: str) -> list[tuple[str, str]]:
    found = (_FIELD.fullmatch(line) for line in text.splitlines())
    return [(each["name"], each["value"]) for each in found if each]

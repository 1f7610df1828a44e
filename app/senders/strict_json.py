"""JSON that means one thing only: what Python's reader would let pass and a database would choke on is refused."""

import json
import math
import re

from pydantic import JsonValue

from app.senders.sender import Unusable

_DEEPEST = 64
_MOST_DIGITS = 20
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def read_json(body: bytes, *, most_bytes: int) -> JsonValue:
    """Read a whole JSON text in UTF-8.

    Raises Unusable for what is no JSON or larger than `most_bytes`, and for duplicate keys, NaN, infinities, integers
    of more than 20 digits, nesting deeper than 64, lone surrogates and U+0000.
    """
    if len(body) > most_bytes:
        raise Unusable(f"it has {len(body)} bytes, and at most {most_bytes} are read")
    try:
        value: JsonValue = json.loads(
            body.decode(),
            object_pairs_hook=_unique_keys,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_bounded,
        )
    except RecursionError:
        raise Unusable(f"it is nested deeper than {_DEEPEST} levels") from None
    except UnicodeDecodeError as error:
        raise Unusable(f"it is not UTF-8 at byte {error.start}") from None
    except ValueError as error:
        raise Unusable(f"it is not JSON: {error}") from None
    _check(value)
    return value


def _check(whole: JsonValue) -> None:
    """Refuse deep nesting and text that cannot be stored, without recursion of our own."""
    waiting = [(whole, 1)]
    while waiting:
        part, depth = waiting.pop()
        if isinstance(part, str):
            _check_text(part)
        elif isinstance(part, dict | list):
            if depth > _DEEPEST:
                raise Unusable(f"it is nested deeper than {_DEEPEST} levels")
            waiting.extend((inner, depth + 1) for inner in (part if isinstance(part, list) else part.values()))
        if isinstance(part, dict):
            for key in part:
                _check_text(key)


def _check_text(text: str) -> None:
    if _UNSTORABLE.search(text):
        raise Unusable(f"the text {text[:40]!r} holds U+0000 or half a surrogate pair")


def _unique_keys(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = {}
    for key, value in pairs:
        if key in found:
            raise Unusable(f"the key {key[:40]!r} stands twice in one object")
        found[key] = value
    return found


def _refuse_constant(name: str) -> float:
    raise Unusable(f"it is not JSON: {name} is no JSON number")


def _bounded(text: str) -> int:
    # Python refuses 4300 digits by itself; no field of any payload needs more than 64 bits.
    if len(text) > _MOST_DIGITS:
        raise Unusable(f"the number {text[:40]} is too large")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise Unusable(f"the number {text[:40]} is too large")
    return number

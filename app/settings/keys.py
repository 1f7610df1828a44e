"""Which keys stand where in the settings file."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from app.settings.document import Key
from app.settings.models import Settings

_Schema = Mapping[str, Any]


def keys_beside(loc: Key) -> set[str]:
    """The keys that may stand where pydantic says that one is; the kinds of a union are parts of `loc`.

    >>> sorted(keys_beside(("listen", "prot")))
    ['host', 'port']
    """
    whole = Settings.model_json_schema()
    found = list(_plain(whole, [whole]))
    for part in loc[:-1]:
        found = list(_plain(whole, _below(found, part)))
    return {key for one in found for key in one.get("properties", {})}


def _below(found: Iterable[_Schema], part: str | int) -> Iterator[_Schema]:
    for one in found:
        properties = one.get("properties", {})
        if part in properties:
            yield properties[part]
        elif part in _kinds(properties.get("kind", {})):
            yield one
        else:
            yield from (one[inner] for inner in ("items", "additionalProperties") if isinstance(one.get(inner), dict))


def _kinds(kind: _Schema) -> Sequence[object]:
    return [*kind.get("enum", ()), *([kind["const"]] if "const" in kind else ())]


def _plain(whole: _Schema, found: Iterable[_Schema]) -> Iterator[_Schema]:
    """Without references and choices."""
    for one in found:
        if "$ref" in one:
            yield from _plain(whole, [whole["$defs"][one["$ref"].rpartition("/")[2]]])
        yield from _plain(whole, [*one.get("anyOf", ()), *one.get("oneOf", ())])
        yield one

"""Patches as they change one object: by merging, and by operations.

Sources: kustomize merges patches into custom resources as JSON does (RFC 7386; lists are replaced), with its own
directives `$patch: delete` and `$patch: replace`; operations are those of RFC 6902.
"""

import re
from collections.abc import Sequence

from app.core.errors import Invalid
from app.core.manifests.text.documents import NotText, Value
from app.core.manifests.text.values import at, count_parts, written_at

_MOST_COPIED = 20_000
_NULL = NotText("null")
_INDEX = re.compile(r"[+-]?[0-9]{1,9}")
DIRECTIVE = "$patch"
"""What a merged patch does with a mapping: `merge`, `replace` or `delete`."""


class CannotPatch(Invalid):
    """An operation does not fit the object that it is for."""


def merged(base: Value | None, patch: Value) -> Value | None:
    """A value with a patch merged into it; None where the patch deletes it. Raises CannotPatch."""
    if base is not None and not _is_null(base) and _kind(base) != _kind(patch):
        raise CannotPatch(f"it has a {_kind(patch)} where a {_kind(base)} is")
    if not isinstance(patch, dict):
        return patch
    directive = written_at(patch, DIRECTIVE)
    if directive == "delete":
        return None
    if directive not in ("", "merge", "replace"):
        raise CannotPatch(f"{directive[:80]!r} is no directive of a patch")
    found = dict(base) if isinstance(base, dict) and directive != "replace" else {}
    for key, value in patch.items():
        if key == DIRECTIVE:
            continue
        new = None if _is_null(value) else merged(found.get(key), value)
        if new is None:
            found.pop(key, None)
        else:
            found[key] = new
    return found


def _is_null(value: Value) -> bool:
    return isinstance(value, NotText) and value.is_null


def _kind(value: Value) -> str:
    return "mapping" if isinstance(value, dict) else "list" if isinstance(value, list) else "scalar"


def operated(value: Value, operations: Sequence[Value]) -> Value:
    """A value after operations, one after the other. Raises CannotPatch."""
    left = _MOST_COPIED
    for operation in operations:
        if written_at(operation, "op") == "copy":
            left -= count_parts(_found(value, _tokens(written_at(operation, "from"))), left)
            if left < 0:
                raise CannotPatch(f"it copies more than {_MOST_COPIED} parts of objects")
        value = _operated(value, operation)
    return value


def _operated(value: Value, operation: Value) -> Value:
    path = _tokens(written_at(operation, "path"))
    new = operation.get("value", _NULL) if isinstance(operation, dict) else _NULL
    match written_at(operation, "op"):
        case "add":
            return _with(value, path, new, is_new=True)
        case "replace":
            return _with(value, path, new, is_new=False) if path else new
        case "remove":
            return _without(value, path)
        case "test":
            if _found(value, path) != new:
                raise CannotPatch(f"a test of /{'/'.join(path)[:200]} fails")
            return value
        case "move":
            source = _tokens(written_at(operation, "from"))
            return _with(_without(value, source), path, _found(value, source), is_new=True)
        case "copy":
            return _with(value, path, _found(value, _tokens(written_at(operation, "from"))), is_new=True)
        case other:
            raise CannotPatch(f"{other[:80]!r} is no operation of a JSON patch")


def _tokens(path: str) -> list[str]:
    if path and not path.startswith("/"):
        raise CannotPatch(f"{path[:200]!r} is no path of a JSON patch: it begins with /")
    return [token.replace("~1", "/").replace("~0", "~") for token in path.split("/")[1:]]


def _found(value: Value, path: Sequence[str]) -> Value:
    """What stands at a path; null where nothing does, but all above has to be there."""
    for token in path[:-1]:
        value = _inside(value, token)
    if path and isinstance(value, dict):
        return value.get(path[-1], _NULL)
    return _inside(value, path[-1]) if path else value


def _inside(value: Value, token: str) -> Value:
    inside = value.get(token) if isinstance(value, dict) else None
    if isinstance(value, list):
        inside = value[_index(token, len(value))]
    if inside is None:
        raise CannotPatch(f"nothing stands at {token[:200]!r}")
    return inside


def _index(token: str, count: int) -> int:
    """The number of an item; negative ones count from the end."""
    number = int(token) if _INDEX.fullmatch(token) else count
    if not -count <= number < count:
        raise CannotPatch(f"a list of {count} has no item {token[:20]!r}")
    return number % count


def _with(value: Value, path: Sequence[str], new: Value, *, is_new: bool) -> Value:
    match path:
        case [token] if is_new and isinstance(value, list):
            number = len(value) if path[0] == "-" else _index(token, len(value) + 1)
            return [*value[:number], new, *value[number:]]
        case [token]:
            return _with_item(value, token, new)
        case [token, *rest]:
            return _with_item(value, token, _with(_inside(value, token), rest, new, is_new=is_new))
        case _:
            raise CannotPatch("an object cannot be added to nothing")


def _with_item(value: Value, token: str, new: Value) -> Value:
    if isinstance(value, dict):
        return {**value, token: new}
    if not isinstance(value, list):
        raise CannotPatch(f"nothing can stand below a scalar: {token[:80]!r}")
    number = _index(token, len(value))
    return [*value[:number], new, *value[number + 1 :]]


def _without(value: Value, path: Sequence[str]) -> Value:
    if not path:
        raise CannotPatch("an object cannot be removed from itself")
    token, rest = path[0], path[1:]
    inside = _inside(value, token)
    if rest:
        return _with_item(value, token, _without(inside, rest))
    if isinstance(value, dict):
        return {key: one for key, one in value.items() if key != token}
    items = value if isinstance(value, list) else []
    number = _index(token, len(items))
    return [*items[:number], *items[number + 1 :]]


def is_operations(value: Value) -> bool:
    """Whether a document is a list of operations."""
    return isinstance(value, list) and all(at(one, "op") is not None for one in value)

"""Patches as they change one object: by merging, and by operations.

Sources: kustomize merges patches into custom resources as JSON does (RFC 7386; lists are replaced), with its own
directives `$patch: delete` and `$patch: replace`; operations are those of RFC 6902.
"""

from collections.abc import Sequence

from app.core.errors import Invalid
from app.core.manifests.documents import NotText, Value
from app.core.manifests.values import at, written_at

_DIRECTIVE = "$patch"


class CannotPatch(Invalid):
    """An operation does not fit the object that it is for."""


def merged(base: Value | None, patch: Value) -> Value | None:
    """A value with a patch merged into it; None where the patch deletes it."""
    if not isinstance(patch, dict):
        return patch
    match written_at(patch, _DIRECTIVE):
        case "delete":
            return None
        case "replace":
            return {key: value for key, value in patch.items() if key != _DIRECTIVE}
    found = dict(base) if isinstance(base, dict) else {}
    for key, value in patch.items():
        if key == _DIRECTIVE:
            continue
        is_null = isinstance(value, NotText) and value.is_null
        new = None if is_null else merged(found.get(key), value)
        if new is None:
            found.pop(key, None)
        else:
            found[key] = new
    return found


def operated(value: Value, operations: Sequence[Value]) -> Value:
    """A value after operations, one after the other. Raises CannotPatch."""
    for operation in operations:
        value = _operated(value, operation)
    return value


def _operated(value: Value, operation: Value) -> Value:
    path = _tokens(written_at(operation, "path"))
    new = operation.get("value") if isinstance(operation, dict) else None
    match written_at(operation, "op"):
        case "add":
            return _set(value, path, _given(new), is_new=True)
        case "replace":
            _found(value, path)
            return _set(value, path, _given(new), is_new=False)
        case "remove":
            return _without(value, path)
        case "test":
            if _found(value, path) != new:
                raise CannotPatch(f"a test of /{'/'.join(path)} fails")
            return value
        case "move":
            source = _tokens(written_at(operation, "from"))
            return _set(_without(value, source), path, _found(value, source), is_new=True)
        case "copy":
            return _set(value, path, _found(value, _tokens(written_at(operation, "from"))), is_new=True)
        case other:
            raise CannotPatch(f"{other[:80]!r} is no operation of a JSON patch")


def _given(value: Value | None) -> Value:
    if value is None:
        raise CannotPatch("an operation gives no value")
    return value


def _tokens(path: str) -> list[str]:
    if path and not path.startswith("/"):
        raise CannotPatch(f"{path[:200]!r} is no path of a JSON patch: it begins with /")
    return [token.replace("~1", "/").replace("~0", "~") for token in path.split("/")[1:]]


def _found(value: Value, path: Sequence[str]) -> Value:
    for token in path:
        inside = value.get(token) if isinstance(value, dict) else None
        if isinstance(value, list):
            inside = value[_index(token, len(value))]
        if inside is None:
            raise CannotPatch(f"nothing stands at /{'/'.join(path)[:200]}")
        value = inside
    return value


def _index(token: str, count: int) -> int:
    if not token.isdecimal() or int(token[:9]) >= count:
        raise CannotPatch(f"a list of {count} has no item {token[:20]!r}")
    return int(token)


def _set(value: Value, path: Sequence[str], new: Value, *, is_new: bool) -> Value:
    if not path:
        return new
    token, rest = path[0], path[1:]
    if isinstance(value, dict):
        inside = _found(value, [token]) if rest else value.get(token, NotText(""))
        return {**value, token: _set(inside, rest, new, is_new=is_new)}
    if not isinstance(value, list):
        raise CannotPatch(f"nothing can stand below a scalar: {token[:80]!r}")
    if rest or not is_new:
        number = _index(token, len(value))
        return [*value[:number], _set(value[number], rest, new, is_new=is_new), *value[number + 1 :]]
    is_behind_all = path[0] == "-"
    number = len(value) if is_behind_all else _index(token, len(value) + 1)
    return [*value[:number], new, *value[number:]]


def _without(value: Value, path: Sequence[str]) -> Value:
    _found(value, path)
    if not path:
        raise CannotPatch("an object cannot be removed from itself")
    token, rest = path[0], path[1:]
    if isinstance(value, dict):
        if rest:
            return {**value, token: _without(value[token], rest)}
        return {key: one for key, one in value.items() if key != token}
    items = list(value) if isinstance(value, list) else []
    number = _index(token, len(items))
    return [*items[:number], *([_without(items[number], rest)] if rest else []), *items[number + 1 :]]


def is_operations(value: Value) -> bool:
    """Whether a document is a list of operations."""
    return isinstance(value, list) and all(at(one, "op") is not None for one in value)

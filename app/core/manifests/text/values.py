"""Looks into the plain values of documents."""

from app.core.manifests.text.documents import NotText, Value


def at(value: Value, *path: str) -> Value | None:
    """What stands at a path of keys; None where nothing does."""
    found: Value = value
    for key in path:
        if not isinstance(found, dict) or key not in found:
            return None
        found = found[key]
    return None if isinstance(found, NotText) and found.is_null else found


def written_at(value: Value, *path: str) -> str:
    """A scalar's text whatever its type; empty where nothing or a collection stands."""
    match at(value, *path):
        case str(text):
            return text
        case NotText(written):
            return written
        case _:
            return ""


def text_of(value: Value) -> str:
    """A value's text whatever its type; empty for a collection."""
    return written_at({"": value}, "")


def items_at(value: Value, *path: str) -> list[Value]:
    """A list's items; a lone value counts as a list of one."""
    match at(value, *path):
        case None:
            return []
        case list(items):
            return items
        case one:
            return [one]


def texts_of(value: Value, *path: str) -> dict[str, str]:
    """The scalars of a mapping as texts, whatever their types."""
    found = at(value, *path)
    return {key: written_at(found, key) for key in found} if isinstance(found, dict) else {}


def is_within(value: Value, most: int) -> bool:
    """Whether a value has no more than so many parts, an alias counted as what it stands for."""
    return count_parts(value, most) <= most


def count_parts(value: Value, most: int) -> int:
    """How many parts a value has, an alias counted as what it stands for; more than `most` are not counted on."""
    waiting: list[Value] = [value]
    count = 0
    while waiting and count <= most:
        one = waiting.pop()
        count += 1
        if isinstance(one, dict):
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
    return count

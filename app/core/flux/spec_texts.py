"""Takes texts out of the spec of an object, saying precisely what is wrong with one that cannot be used."""

from app.core.errors import Invalid
from app.core.manifests.text.documents import NotText, Value
from app.core.manifests.text.values import at

_SUBSTITUTION = "${"


class Unreadable(Invalid):
    """A part of an object is not written so that its meaning is known from the file alone."""


def text_at(value: Value, *path: str) -> str:
    """The string at a path; empty where nothing stands. Raises Unreadable."""
    found = at(value, *path)
    where = ".".join(path)
    match found:
        case None:
            return ""
        case str(text) if _SUBSTITUTION in text:
            raise Unreadable(f"{where} is unreadable: Flux fills in {text[:80]!r} only in the cluster")
        case str(text):
            return text
        case NotText(written):
            raise Unreadable(f"{where} is not a string: put quotes around {written[:80]}")
        case _:
            raise Unreadable(f"{where} is not a string")


def texts_at(value: Value, *path: str) -> tuple[str, ...]:
    """The list of strings at a path; empty where nothing stands. Raises Unreadable."""
    found = at(value, *path)
    if found is None:
        return ()
    if not isinstance(found, list):
        raise Unreadable(f"{'.'.join(path)} is not a list")
    return tuple(text_at({path[-1]: item}, path[-1]) for item in found)


def has_table(value: Value, *path: str) -> bool:
    """Tell whether a mapping, be it an empty one, stands at a path."""
    return isinstance(at(value, *path), dict)

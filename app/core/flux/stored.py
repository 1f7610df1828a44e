"""A scan as JSON and back, so that a file that was read once need not be read again."""

import json
from collections.abc import Mapping
from dataclasses import fields

from app.core.errors import Invalid
from app.core.flux.written import FluxPart, KustomizeFile, ScannedFile
from app.core.manifests.kinds.markers import MarkedField, Marker, MarkerScan, RefusedMarker
from app.core.manifests.places import Neighbour, Part, Problem
from app.core.manifests.text.documents import NotText

_RECORDS: Mapping[str, type] = {
    kind.__name__: kind
    for kind in (
        *(ScannedFile, FluxPart, KustomizeFile, NotText),
        *(MarkerScan, MarkedField, RefusedMarker, Marker, Neighbour, Problem),
    )
}
_NAMES = {name: tuple(field.name for field in fields(kind)) for name, kind in _RECORDS.items()}
_PART = Part.__name__
_TUPLE, _LIST, _MAPPING = "", "[", "{"


class NotStored(Invalid):
    """A text is no scan, or a scan holds what has no text."""

    def __init__(self, what: str) -> None:
        super().__init__(f"this is no stored scan: {what}; drop it and scan the file again")


def write_scan(scan: ScannedFile) -> str:
    """The JSON of a scan, in ASCII and on one line. Raises NotStored for one that would not be read back as it is."""
    text = json.dumps(_written(scan), separators=(",", ":"))
    if read_scan(text) != scan:
        raise NotStored("its text would mean something else")
    return text


def read_scan(text: str) -> ScannedFile:
    """The scan that `write_scan` wrote with this version of the program. Raises NotStored."""
    try:
        found = _read(json.loads(text))
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
        raise NotStored(type(error).__name__) from error
    if not isinstance(found, ScannedFile):
        raise NotStored("it is something else")
    return found


def _written(value: object) -> object:
    """Collections become lists that begin with the name of what they are."""
    if value is None or type(value) in (str, int, bool):
        return value
    if isinstance(value, Part):
        return [_PART, value.value]
    if isinstance(value, tuple):
        return [_TUPLE, *map(_written, value)]
    if isinstance(value, list):
        return [_LIST, *map(_written, value)]
    if isinstance(value, dict):
        return [_MAPPING, *(part for key, one in value.items() for part in (key, _written(one)))]
    kind = type(value)
    if _RECORDS.get(kind.__name__) is not kind:
        raise NotStored(f"{kind.__name__} is not known")
    return [kind.__name__, *(_written(getattr(value, name)) for name in _NAMES[kind.__name__])]


def _read(written: object) -> object:
    match written:
        case [str(kind), *values]:
            pass
        case _:
            return written
    if kind == _TUPLE:
        return tuple(map(_read, values))
    if kind == _LIST:
        return list(map(_read, values))
    if kind == _MAPPING:
        return dict(zip(values[::2], map(_read, values[1::2]), strict=True))
    if kind == _PART:
        return Part(str(values[0]))
    return _RECORDS[kind](**dict(zip(_NAMES[kind], map(_read, values), strict=True)))

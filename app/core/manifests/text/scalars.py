"""Where each scalar of a file stands, and what kind of place that is."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeAlias

from ruamel.yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    ScalarEvent,
    SequenceStartEvent,
)

from app.core.manifests.text.parsing import CLOSING, OPENING, read_events
from app.core.manifests.text.quoting import is_string

_PROPERTIES = re.compile(r"(?:[&!]\S*|#[^\n]*|\s+)*")
_COLON = re.compile(r"[ \t]*:")
BLOCK_STYLES = ("|", ">")
NOTHING = ("", "~", "null", "Null", "NULL")

Meaning: TypeAlias = tuple[object, ...]


class Place(StrEnum):
    """What a node is to the node around it."""

    KEY = "key"
    VALUE = "value"
    ITEM = "item"
    ROOT = "root"


@dataclass(frozen=True, slots=True)
class Scalar:
    """One scalar as written; positions count characters.

    `outer_start` is where its anchor or tag starts, `start` and `end` enclose the value with its quotes or, for a
    block scalar, from its `|` to the end of its last line. `event` is its index among the file's events.
    """

    value: str
    style: str
    tag: str | None
    place: Place
    is_flow: bool
    outer_start: int
    start: int
    end: int
    event: int

    @property
    def is_text(self) -> bool:
        """Whether YAML reads it as a string."""
        return is_string(tag=self.tag, style=self.style, value=self.value)


@dataclass(frozen=True, slots=True)
class Outline:
    """The scalars of a file in order, `blanks` those of no characters, the meaning of every event for comparing."""

    scalars: tuple[Scalar, ...]
    blanks: tuple[Scalar, ...]
    shape: tuple[Meaning, ...]
    has_only_mappings: bool


@dataclass(slots=True)
class _Walk:
    """What is open at a place in the events: for each collection whether it is a mapping, is flow, has a key."""

    open: list[tuple[bool, bool]] = field(default_factory=list)
    has_key: list[bool] = field(default_factory=list)

    def place(self) -> Place:
        """Take note of one more node here and tell what it is."""
        if not self.open:
            return Place.ROOT
        is_mapping, _ = self.open[-1]
        if not is_mapping:
            return Place.ITEM
        self.has_key[-1] = not self.has_key[-1]
        return Place.KEY if self.has_key[-1] else Place.VALUE

    def step(self, event: Event) -> Place | None:
        """Go past one event; returns the place of the node that it starts, if it starts one."""
        if isinstance(event, OPENING):
            place = self.place()
            self.open.append((isinstance(event, MappingStartEvent), bool(event.flow_style)))
            self.has_key.append(False)
            return place
        if isinstance(event, CLOSING):
            self.open.pop()
            self.has_key.pop()
        elif isinstance(event, ScalarEvent | AliasEvent):
            return self.place()
        return None

    @property
    def is_flow(self) -> bool:
        """Whether the innermost open collection is written with brackets."""
        return bool(self.open) and self.open[-1][1]


def outline(characters: str) -> Outline:
    """Parse a file and note every scalar. Raises Unparsable."""
    return outline_of(characters, read_events(characters))


def outline_of(characters: str, events: Sequence[Event]) -> Outline:
    """Note every scalar among the events of a file."""
    walk = _Walk()
    scalars: list[Scalar] = []
    blanks: list[Scalar] = []
    shape: list[Meaning] = []
    has_only_mappings = True
    for index, event in enumerate(events):
        place = walk.step(event)
        scalar = None
        if place is not None and isinstance(event, ScalarEvent):
            scalar = _scalar(characters, event, place=place, is_flow=walk.is_flow, index=index)
            if scalar.end > scalar.start:
                scalars.append(scalar)
            else:
                blanks.append(_behind_colon(characters, scalar, scalars[-1:]))
        is_empty = scalar is not None and not scalar.style and scalar.value in NOTHING
        has_only_mappings &= place is not Place.ROOT or isinstance(event, MappingStartEvent) or is_empty
        shape.append(_meaning(event, scalar))
    return Outline(tuple(scalars), tuple(blanks), tuple(shape), has_only_mappings)


def scalar_meaning(anchor: str | None, tag: str | None, value: str, *, is_text: bool) -> Meaning:
    """A scalar's part in `Outline.shape`."""
    return ("scalar", anchor, tag, value, is_text)


def _scalar(characters: str, event: ScalarEvent, *, place: Place, is_flow: bool, index: int) -> Scalar:
    outer_start: int = event.start_mark.index
    end: int = event.end_mark.index
    start = outer_start
    if characters[outer_start : outer_start + 1] in ("&", "!"):
        properties = _PROPERTIES.match(characters, outer_start, end)
        start = properties.end() if properties else outer_start
    if event.style in BLOCK_STYLES:
        end = _block_end(characters, start, end)
    return Scalar(event.value, event.style or "", event.tag, place, is_flow, outer_start, start, end, index)


def _behind_colon(characters: str, blank: Scalar, before: Sequence[Scalar]) -> Scalar:
    """Put a value without characters where it belongs; the parser has it at the next token."""
    if blank.place is not Place.VALUE or blank.outer_start != blank.start or not before:
        return blank
    colon = _COLON.match(characters, before[0].end)
    return replace(blank, outer_start=colon.end(), start=colon.end(), end=colon.end()) if colon else blank


def _block_end(characters: str, start: int, end: int) -> int:
    """The end of a block scalar's last line that is not blank; the parser goes on to the next token."""
    last = start + len(characters[start:end].rstrip())
    line_end = re.compile(r"[^\r\n]*").match(characters, last)
    return line_end.end() if line_end else last


def _meaning(event: Event, scalar: Scalar | None) -> Meaning:
    match event:
        case ScalarEvent() if scalar is not None:
            return scalar_meaning(event.anchor, event.tag, event.value, is_text=scalar.is_text)
        case AliasEvent():
            return ("alias", event.anchor)
        case MappingStartEvent() | SequenceStartEvent():
            return (type(event).__name__, event.anchor, event.tag)
        case DocumentStartEvent() | DocumentEndEvent():
            return (type(event).__name__, event.explicit)
        case _:
            return (type(event).__name__,)

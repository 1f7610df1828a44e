"""YAML as parser events with positions in the text; nothing here ever writes YAML."""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from app.core.errors import Invalid

_DEEPEST = 200
_BOM = "\ufeff"
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
# The C parser is libyaml 0.1: it refuses `[registry/app:1.0]`, which today's parsers read, and so does the slow one.
_READ_BY_TODAYS_PARSERS = "found unexpected ':'"
OPENING = (MappingStartEvent, SequenceStartEvent)
CLOSING = (MappingEndEvent, SequenceEndEvent)


class Unparsable(Invalid):
    """A file is not YAML, or is nested so deeply that nobody wrote it by hand."""

    def __init__(self, what: str, *, line: int) -> None:
        super().__init__(f"line {line} cannot be parsed as YAML: {what}; correct the file")
        self.line = line


@dataclass(frozen=True, slots=True)
class Text:
    """A file's characters without a byte order mark; `bytes_before[i]` is where character i starts in the file."""

    characters: str
    bytes_before: Sequence[int]

    def line_of(self, position: int) -> int:
        """The line of a character, counted from 1."""
        return self.characters.count("\n", 0, position) + 1


def decode(content: bytes) -> Text:
    """Read a file's bytes as UTF-8. Raises Unparsable."""
    try:
        written = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unparsable("it is not UTF-8", line=content.count(b"\n", 0, error.start) + 1) from error
    characters = written.lstrip(_BOM)
    start = (len(written) - len(characters)) * len(_BOM.encode())
    if characters.isascii():
        return Text(characters, range(start, start + len(characters) + 1))
    lengths = (len(character.encode()) for character in characters)
    return Text(characters, list(itertools.accumulate(lengths, initial=start)))


def read_events(characters: str) -> list[Event]:
    """Parse every document of a text, as Flux does. Marks count characters. Raises Unparsable."""
    try:
        return list(bounded_events(YAML(typ="safe"), characters))
    except MarkedYAMLError as error:
        if error.problem != _READ_BY_TODAYS_PARSERS:
            raise _unparsable(error, characters) from error
    except YAMLError as error:
        raise _unparsable(error, characters) from error
    try:
        return list(map(_refuse_half_characters, bounded_events(YAML(typ="safe", pure=True), characters)))
    except (YAMLError, AssertionError, ValueError) as error:
        # The slow parser asserts where a directive names a version that it does not know.
        raise _unparsable(error, characters) from error


def _unparsable(error: Exception, characters: str) -> Unparsable:
    """What is wrong, and where: where a text ends too early, that is where the open part of it began."""
    if not isinstance(error, MarkedYAMLError):
        return Unparsable(" ".join(str(error).split()) or "unknown problem", line=1)
    marks = [mark for mark in (error.problem_mark, error.context_mark) if mark and mark.index < len(characters)]
    line = marks[0].line if marks else characters.rstrip().count("\n")
    return Unparsable(error.problem or "unknown problem", line=line + 1)


def bounded_events(parser: YAML, characters: str) -> Iterator[Event]:
    """One parser's events, up to the first that Flux refuses or that is nested too deeply. Raises Unparsable."""
    depth = 0
    anchors: set[str] = set()
    for event in parser.parse(characters):
        _refuse_what_flux_refuses(event, anchors)
        if isinstance(event, OPENING):
            depth += 1
        elif isinstance(event, CLOSING):
            depth -= 1
        if depth > _DEEPEST:
            raise Unparsable(f"it is nested more than {_DEEPEST} levels deep", line=event.start_mark.line + 1)
        yield event


def _refuse_half_characters(event: Event) -> Event:
    """Refuse escapes of half a character, which only the slow parser lets through: such a text has no bytes."""
    if isinstance(event, ScalarEvent) and _HALF_CHARACTER.search(event.value):
        raise Unparsable("a string has half of a surrogate pair", line=event.start_mark.line + 1)
    return event


def _refuse_what_flux_refuses(event: Event, anchors: set[str]) -> None:
    """Directives, and aliases of nothing; `anchors` are those of the document so far."""
    line = event.start_mark.line + 1
    if isinstance(event, DocumentStartEvent):
        anchors.clear()
        if event.version or event.tags:
            raise Unparsable("Flux reads no file with a % directive", line=line)
    elif isinstance(event, AliasEvent):
        if event.anchor not in anchors:
            raise Unparsable(f"the alias *{event.anchor} names no anchor above it", line=line)
    elif isinstance(event, NodeEvent) and event.anchor:
        anchors.add(event.anchor)

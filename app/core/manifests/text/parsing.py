"""YAML as parser events with positions in the text; nothing here ever writes YAML."""

import codecs
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
UTF_8 = "UTF-8"
_UTF_16 = {codecs.BOM_UTF16_LE: "UTF-16LE", codecs.BOM_UTF16_BE: "UTF-16BE"}
_LAST_OF_ONE_UNIT = "\uffff"
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
    """A file's characters without its byte order mark; `bytes_before[i]` is where character i starts in the file."""

    characters: str
    bytes_before: Sequence[int]
    encoding: str = UTF_8
    mark: bytes = b""

    def line_of(self, position: int) -> int:
        """The line of a character, counted from 1."""
        return self.characters.count("\n", 0, position) + 1

    def written(self, characters: str) -> bytes:
        """The bytes of the file with other characters, in its own encoding and behind its own byte order mark."""
        return self.mark + characters.encode(self.encoding)


def encoding_of(content: bytes) -> str:
    """How a file's characters are written: UTF-8 but for a byte order mark of UTF-16, as Go's readers of YAML take it.

    >>> encoding_of("a: 1".encode()), encoding_of("a: 1".encode("utf-16"))
    ('UTF-8', 'UTF-16LE')
    """
    return _UTF_16.get(content[:2], UTF_8)


def searchable(content: bytes) -> bytes:
    """What to search a file for words in: its bytes, or those that it would have in UTF-8."""
    encoding = encoding_of(content)
    return content if encoding == UTF_8 else content.decode(encoding, "replace").encode()


def decode(content: bytes) -> Text:
    """Read the bytes of a file in UTF-8 or, with a byte order mark, UTF-16. Raises Unparsable."""
    encoding = encoding_of(content)
    try:
        written = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].decode(encoding, "replace").count("\n") + 1
        raise Unparsable(f"it is not {encoding}", line=line) from error
    characters = written.lstrip(_BOM)
    mark = written[: len(written) - len(characters)].encode(encoding)
    return Text(characters, _bytes_before(characters, len(mark), encoding), encoding, mark)


def decode_utf_8(content: bytes) -> Text:
    """The same for formats whose readers take nothing but UTF-8. Raises Unparsable."""
    if encoding_of(content) != UTF_8:
        raise Unparsable(f"it is not {UTF_8}", line=1)
    return decode(content)


def _bytes_before(characters: str, start: int, encoding: str) -> Sequence[int]:
    width = 1 if encoding == UTF_8 else 2
    if characters.isascii() or (width > 1 and max(characters) <= _LAST_OF_ONE_UNIT):
        return range(start, start + width * len(characters) + 1, width)
    lengths = (len(character.encode(encoding)) for character in characters)
    return list(itertools.accumulate(lengths, initial=start))


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

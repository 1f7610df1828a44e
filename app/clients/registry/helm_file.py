"""The `index.yaml` of a classic Helm repository, read by the parser's events: only versions and digests are kept.

An index of 15 MB (15,000 versions) is a million events, which take 3 s and hardly any memory; its objects would take
hundreds of megabytes.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    ScalarEvent,
    SequenceStartEvent,
)

from app.core.errors import Invalid
from app.core.images import is_tag, tag_of_version
from app.core.manifests.text.parsing import CLOSING, OPENING
from app.core.policies.versions import parse_loose_version

_MOST_EVENTS = 6_000_000
_EVENTS_A_LOOK = 20_000
_DEEPEST = 60
_MOST_TOLD = 5
_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_READ_KEYS = frozenset({"version", "digest", "removed"})
_MERGE = "<<"


class NoIndex(Invalid):
    """A text is no index of a Helm repository, or one that is not read."""


@dataclass(slots=True)
class ChartIndex:
    """The versions of each chart by their tags, each with its digest, and what of the entries was left out."""

    charts: dict[str, dict[str, str]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    left_out_count: int = 0

    @property
    def weight(self) -> int:
        """How many versions it has."""
        return sum(map(len, self.charts.values()))

    def leave_out(self, what: str) -> None:
        """Say what does not count, and why; of many the first few."""
        self.left_out_count += 1
        if len(self.left_out) < _MOST_TOLD:
            self.left_out.append(what[:300])


def read_index(content: bytes, *, seconds: float, clock: Callable[[], float] = time.monotonic) -> ChartIndex:
    """Read an index within so many seconds. A malformed entry is left out, and the others count. Raises NoIndex."""
    try:
        text = content.decode("utf-8-sig")
        return _read(_Events(YAML(typ="safe").parse(text), ends_at=clock() + seconds, clock=clock))
    except UnicodeDecodeError as error:
        raise NoIndex("it is not UTF-8") from error
    except YAMLError as error:
        raise NoIndex(f"it is no YAML: {' '.join(str(error).split())[:200]}") from error


class _Events(Iterator[Event]):
    """The events of a parser within bounds. Raises NoIndex."""

    def __init__(self, events: Iterator[Event], *, ends_at: float, clock: Callable[[], float]) -> None:
        self._events, self._ends_at, self._clock = events, ends_at, clock
        self._count = 0

    def __next__(self) -> Event:
        event = next(self._events, None)
        if event is None:
            raise NoIndex("it breaks off")
        self._count += 1
        if self._count > _MOST_EVENTS:
            raise NoIndex(f"it has more than {_MOST_EVENTS} values")
        if self._count % _EVENTS_A_LOOK == 0 and self._clock() > self._ends_at:
            raise NoIndex("it takes too long to read")
        if isinstance(event, AliasEvent) or (isinstance(event, ScalarEvent) and event.value == _MERGE):
            line = event.start_mark.line + 1
            raise NoIndex(f"line {line}: aliases and merge keys are not taken in an index")
        return event

    def skip(self, event: Event) -> None:
        """Read on to the end of the value that begins with this event."""
        depth = int(isinstance(event, OPENING))
        while depth:
            step = next(self)
            depth += isinstance(step, OPENING) - isinstance(step, CLOSING)
            if depth > _DEEPEST:
                raise NoIndex(f"it is nested more than {_DEEPEST} levels deep")

    def pairs(self) -> Iterator[tuple[str, Event]]:
        """The keys of the mapping that has just begun, each with the event that begins its value, to be read on."""
        while isinstance(event := next(self), ScalarEvent):
            yield event.value, next(self)
        if isinstance(event, OPENING):
            raise NoIndex(f"line {event.start_mark.line + 1}: a key is a mapping or a list")

    def items(self) -> Iterator[Event]:
        """The events that begin the items of the list that has just begun."""
        while not isinstance(event := next(self), CLOSING):
            yield event


def _read(events: _Events) -> ChartIndex:
    next(events)
    if not isinstance(next(events), DocumentStartEvent) or not isinstance(next(events), MappingStartEvent):
        raise NoIndex("it is no mapping with entries")
    index, has_entries = ChartIndex(), False
    for key, value in events.pairs():
        if key == "entries" and has_entries:
            raise NoIndex("it has entries twice")
        if key == "entries":
            has_entries = True
            _read_entries(events, value, index)
        else:
            events.skip(value)
    if not has_entries:
        raise NoIndex("it has no entries")
    return index


def _read_entries(events: _Events, value: Event, index: ChartIndex) -> None:
    if isinstance(value, ScalarEvent) and value.value in {"", "~", "null"}:
        return
    if not isinstance(value, MappingStartEvent):
        raise NoIndex("its entries are no mapping")
    for chart, versions in events.pairs():
        if not isinstance(versions, SequenceStartEvent) or chart in index.charts:
            events.skip(versions)
            is_twice = chart in index.charts
            index.leave_out(f"{chart[:80]}: {'the chart is there twice' if is_twice else 'no list of versions'}")
            continue
        known = index.charts[chart] = {}
        for item in events.items():
            problem = _read_version(events, item, known)
            if problem:
                index.leave_out(f"{chart[:80]}: {problem}")


def _read_version(events: _Events, item: Event, known: dict[str, str]) -> str | None:
    """Take one version in; returns why it does not count. Of a version that is there twice Helm takes the first."""
    if not isinstance(item, MappingStartEvent):
        events.skip(item)
        return "an entry is no mapping"
    found: dict[str, str] = {}
    for key, value in events.pairs():
        if key in _READ_KEYS and isinstance(value, ScalarEvent):
            found.setdefault(key, value.value)
        else:
            events.skip(value)
    return _take(found, known)


def _take(found: Mapping[str, str], known: dict[str, str]) -> str | None:
    version = found.get("version", "")
    if found.get("removed", "").lower() == "true":
        return None
    tag = tag_of_version(version)
    if "_" in version or not is_tag(tag) or parse_loose_version(version) is None:
        return f"{version[:80]!r} is no version"
    digest = _DIGEST.fullmatch(found.get("digest", "").lower())
    if digest is None:
        return f"{version[:80]} has no digest of SHA-256"
    known.setdefault(tag, f"sha256:{digest[1]}")
    return None

"""A file of selections: which image each policy is to have, given by hand or by another program."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ruamel.yaml.events import DocumentStartEvent, Event, MappingStartEvent, NodeEvent, ScalarEvent

from app.core.errors import Invalid
from app.core.images import ImageReference, InvalidImage
from app.core.manifests.text.parsing import CLOSING, OPENING, Unparsable, decode, read_events
from app.core.manifests.text.quoting import is_string

_KEY = re.compile(r"[A-Za-z0-9._-]+:[A-Za-z0-9._-]+")
_NODES = (DocumentStartEvent, NodeEvent, *CLOSING)
_SHAPE = 'write one mapping with an entry "namespace:name": "image:tag" or "image:tag@sha256:…" for each policy'


class InvalidSelections(Invalid):
    """A file of selections cannot be used; every entry that is wrong is named with its line."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(f"the selections cannot be used: {'; '.join(problems)}")
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Selected:
    """The image that a policy is to have; `image` is its name as written, without tag and digest."""

    image: str
    tag: str
    digest: str | None = None

    def __str__(self) -> str:
        return f"{self.image}:{self.tag}@{self.digest}" if self.digest else f"{self.image}:{self.tag}"


def read_selections(content: bytes) -> Mapping[str, Selected]:
    """Read the YAML or JSON of a file of selections, by `namespace:name`. Raises InvalidSelections."""
    try:
        events = [one for one in read_events(decode(content).characters) if isinstance(one, _NODES)]
    except Unparsable as error:
        raise InvalidSelections([str(error)]) from error
    if sum(isinstance(one, DocumentStartEvent) for one in events) != 1 or not isinstance(events[1], MappingStartEvent):
        raise InvalidSelections([_SHAPE])
    selections: dict[str, Selected] = {}
    problems: list[str] = []
    for key, value in _entries(events[2:]):
        name = key.value if isinstance(key, ScalarEvent) else ""
        where = f"line {key.start_mark.line + 1}: {name[:200]!r}"
        if not _KEY.fullmatch(name):
            problems.append(f"{where} is no policy; write namespace:name")
        elif name in selections:
            problems.append(f"{where} is there twice; leave one out")
        else:
            try:
                selections[name] = _selected(value)
            except Invalid as error:
                problems.append(f"{where}: {error}")
    if problems:
        raise InvalidSelections(problems)
    return selections


def _entries(events: Sequence[Event]) -> Iterator[tuple[Event, Event]]:
    """The keys and values of the mapping that is open before these events, each by its first event."""
    depth = 0
    nodes: list[Event] = []
    for event in events:
        if depth == 0 and isinstance(event, CLOSING):
            break
        if depth == 0:
            nodes.append(event)
        depth += isinstance(event, OPENING) - isinstance(event, CLOSING)
    yield from zip(nodes[::2], nodes[1::2], strict=True)


def _selected(value: Event) -> Selected:
    if not isinstance(value, ScalarEvent) or not is_string(tag=value.tag, style=value.style or "", value=value.value):
        raise Invalid('its image is no text; write "image:tag" or "image:tag@sha256:…"')
    reference = ImageReference.parse(value.value)
    if reference.tag is None:
        raise InvalidImage(value.value, "it has no tag; write image:tag")
    name, _, digest = value.value.partition("@")
    return Selected(name.removesuffix(f":{reference.tag}"), reference.tag, digest or None)

"""The documents of a manifest as plain values, for reading only."""

from dataclasses import dataclass, field
from typing import TypeAlias

from ruamel.yaml.events import AliasEvent, DocumentStartEvent, MappingStartEvent, NodeEvent, ScalarEvent

from app.core.manifests.text.parsing import CLOSING, OPENING, read_events
from app.core.manifests.text.quoting import is_string


@dataclass(frozen=True, slots=True)
class NotText:
    """A number, boolean, null or date, as it was written."""

    written: str

    @property
    def is_null(self) -> bool:
        """Whether it stands for nothing."""
        return self.written.lower() in ("", "~", "null")


Value: TypeAlias = str | NotText | dict[str, "Value"] | list["Value"]

_MERGE = "<<"


@dataclass(slots=True)
class _Builder:
    """Puts values together as events come in; aliases share their anchor's value, so nothing is ever multiplied."""

    documents: list[Value] = field(default_factory=list)
    open: list[Value] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    anchors: dict[str, Value] = field(default_factory=dict)

    def put(self, value: Value) -> None:
        """Add a value where the events stand."""
        match self.open[-1] if self.open else None:
            case None:
                self.documents.append(value)
            case list() as items:
                items.append(value)
            case dict() as mapping:
                self._put_into(mapping, value)

    def start(self, value: Value) -> None:
        """Add a collection and go into it."""
        self.put(value)
        self.open.append(value)
        self.keys.append(None)

    def end(self) -> None:
        """Leave a collection, with what its merge keys bring added to it."""
        value = self.open.pop()
        self.keys.pop()
        if isinstance(value, dict) and _MERGE in value:
            merged = value.pop(_MERGE)
            for source in merged if isinstance(merged, list) else [merged]:
                if isinstance(source, dict):
                    for key, inherited in list(source.items()):
                        value.setdefault(key, inherited)

    def _put_into(self, mapping: dict[str, Value], value: Value) -> None:
        key = self.keys[-1]
        if key is None:
            self.keys[-1] = _as_key(value)
        else:
            mapping[key] = value
            self.keys[-1] = None


def read_documents(characters: str) -> list[Value]:
    """Every document of a text; of duplicate keys the last counts. Raises Unparsable."""
    builder = _Builder()
    for event in read_events(characters):
        if isinstance(event, DocumentStartEvent):
            builder.anchors.clear()
        elif isinstance(event, CLOSING):
            builder.end()
        elif isinstance(event, AliasEvent):
            builder.put(builder.anchors.get(event.anchor or "", NotText("")))
        elif isinstance(event, (*OPENING, ScalarEvent)):
            _take(builder, event)
    return builder.documents


def _take(builder: _Builder, event: NodeEvent) -> None:
    value: Value = {} if isinstance(event, MappingStartEvent) else []
    if isinstance(event, ScalarEvent):
        value = _scalar(event)
    if event.anchor:
        builder.anchors[event.anchor] = value
    if isinstance(event, ScalarEvent):
        builder.put(value)
    else:
        builder.start(value)


def _scalar(event: ScalarEvent) -> Value:
    is_text = is_string(tag=event.tag, style=event.style or "", value=event.value)
    return event.value if is_text or event.value == _MERGE else NotText(event.value)


def _as_key(value: Value) -> str:
    match value:
        case str():
            return value
        case NotText(written):
            return written
        case _:
            return "?"

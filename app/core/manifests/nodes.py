"""The documents of a file as a tree of nodes that know where they stand in the text."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from ruamel.yaml.events import AliasEvent, CollectionStartEvent, MappingStartEvent, NodeEvent, ScalarEvent

from app.core.manifests.comments import gaps
from app.core.manifests.parsing import CLOSING, OPENING, Text, decode, read_events
from app.core.manifests.scalars import Outline, Scalar, outline_of

_MERGE = "<<"


@dataclass(frozen=True, slots=True)
class AliasNode:
    """A mention of a node that stands elsewhere; positions count characters, `event` is its index in the file."""

    name: str
    event: int
    outer_start: int
    end: int


@dataclass(slots=True)
class MappingNode:
    """A mapping; `end` is that of its last value where it has no braces. `event` and `last` are its first and last."""

    event: int
    outer_start: int
    is_flow: bool
    end: int
    last: int = 0
    pairs: list[tuple["Node", "Node"]] = field(default_factory=list)

    def find(self, key: str) -> list["Node"]:
        """The values of a key: one, none, or several where it is written more than once."""
        return [value for written, value in self.pairs if isinstance(written, Scalar) and written.value == key]

    def text(self, key: str) -> str:
        """The value of a key as text; empty where it is none."""
        found = self.find(key)
        return found[-1].value if found and isinstance(found[-1], Scalar) else ""

    @property
    def is_merged(self) -> bool:
        """Whether it takes keys from elsewhere."""
        return bool(self.find(_MERGE))


@dataclass(slots=True)
class SequenceNode:
    """A list, with the same meanings as in MappingNode."""

    event: int
    outer_start: int
    is_flow: bool
    end: int
    last: int = 0
    items: list["Node"] = field(default_factory=list)


Node: TypeAlias = Scalar | AliasNode | MappingNode | SequenceNode


def last_event(node: Node) -> int:
    """The index of the last event of a node."""
    return node.last if isinstance(node, MappingNode | SequenceNode) else node.event


@dataclass(frozen=True, slots=True)
class YamlFile:
    """A parsed file. `is_template` where `{{` stands outside of quotes: what it means is not known from its text."""

    text: Text
    outline: Outline
    documents: tuple[Node, ...]
    is_template: bool

    def line_of(self, node: Node) -> int:
        """The line where a node starts, counted from 1."""
        return self.text.line_of(node.outer_start)

    def objects(self) -> Iterator[MappingNode]:
        """The mappings at the top of documents, or the items where one is a `kind: List`, also of lists."""
        waiting = list(reversed(self.documents))
        while waiting:
            node = waiting.pop()
            if not isinstance(node, MappingNode):
                continue
            items = [value for value in node.find("items") if isinstance(value, SequenceNode)]
            if node.text("kind").endswith("List") and items:
                waiting.extend(reversed(items[-1].items))
            else:
                yield node


def read_yaml(content: bytes) -> YamlFile:
    """Parse a file into nodes. Raises Unparsable."""
    text = decode(content)
    events = read_events(text.characters)
    outline = outline_of(text.characters, events)
    scalars = {scalar.event: scalar for scalar in (*outline.scalars, *outline.blanks)}
    documents: list[Node] = []
    open_nodes: list[MappingNode | SequenceNode] = []
    keys: list[Node | None] = []
    for index, event in enumerate(events):
        if isinstance(event, CLOSING):
            closed = open_nodes.pop()
            keys.pop()
            closed.last = index
            closed.end = event.end_mark.index if closed.is_flow else _end_of_content(closed)
        elif isinstance(event, (*OPENING, ScalarEvent, AliasEvent)):
            node = _node(event, index, scalars)
            _put(node, documents, open_nodes, keys)
            if isinstance(node, MappingNode | SequenceNode):
                open_nodes.append(node)
                keys.append(None)
    return YamlFile(text, outline, tuple(documents), _is_template(text, outline))


def _node(event: NodeEvent, index: int, scalars: dict[int, Scalar]) -> Node:
    start, end = event.start_mark.index, event.end_mark.index
    if isinstance(event, ScalarEvent):
        return scalars[index]
    if isinstance(event, AliasEvent):
        return AliasNode(event.anchor or "", index, start, end)
    is_flow = isinstance(event, CollectionStartEvent) and bool(event.flow_style)
    kind = MappingNode if isinstance(event, MappingStartEvent) else SequenceNode
    return kind(index, start, is_flow=is_flow, end=end)


def _put(
    node: Node, documents: list[Node], open_nodes: list[MappingNode | SequenceNode], keys: list[Node | None]
) -> None:
    match open_nodes[-1] if open_nodes else None:
        case None:
            documents.append(node)
        case SequenceNode() as around:
            around.items.append(node)
        case MappingNode() as around:
            key = keys[-1]
            if key is None:
                keys[-1] = node
            else:
                around.pairs.append((key, node))
                keys[-1] = None


def _end_of_content(closed: MappingNode | SequenceNode) -> int:
    """Where the last child of a collection without brackets ends; the parser goes on to the next token."""
    children = closed.items if isinstance(closed, SequenceNode) else [value for _, value in closed.pairs]
    return children[-1].end if children else closed.end


def _is_template(text: Text, outline: Outline) -> bool:
    comment_free = (
        line.partition("#")[0]
        for start, end in gaps(text.characters, outline.scalars)
        for line in text.characters[start:end].split("\n")
    )
    return any("{{" in line for line in comment_free) or any(
        "{{" in scalar.value for scalar in outline.scalars if not scalar.style
    )

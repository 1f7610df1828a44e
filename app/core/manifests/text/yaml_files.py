"""A file as a tree of nodes."""

from collections.abc import Iterator
from dataclasses import dataclass

from ruamel.yaml.events import AliasEvent, CollectionStartEvent, MappingStartEvent, NodeEvent, ScalarEvent

from app.core.manifests.text.nodes import AliasNode, MappingNode, Node, SequenceNode
from app.core.manifests.text.parsing import CLOSING, OPENING, Text, decode, read_events
from app.core.manifests.text.scalars import Outline, Scalar, outline_of
from app.core.manifests.text.seals import Seal, seals_in


@dataclass(frozen=True, slots=True)
class YamlFile:
    """A parsed file; `seals` are the parts of it that carry a checksum over themselves."""

    text: Text
    outline: Outline
    documents: tuple[Node, ...]
    seals: tuple[Seal, ...] = ()

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
    return YamlFile(text, outline, tuple(documents), seals_in(text.characters, documents))


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

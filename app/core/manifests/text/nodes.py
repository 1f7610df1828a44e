"""The nodes of a document, which know where they stand in the text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from app.core.manifests.text.scalars import Scalar

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
    _by_key: dict[str, list["Node"]] = field(default_factory=dict, repr=False, compare=False)
    _indexed: int = field(default=0, repr=False, compare=False)

    def find(self, key: str) -> list["Node"]:
        """The values of a key: one, none, or several where it is written more than once."""
        for written, value in self.pairs[self._indexed :]:
            if isinstance(written, Scalar):
                self._by_key.setdefault(written.value, []).append(value)
        self._indexed = len(self.pairs)
        return self._by_key.get(key, [])

    def text(self, key: str) -> str:
        """The value of a key as text; empty where it is none."""
        found = self.find(key)
        return found[-1].value if found and isinstance(found[-1], Scalar) else ""

    def mapping(self, key: str) -> "MappingNode | None":
        """The value of a key as a mapping; None where it is none."""
        found = self.find(key)
        return found[-1] if found and isinstance(found[-1], MappingNode) else None

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


def mappings_in(nodes: Sequence[Node]) -> Iterator[MappingNode]:
    """Every mapping among nodes and the values below them."""
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if isinstance(node, MappingNode):
            yield node
            waiting.extend(value for _, value in node.pairs)
        elif isinstance(node, SequenceNode):
            waiting.extend(node.items)

"""A YAML document as plain values, with the place of every key."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StringMark, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

Key = tuple[str | int, ...]
_PLAIN = "tag:yaml.org,2002:"
_DEEPEST = 20


@dataclass(frozen=True, slots=True)
class Place:
    """A position in the file, counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: at which key, where that stands, and what."""

    key: Key
    place: Place | None
    message: str


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says, where each key stands, and what YAML itself leaves open (duplicates, odd tags)."""

    values: object
    places: Mapping[Key, Place]
    problems: tuple[Problem, ...]

    def place(self, key: Key) -> Place | None:
        """Where a key stands, or where the nearest thing around it does."""
        while key and key not in self.places:
            key = key[:-1]
        return self.places.get(key)


def read_document(text: str) -> Document:
    """Read YAML 1.2. No message repeats a value of the file: it may be a secret in the wrong place."""
    yaml = YAML(typ="safe", pure=True)
    try:
        root = yaml.compose(text)
    except MarkedYAMLError as error:
        # Only the short problem: the error's full text quotes the line.
        return Document(None, {}, (Problem((), _place(error.problem_mark), f"is not YAML: {error.problem}"),))
    except YAMLError:
        return Document(None, {}, (Problem((), None, "is not YAML: it holds characters that YAML forbids"),))
    if root is None:
        return Document({}, {}, ())
    reading = _Reading(yaml)
    values = reading.value((), root)
    return Document(values, reading.places, tuple(reading.problems))


@dataclass(slots=True)
class _Reading:
    """The walk over one document's nodes."""

    yaml: YAML
    places: dict[Key, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def value(self, key: Key, node: Node) -> object:
        self.places.setdefault(key, Place(node.start_mark.line + 1, node.start_mark.column + 1))
        if len(key) > _DEEPEST:
            self._report(key, "is nested too deeply")
            return None
        match node:
            case MappingNode():
                return self._mapping(key, node)
            case SequenceNode():
                return [self.value((*key, index), item) for index, item in enumerate(node.value)]
            case ScalarNode():
                return self._scalar(key, node)
        return None

    def _mapping(self, key: Key, node: MappingNode) -> dict[str, object]:
        values: dict[str, object] = {}
        for name_node, value_node in node.value:
            place = Place(name_node.start_mark.line + 1, name_node.start_mark.column + 1)
            if not isinstance(name_node, ScalarNode):
                self.problems.append(Problem(key, place, "has a key that is not a plain word"))
                continue
            name = str(name_node.value)
            if name in values:
                first = self.places[(*key, name)].line
                self.problems.append(Problem((*key, name), place, f"is written twice (first in line {first})"))
                continue
            self.places[(*key, name)] = place
            values[name] = self.value((*key, name), value_node)
        return values

    def _scalar(self, key: Key, node: ScalarNode) -> object:
        match str(node.tag).removeprefix(_PLAIN):
            case "str" | "timestamp":
                return str(node.value)
            case "int" | "float" | "bool" | "null":
                return self.yaml.constructor.construct_object(node)
        self._report(key, "has a YAML tag, which settings do not use")
        return None

    def _report(self, key: Key, message: str) -> None:
        self.problems.append(Problem(key, self.places.get(key), message))


def _place(mark: StringMark | None) -> Place | None:
    return Place(mark.line + 1, mark.column + 1) if mark is not None else None

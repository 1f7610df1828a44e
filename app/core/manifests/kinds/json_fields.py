r"""Fields in JSON files: strings at declared paths, found and set as in YAML files, byte by byte.

Read with the rules of JSON, for no reader of YAML takes all of it: tabs, `\/`, surrogate pairs, keys of any length.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NoReturn, TypeAlias

from app.core.errors import Invalid
from app.core.manifests.kinds.declared import DeclaredField, FieldScan, JsonPath, YamlPath
from app.core.manifests.kinds.yaml_paths import find_at_path, with_neighbours
from app.core.manifests.places import Problem
from app.core.manifests.text.documents import NotText
from app.core.manifests.text.nodes import MappingNode, Node, SequenceNode
from app.core.manifests.text.parsing import Text, Unparsable, decode_utf_8
from app.core.manifests.text.quoting import write_double_quoted
from app.core.manifests.text.scalars import Meaning, Outline, Place, Scalar
from app.core.manifests.text.seals import seals_in
from app.core.manifests.text.setting import CannotSet
from app.core.manifests.text.splicing import Splice, splice
from app.core.manifests.text.yaml_files import YamlFile
from app.core.policies.verdicts import quoted

_DEEPEST = 200
_TOO_DEEP = f"it is nested more than {_DEEPEST} levels deep"
_TOKEN = re.compile(r'(?P<open>[{\[])|(?P<close>[}\]])|(?P<string>"[^"\\]*(?:\\.[^"\\]*)*")|(?P<other>[^\s,:{}\[\]"]+)')
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")

_Value: TypeAlias = str | bool | NotText | list["_Value"] | tuple[tuple[str, "_Value"], ...] | None


class UnreadableJson(Invalid):
    """A file is not JSON, or is nested so deeply that nobody wrote it by hand."""

    def __init__(self, what: str, *, line: int) -> None:
        super().__init__(f"line {line} cannot be read as JSON: {what}; correct the file")
        self.line = line


def find_json_fields(content: bytes, selector: JsonPath) -> FieldScan:
    """Find the fields at a path of a JSON file. Never raises: what cannot be used is a problem."""
    try:
        file = read_json(content)
    except UnreadableJson as error:
        return FieldScan(problems=(Problem(error.line, str(error)),))
    found = with_neighbours(file, find_at_path(file, YamlPath(selector.path, selector.part, selector.pattern)))
    return FieldScan(tuple(replace(one, selector=selector) for one in found.fields), found.problems)


def set_json_fields(content: bytes, new_texts: Mapping[DeclaredField, str]) -> bytes:
    """Give fields new texts, all or none; no other byte changes. What was no string becomes one.

    The result is read again: only the fields may differ. Raises CannotSet, also if a field is not there any more.
    """
    changes = {one: new for one, new in new_texts.items() if not one.holds(new)}
    if not changes:
        return content
    scans = {one.selector: _found(content, one) for one in changes}
    for one, new in changes.items():
        if one not in scans[one.selector]:
            raise CannotSet(one.line, f"{one.where} is not what it was")
        if not new or not new.isprintable():
            raise CannotSet(one.line, f"{quoted(new)} is not one line of printable text")
    before = read_json(content)
    splices, expected = _plan(before, changes)
    edited = splice(content, splices)
    if read_json(edited).outline.shape != expected:
        raise CannotSet(min(one.line for one in changes), "the file would not mean exactly what was asked for")
    return edited


def read_json(content: bytes) -> YamlFile:
    """Read a file into the nodes that YAML has too; numbers are known as they are written. Raises UnreadableJson."""
    try:
        text = decode_utf_8(content)
        value = json.loads(
            text.characters,
            parse_int=NotText,
            parse_float=NotText,
            parse_constant=_refuse,
            object_pairs_hook=tuple,
        )
    except Unparsable as error:
        raise UnreadableJson("it is not UTF-8", line=error.line) from error
    except json.JSONDecodeError as error:
        raise UnreadableJson(error.msg, line=error.lineno) from error
    except (ValueError, RecursionError) as error:
        raise UnreadableJson(str(error) if isinstance(error, ValueError) else _TOO_DEEP, line=1) from error
    root, scalars = _nodes(text)
    shape = tuple(_shape(value))
    outline = Outline(scalars, (), shape, has_only_mappings=True)
    return YamlFile(text, outline, (root,), seals_in(text.characters, (root,)))


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number in JSON")


@dataclass(slots=True)
class _Builder:
    """Puts nodes together as tokens come in."""

    roots: list[Node] = field(default_factory=list)
    open: list[MappingNode | SequenceNode] = field(default_factory=list)
    keys: list[Scalar | None] = field(default_factory=list)

    def put(self, node: Node) -> None:
        """Add a node where the tokens stand, and go into it if it is a collection."""
        match self.open[-1] if self.open else None:
            case None:
                self.roots.append(node)
            case SequenceNode() as around:
                around.items.append(node)
            case MappingNode() as around:
                key = self.keys[-1]
                if key is None:
                    self.keys[-1] = node if isinstance(node, Scalar) else None
                else:
                    around.pairs.append((key, node))
                    self.keys[-1] = None
        if isinstance(node, MappingNode | SequenceNode):
            self.open.append(node)
            self.keys.append(None)

    def close(self, event: int, end: int) -> None:
        """Leave a collection."""
        closed = self.open.pop()
        closed.last, closed.end = event, end
        self.keys.pop()


def _nodes(text: Text) -> tuple[Node, tuple[Scalar, ...]]:
    """The nodes of a text that is JSON, and its scalars in order with their numbers among what `_shape` gives."""
    builder = _Builder()
    scalars: list[Scalar] = []
    for event, found in enumerate(_TOKEN.finditer(text.characters)):
        if found["close"]:
            builder.close(event, found.end())
        elif found["open"]:
            kind = MappingNode if found["open"] == "{" else SequenceNode
            builder.put(kind(event, found.start(), is_flow=True, end=found.end()))
        else:
            scalars.append(_scalar(text, found, event))
            builder.put(scalars[-1])
        if len(builder.open) > _DEEPEST:
            raise UnreadableJson(_TOO_DEEP, line=text.line_of(found.start()))
    return builder.roots[0], tuple(scalars)


def _scalar(text: Text, found: re.Match[str], event: int) -> Scalar:
    start, end = found.span()
    value, style = found[0], ""
    if found["string"]:
        value, style = str(json.loads(value)), '"'
        if _HALF_CHARACTER.search(value):
            raise UnreadableJson("a string has half of a surrogate pair", line=text.line_of(start))
    return Scalar(value, style, None, Place.VALUE, True, start, start, end, event)


def _shape(value: _Value) -> Iterator[Meaning]:
    """What each token of a JSON text means, without commas and colons, for comparing."""
    match value:
        case tuple():
            yield ("{",)
            for key, one in value:
                yield ("text", key)
                yield from _shape(one)
            yield ("}",)
        case list():
            yield ("[",)
            for one in value:
                yield from _shape(one)
            yield ("]",)
        case str():
            yield ("text", value)
        case _:
            yield ("other", value)


def _plan(before: YamlFile, changes: Mapping[DeclaredField, str]) -> tuple[list[Splice], tuple[Meaning, ...]]:
    """The bytes that are changed, and what the file must mean then. Raises CannotSet."""
    scalars, places = before.outline.scalars, before.text.bytes_before
    starts = [places[scalar.start] for scalar in scalars]
    splices: list[Splice] = []
    by_scalar: dict[Scalar, list[Splice]] = {}
    shape = list(before.outline.shape)
    for one, new in changes.items():
        scalar = scalars[bisect_right(starts, one.start) - 1]
        in_quotes = write_double_quoted(new)
        if one.start == places[scalar.start]:
            splices.append(Splice(one.start, one.end, in_quotes.encode()))
            shape[scalar.event] = ("text", new)
        else:  # what a pattern picks out of a string that is written without escapes
            splices.append(Splice(one.start, one.end, in_quotes[1:-1].encode()))
            shift = places[scalar.start] + 1
            by_scalar.setdefault(scalar, []).append(Splice(one.start - shift, one.end - shift, new.encode()))
    for scalar, parts in by_scalar.items():
        shape[scalar.event] = ("text", splice(scalar.value.encode(), parts).decode())
    return splices, tuple(shape)


def _found(content: bytes, one: DeclaredField) -> tuple[DeclaredField, ...]:
    """What a field's own declaration finds."""
    return find_json_fields(content, one.selector).fields if isinstance(one.selector, JsonPath) else ()

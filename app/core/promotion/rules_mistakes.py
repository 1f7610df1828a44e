"""What is wrong with a `.fluxbridge.yaml`, by line and key, in words that say what to write."""

from collections.abc import Collection, Iterator, Sequence
from typing import cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from app.core.nearest import did_you_mean

_MOST_TOLD = 20
# Of one file with very many: finding the line of each would cost more than reading it.
_MOST_PLACED = 200
_LONGEST_KEY = 60
_WORDS = {
    "missing": "is missing",
    "model_type": "must be a mapping of keys to values",
    "dict_type": "must be a mapping of names to entries",
    "list_type": "must be a list",
    "string_type": "must be text (quote what looks like a number)",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "too_short": "must have at least one entry",
}


def explain_mistakes(content: bytes, error: ValidationError, keys: Collection[str]) -> Iterator[str]:
    """Each mistake of a document that was read already, in the order of the file; `keys` are all that there are.

    >>> from pydantic import TypeAdapter
    >>> try:
    ...     TypeAdapter(dict[str, list[int]]).validate_python({"a": 5})
    ... except ValidationError as error:
    ...     list(explain_mistakes(b"a: 5", error, ()))
    ['line 1: a: must be a list']
    """
    root = _root(content)
    errors = error.errors(include_url=False, include_input=False)
    found = [(_line_of(root, one["loc"]), one) for one in errors[:_MOST_PLACED]]
    found.sort(key=lambda each: each[0])
    for line, one in found[:_MOST_TOLD]:
        yield f"line {line}: {_key(one['loc'])}: {_words(one, keys)}"
    if len(errors) > _MOST_TOLD:
        yield f"and {len(errors) - _MOST_TOLD} more"


def _root(content: bytes) -> Node | None:
    """The document with its places, by the quick parser where it can read it."""
    try:
        return cast("Node | None", YAML(typ="safe").compose(content))
    except YAMLError:
        return cast("Node | None", YAML(typ="safe", pure=True).compose(content))


def _words(detail: ErrorDetails, keys: Collection[str]) -> str:
    if detail["type"] == "extra_forbidden":
        name = str(detail["loc"][-1])[:_LONGEST_KEY]
        meant = did_you_mean(name, keys) if name not in keys else ""
        return f"is no key here{f', {meant}' if meant else ': docs/concepts.md has them all'}"
    words = _WORDS.get(detail["type"]) or detail["msg"].removeprefix("Value error, ")
    return words.replace("Input should", "must").replace("String should", "must").replace("be True", "be true")


def _key(loc: Sequence[int | str]) -> str:
    return ".".join(str(part)[:_LONGEST_KEY] for part in loc if part != "[key]") or "the file"


def _line_of(node: Node | None, loc: Sequence[int | str]) -> int:
    """The line of a key, or of the nearest above it that is written."""
    line = node.start_mark.line if node is not None else 0
    for part in loc:
        if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line
        elif isinstance(node, MappingNode):
            pairs = [(key, value) for key, value in node.value if key.value == str(part)]
            if not pairs:
                break
            line, node = pairs[-1][0].start_mark.line, pairs[-1][1]
    return line + 1

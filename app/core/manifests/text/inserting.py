"""Adds keys to mappings and items to lists of a file, written as the file writes those around them.

In blocks a new line follows the last line of what it comes after, so that comments stay where they are. In brackets it
follows the comma, on a line of its own where its neighbours have one. `write_edits` proves what comes out of it.
"""

import re
from collections.abc import Iterable, Sequence

from app.core.manifests.text.nodes import MappingNode, Node, SequenceNode, last_event
from app.core.manifests.text.quoting import write_double_quoted, write_plain, write_single_quoted
from app.core.manifests.text.scalars import Meaning, Scalar, scalar_meaning
from app.core.manifests.text.setting import CannotSet, Edit
from app.core.manifests.text.yaml_files import YamlFile

Pairs = Sequence[tuple[str, str]]

_TO_LINE_END = re.compile(r"[^\r\n]*")
_LINE_BREAK = re.compile(r"\r\n|\n")
_COMMA_ENDS_LINE = re.compile(r"[ \t]*,[ \t]*(?:#[^\r\n]*)?(?=[\r\n])")
_LINE_ENDS = re.compile(r"[ \t]*(?=[\r\n])")
_BEFORE_DASH = re.compile(r"([ ]*)-([ ]+)")
_MAPPING = (("MappingStartEvent", None, None), ("MappingEndEvent",))
_SEQUENCE = (("SequenceStartEvent", None, None), ("SequenceEndEvent",))


def add_pairs(file: YamlFile, mapping: MappingNode, *, after: int, pairs: Pairs) -> Edit:
    """Put keys with strings behind pair number `after` of a mapping, quoted as that pair is. Raises CannotSet."""
    key, value = mapping.pairs[after]
    quote, value_quote = _quote_of(key), _quote_of(value)
    event = last_event(value) + 1
    meanings = tuple(_meanings_of_pairs(pairs))
    if mapping.is_flow:
        pieces = [_in_flow(pair, quote, value_quote) for pair in pairs]
        return _addition(*_in_brackets(file, mapping, (key, value), pieces), event, meanings)
    lead = _line_break(file) + " " * (key.outer_start - _line_start(file, key.outer_start))
    pieces = [f"{_write(name, quote)}: {_write(text, value_quote)}" for name, text in pairs]
    return _addition(_line_end(file, value.end), "".join(lead + piece for piece in pieces), event, meanings)


def add_items(file: YamlFile, sequence: SequenceNode, items: Sequence[Pairs]) -> Edit:
    """Put mappings of strings at the end of a list, written as its last item is. Raises CannotSet."""
    meanings = tuple(meaning for item in items for meaning in _meanings_of_item(item))
    if not sequence.items:
        blank = " " if file.text.characters[sequence.end - 2] == " " else ""
        written = ", ".join(_in_braces(item, "") for item in items) + blank
        return _addition(sequence.end - 1, written, sequence.last, meanings)
    last = sequence.items[-1]
    quote = _quote_of(last.pairs[0][0]) if isinstance(last, MappingNode) and last.pairs else ""
    if sequence.is_flow:
        pieces = [_in_braces(item, quote) for item in items]
        return _addition(*_in_brackets(file, sequence, (last, last), pieces), sequence.last, meanings)
    start = _line_start(file, last.outer_start)
    dash = _BEFORE_DASH.fullmatch(file.text.characters, start, last.outer_start)
    if dash is None:
        raise CannotSet(file.line_of(last), "the items of this list stand in an unusual way")
    is_flow = isinstance(last, MappingNode) and last.is_flow
    written = "".join(
        _block_item(item, quote, lead=_line_break(file) + dash[1], gap=dash[2], is_flow=is_flow) for item in items
    )
    return _addition(_block_end(file, last.end, len(dash[1])), written, sequence.last, meanings)


def add_list(file: YamlFile, mapping: MappingNode, key: str, items: Sequence[Pairs]) -> Edit:
    """Put a key with a list of mappings of strings at the end of a mapping that has others. Raises CannotSet."""
    if not mapping.pairs:
        raise CannotSet(file.line_of(mapping), f"there is nothing to write {key} like")
    name = scalar_meaning(None, None, key, is_text=True)
    meanings = (name, *_meanings_of_list(items))
    last_key, last_value = mapping.pairs[-1]
    quote = _quote_of(last_key)
    if mapping.is_flow:
        written = f"{_write(key, quote)}: [{', '.join(_in_braces(item, quote) for item in items)}]"
        return _addition(*_in_brackets(file, mapping, mapping.pairs[-1], [written]), mapping.last, meanings)
    column = last_key.outer_start - _line_start(file, last_key.outer_start)
    written = _line_break(file) + " " * column + f"{_write(key, quote)}:" + _block_list(file, mapping, column, items)
    return _addition(_block_end(file, last_value.end, column), written, mapping.last, meanings)


def fill_list(file: YamlFile, mapping: MappingNode, key: Node, blank: Scalar, items: Sequence[Pairs]) -> Edit:
    """Put a list of mappings of strings behind a key of a mapping in a block that has no value. Raises CannotSet."""
    if mapping.is_flow or blank.tag is not None or file.outline.shape[blank.event][1] is not None:
        raise CannotSet(file.line_of(blank), "its value is empty in an unusual way")
    column = key.outer_start - _line_start(file, key.outer_start)
    position = _line_end(file, blank.end)
    written = _block_list(file, mapping, column, items)
    return Edit(position, position, written, blank.event, tuple(_meanings_of_list(items)))


def _addition(position: int, written: str, event: int, meanings: tuple[Meaning, ...]) -> Edit:
    return Edit(position, position, written, event, meanings, is_addition=True)


def _in_brackets(
    file: YamlFile, around: MappingNode | SequenceNode, sample: tuple[Node, Node], pieces: Sequence[str]
) -> tuple[int, str]:
    """Where and how pieces are put behind a child of a collection in brackets: a pair, or twice the item."""
    first, last = sample
    characters = file.text.characters
    line_start = _line_start(file, first.outer_start)
    lead = characters[line_start : first.outer_start]
    if not lead.strip() and line_start > around.outer_start:
        separator = _line_break(file) + lead
        comma = _COMMA_ENDS_LINE.match(characters, last.end)
        if comma:
            return comma.end(), "".join(f"{separator}{piece}," for piece in pieces)
        if _LINE_ENDS.match(characters, last.end):
            return last.end, "".join(f",{separator}{piece}" for piece in pieces)
    return last.end, "".join(f", {piece}" for piece in pieces)


def _block_list(file: YamlFile, mapping: MappingNode, column: int, items: Sequence[Pairs]) -> str:
    """A list below a key, indented as the first other list of the mapping is, else not at all, as kustomize does."""
    indent, gap = column, " "
    for key, value in mapping.pairs:
        if isinstance(value, SequenceNode) and not value.is_flow and value.items:
            item = value.items[0]
            dash = _BEFORE_DASH.fullmatch(file.text.characters, _line_start(file, item.outer_start), item.outer_start)
            if dash:
                indent = column + len(dash[1]) - (key.outer_start - _line_start(file, key.outer_start))
                gap = dash[2]
                break
    lead = _line_break(file) + " " * max(indent, column)
    return "".join(_block_item(item, "", lead=lead, gap=gap, is_flow=False) for item in items)


def _block_item(item: Pairs, quote: str, *, lead: str, gap: str, is_flow: bool) -> str:
    if is_flow:
        return f"{lead}-{gap}{_in_braces(item, quote)}"
    between = f"{lead} {' ' * len(gap)}"
    return f"{lead}-{gap}" + between.join(f"{_write(key, quote)}: {_write(text, quote)}" for key, text in item)


def _in_braces(item: Pairs, quote: str) -> str:
    return "{" + ", ".join(_in_flow(pair, quote, quote) for pair in item) + "}"


def _in_flow(pair: tuple[str, str], quote: str, value_quote: str) -> str:
    """A pair between brackets, where parsers of libyaml 0.1 refuse a colon without quotes around it."""
    key, text = pair
    if not value_quote and ":" in text:
        value_quote = '"'
    return f"{_write(key, quote)}: {_write(text, value_quote)}"


def _write(text: str, quote: str) -> str:
    if quote == '"':
        return write_double_quoted(text)
    return write_single_quoted(text) if quote == "'" else write_plain(text)


def _quote_of(node: Node) -> str:
    return node.style if isinstance(node, Scalar) and node.style in ("'", '"') else ""


def _meanings_of_pairs(pairs: Pairs) -> Iterable[Meaning]:
    for pair in pairs:
        for text in pair:
            yield scalar_meaning(None, None, text, is_text=True)


def _meanings_of_item(item: Pairs) -> Iterable[Meaning]:
    return (_MAPPING[0], *_meanings_of_pairs(item), _MAPPING[1])


def _meanings_of_list(items: Sequence[Pairs]) -> Iterable[Meaning]:
    return (_SEQUENCE[0], *(meaning for item in items for meaning in _meanings_of_item(item)), _SEQUENCE[1])


def _line_start(file: YamlFile, position: int) -> int:
    return file.text.characters.rfind("\n", 0, position) + 1


def _line_end(file: YamlFile, position: int) -> int:
    found = _TO_LINE_END.match(file.text.characters, position)
    return found.end() if found else position


def _block_end(file: YamlFile, position: int, column: int) -> int:
    """The end of the line, and of the comment lines below it that stand further in than a column."""
    comments = re.compile(rf"[^\r\n]*(?:\r?\n[ ]{{{column + 1},}}[ \t]*#[^\r\n]*)*")
    found = comments.match(file.text.characters, position)
    return found.end() if found else position


def _line_break(file: YamlFile) -> str:
    found = _LINE_BREAK.search(file.text.characters)
    return found[0] if found else "\n"

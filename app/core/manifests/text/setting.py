"""Sets scalars in a file's text, byte by byte, and proves that nothing else changed its meaning."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.core.errors import Invalid
from app.core.manifests.text.parsing import Text, Unparsable
from app.core.manifests.text.quoting import write_double_quoted, write_plain, write_single_quoted
from app.core.manifests.text.scalars import Meaning, Outline, Scalar, outline, scalar_meaning

_BLOCK = re.compile(r"([|>])([1-9]?)[-+]?([1-9]?)([ \t]*(?:[ \t]#[^\r\n]*)?\r?\n)")
_INDENT = re.compile(r"(?:[ \t]*\r?\n)*([ ]+)")


class CannotSet(Invalid):
    """A scalar cannot be given a text without touching more of the file than the scalar itself."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line} was not edited: {why}; edit it by hand")
        self.line = line


@dataclass(frozen=True, slots=True)
class Edit:
    """Characters put in place of those from `start` to `end`, and what that makes of the file's events.

    `meanings` stand where event number `event` stood, or before it where the edit only adds.
    """

    start: int
    end: int
    written: str
    event: int
    meanings: tuple[Meaning, ...]
    is_addition: bool = False


def set_scalars(text: Text, before: Outline, new_texts: Iterable[tuple[Scalar, str]]) -> str:
    """Give scalars of one file new texts, all or none; returns the file's characters. Raises CannotSet."""
    return write_edits(text, before, [edit_scalar(text, before, scalar, new) for scalar, new in new_texts])


def edit_scalar(text: Text, before: Outline, scalar: Scalar, new: str) -> Edit:
    """The edit that makes a scalar this very string, in its own style. Raises CannotSet."""
    written = _rewrite(text, scalar, new)
    if scalar.start == scalar.end and text.characters[scalar.start - 1 : scalar.start] not in (" ", "\t", ""):
        written = f" {written}"
    return Edit(scalar.start, scalar.end, written, scalar.event, (string_at(before, scalar, new),))


def string_at(before: Outline, scalar: Scalar, new: str) -> Meaning:
    """What a scalar means once it is this string, with its anchor and tag kept."""
    _, anchor, tag, *_ = before.shape[scalar.event]
    return scalar_meaning(_as_name(anchor), _as_name(tag), new, is_text=True)


def write_edits(text: Text, before: Outline, edits: Iterable[Edit]) -> str:
    """Make edits of one file, all or none; returns the file's characters.

    The result is parsed again and compared event by event: it must mean exactly what the edits say. Raises CannotSet.
    """
    in_order = sorted(set(edits), key=lambda edit: (edit.start, edit.event))
    pieces: list[str] = []
    done = 0
    for edit in in_order:
        if edit.start < done:
            raise CannotSet(text.line_of(edit.start), "two edits would meet in one place")
        pieces += (text.characters[done : edit.start], edit.written)
        done = edit.end
    pieces.append(text.characters[done:])
    edited = "".join(pieces)
    _check(text, before, in_order, edited)
    return edited


def _rewrite(text: Text, scalar: Scalar, new: str) -> str:
    if not new.isprintable() or not new:
        raise CannotSet(text.line_of(scalar.start), f"{new[:80]!r} is not one line of printable text")
    match scalar.style:
        case "'":
            return write_single_quoted(new)
        case '"':
            return write_double_quoted(new)
        case "|" | ">":
            return _rewrite_block(text, scalar, new)
        case _:
            return write_plain(new)


def _rewrite_block(text: Text, scalar: Scalar, new: str) -> str:
    """Keep the header with its comment, strip the final line break (`|-`), put one line in place of the content."""
    written = text.characters[scalar.start : scalar.end]
    header = _BLOCK.match(written)
    indent = _INDENT.match(written, header.end()) if header else None
    if not header or not indent:
        raise CannotSet(text.line_of(scalar.start), "its block is empty or has no indentation to follow")
    style, digit_before, digit_after, rest = header.groups()
    return f"{style}{digit_before or digit_after}-{rest}{indent.group(1)}{new}"


def _check(text: Text, before: Outline, edits: Sequence[Edit], edited: str) -> None:
    line = text.line_of(edits[0].start) if edits else 1
    try:
        after = outline(edited)
    except Unparsable as error:
        raise CannotSet(line, f"the file would no longer parse ({error})") from error
    expected: list[Meaning] = []
    done = 0
    for edit in sorted(edits, key=lambda edit: (edit.event, not edit.is_addition)):
        expected += (*before.shape[done : edit.event], *edit.meanings)
        done = edit.event if edit.is_addition else edit.event + 1
    if (*expected, *before.shape[done:]) != after.shape:
        raise CannotSet(line, "the file would not mean exactly what was asked for")


def _as_name(part: object) -> str | None:
    return part if isinstance(part, str) else None

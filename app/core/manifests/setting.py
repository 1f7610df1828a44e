"""Sets scalars in a file's text, byte by byte, and proves that nothing else changed its meaning."""

import re
from collections.abc import Iterable, Mapping

from app.core.errors import Invalid
from app.core.manifests.parsing import Text, Unparsable
from app.core.manifests.quoting import write_double_quoted, write_plain, write_single_quoted
from app.core.manifests.scalars import Outline, Scalar, outline, scalar_meaning

_BLOCK = re.compile(r"([|>])([1-9]?)[-+]?([1-9]?)([ \t]*(?:[ \t]#[^\r\n]*)?\r?\n)")
_INDENT = re.compile(r"(?:[ \t]*\r?\n)*([ ]+)")


class CannotSet(Invalid):
    """A scalar cannot be given a text without touching more of the file than the scalar itself."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line} was not edited: {why}; edit it by hand")
        self.line = line


def set_scalars(text: Text, before: Outline, new_texts: Iterable[tuple[Scalar, str]]) -> str:
    """Give scalars of one file new texts, all or none; returns the file's characters.

    The result is parsed again and compared event by event: only those scalars may differ, and each must be exactly
    the string that was asked for. Raises CannotSet.
    """
    wanted = {scalar.event: (scalar, new) for scalar, new in new_texts}
    pieces: list[str] = []
    done = 0
    for scalar, new in sorted(wanted.values(), key=lambda pair: pair[0].start):
        pieces += (text.characters[done : scalar.start], _rewrite(text, scalar, new))
        done = scalar.end
    pieces.append(text.characters[done:])
    edited = "".join(pieces)
    _check(text, before, wanted, edited)
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


def _check(text: Text, before: Outline, wanted: Mapping[int, tuple[Scalar, str]], edited: str) -> None:
    line = text.line_of(min((scalar.start for scalar, _ in wanted.values()), default=0))
    try:
        after = outline(edited)
    except Unparsable as error:
        raise CannotSet(line, f"the file would no longer parse ({error})") from error
    expected = list(before.shape)
    for event, (_, new) in wanted.items():
        _, anchor, tag, *_ = expected[event]
        expected[event] = scalar_meaning(_as_name(anchor), _as_name(tag), new, is_text=True)
    if tuple(expected) != after.shape:
        raise CannotSet(line, "the file would not mean exactly what was asked for")


def _as_name(part: object) -> str | None:
    return part if isinstance(part, str) else None

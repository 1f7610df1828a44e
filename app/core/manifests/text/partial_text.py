"""Sets a part of a scalar's text that a declared pattern picks out, where its bytes are its text."""

import re
from collections.abc import Iterator, Sequence

from app.core.manifests.text.excerpts import NoExcerpt, find_excerpt
from app.core.manifests.text.parsing import Text
from app.core.manifests.text.scalars import BLOCK_STYLES, Outline, Scalar
from app.core.manifests.text.setting import CannotSet, Edit, string_at
from app.core.policies.patterns import Pattern
from app.core.policies.spec import InvalidPolicy

_HEADER = re.compile(r"[|>][-+0-9]*[^\r\n]*(\r\n|\n)")
_LINE = re.compile(r"([^\r\n]*)(?:\r\n|\n|\Z)")


def has_excerpt(pattern: str, value: str) -> bool:
    """Whether a pattern is found in a value; also where it cannot be used at all, which `excerpt_of` tells."""
    try:
        return Pattern.compile(pattern).search(value) is not None
    except InvalidPolicy:
        return True


def excerpt_of(text: Text, scalar: Scalar, pattern: str) -> tuple[int, int]:
    """Where in a file, in characters, what a pattern's group matches in a scalar's value stands. Raises NoExcerpt."""
    if not scalar.is_text:
        raise NoExcerpt("its value is not a string: put quotes around it")
    value = scalar.value.encode()
    first, last = (len(value[:position].decode()) for position in find_excerpt(pattern, value))
    if "\n" in scalar.value[first:last]:
        raise NoExcerpt(f"the group of the pattern {pattern!r} matches more than one line")
    for value_start, file_start, line in _verbatim_lines(text, scalar):
        if value_start <= first and last <= value_start + len(line):
            return file_start + first - value_start, file_start + last - value_start
    raise NoExcerpt("what the pattern matches is not written in one piece")


def edit_excerpts(text: Text, before: Outline, scalar: Scalar, changes: Sequence[tuple[int, int, str]]) -> Edit:
    """The edit that puts new texts in place of stretches of a scalar, which `excerpt_of` gave. Raises CannotSet."""
    written, value = "", scalar.value
    done = scalar.end
    shifts = {file_start: value_start - file_start for value_start, file_start, _ in _verbatim_lines(text, scalar)}
    for start, end, new in sorted(changes, reverse=True):
        if end > done:
            raise CannotSet(text.line_of(start), "two fields that were declared overlap there")
        if not new or not new.isprintable():
            raise CannotSet(text.line_of(start), f"{new[:80]!r} is not one line of printable text")
        shift = shifts[max(line for line in shifts if line <= start)]
        written = new + text.characters[end:done] + written
        value = value[: start + shift] + new + value[end + shift :]
        done = start
    written = text.characters[scalar.start : done] + written
    return Edit(scalar.start, scalar.end, written, scalar.event, (string_at(before, scalar, value),))


def _verbatim_lines(text: Text, scalar: Scalar) -> list[tuple[int, int, str]]:
    """The lines of a scalar as (where in its value, where in the file, text). Raises NoExcerpt where they differ."""
    if scalar.style in BLOCK_STYLES:
        lines = list(_block_lines(text, scalar))
    else:
        edge = len(scalar.style)
        lines = [(0, scalar.start + edge, text.characters[scalar.start + edge : scalar.end - edge])]
    written = "\n".join(line for _, _, line in lines)
    if not scalar.value.startswith(written) or scalar.value[len(written) :].strip("\n"):
        why = "folded lines" if scalar.style != "|" else "unusual line ends"
        raise NoExcerpt(f"its value is not what is written, because of escapes or {why}")
    return lines


def _block_lines(text: Text, scalar: Scalar) -> Iterator[tuple[int, int, str]]:
    header = _HEADER.match(text.characters, scalar.start, scalar.end)
    if header is None:
        return
    found = _LINE.finditer(text.characters, header.end(), scalar.end)
    contents = [one for one in found if one.start() < scalar.end]
    indent = next((_blanks(one[1]) for one in contents if one[1].strip()), 0)
    indent -= next((_blanks(line) for line in scalar.value.split("\n") if line.strip()), 0)
    position = 0
    for one in contents:
        line = one[1][indent:]
        yield position, min(one.start() + indent, one.end(1)), line
        position += len(line) + 1


def _blanks(line: str) -> int:
    return len(line) - len(line.lstrip(" "))

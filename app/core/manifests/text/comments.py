"""The comments of a file and the scalar that each belongs to, as Flux sees it.

Source: which comments count was read off Flux's own parser (go.yaml.in/yaml v3 through kyaml), position by position.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.core.manifests.text.scalars import BLOCK_STYLES, Place, Scalar

# Tags and directives may hold a `#` that starts no comment.
_OUTSIDE_SCALARS = re.compile(r"![^\s,\[\]{}]*|^%[^\r\n]*|(#[^\r\n\x85\u2028\u2029]*)", re.MULTILINE)
_BLOCK_HEADER = re.compile(r"[|>][-+0-9]*[ \t]*(#[^\r\n\x85\u2028\u2029]*)?")
_AFTER_BLOCK_VALUE = re.compile(r"[ \t]*")
_AFTER_FLOW_VALUE = re.compile(r"[ \t]*(?:\s*,[ \t]*)?")
_TO_FIRST_ITEM = re.compile(r"\s*-\s+")
_TO_VALUE = re.compile(r"\s*|\r?\n[ \t]*:\s+")
_NEXT_LINE = re.compile(r"\r?\n[ \t]*")
_TO_BLOCK_ITEM = re.compile(r"\r?\n[ \t]*-\s+")
_BLANK = re.compile(r"[ \t]*")
_DASHES = re.compile(r"[ \t]*(?:-[ \t]+)+")


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment from its `#` to the end of its line; positions count characters."""

    start: int
    end: int
    text: str


def find_comments(characters: str, scalars: Sequence[Scalar]) -> tuple[Comment, ...]:
    """Every comment of a file, in order. What stands inside of scalars is none."""
    return tuple(Comment(start, end, characters[start:end]) for start, end in _spans(characters, scalars))


def gaps(characters: str, scalars: Sequence[Scalar]) -> Iterator[tuple[int, int]]:
    """The stretches of a text between its scalars; anchors and tags of a scalar lie in the one before it."""
    done = 0
    for scalar in scalars:
        yield done, scalar.start
        done = scalar.end
    yield done, len(characters)


def _spans(characters: str, scalars: Sequence[Scalar]) -> Iterator[tuple[int, int]]:
    for index, (start, end) in enumerate(gaps(characters, scalars)):
        if index and scalars[index - 1].style in BLOCK_STYLES:
            header = _BLOCK_HEADER.match(characters, scalars[index - 1].start)
            if header and header.group(1):
                yield header.span(1)
        for found in _OUTSIDE_SCALARS.finditer(characters, start, end):
            if found.group(1):
                yield found.span(1)


def attach(characters: str, scalars: Sequence[Scalar], comments: Sequence[Comment]) -> dict[Comment, Scalar]:
    """Give each comment that belongs to a mapping's value or a list's item to that scalar.

    A scalar has the comment of its own line, else, in a list, the single comment line directly above it, else the
    single comment line between a key and its value.
    """
    owners: dict[Comment, Scalar] = {}
    by_event: dict[int, list[Comment]] = {}
    ends = [scalar.end for scalar in scalars]
    for comment in comments:
        owner = _scalar_of_line(characters, scalars, ends, comment)
        if owner is not None and owner.place in (Place.VALUE, Place.ITEM):
            by_event.setdefault(owner.event, []).append(comment)
            owners[comment] = owner
    starts = [comment.start for comment in comments]
    for previous, scalar in zip([None, *scalars], scalars, strict=False):
        own = by_event.get(scalar.event, [])
        if len(own) > 1:
            for comment in own:
                del owners[comment]
        if not own and scalar.place in (Place.VALUE, Place.ITEM):
            before = comments[
                bisect_left(starts, previous.end) if previous else 0 : bisect_left(starts, scalar.outer_start)
            ]
            above = _above(
                characters, before, scalar, is_behind_key=previous is not None and previous.place is Place.KEY
            )
            if above is not None and above not in owners:
                owners[above] = scalar
    return owners


def _scalar_of_line(characters: str, scalars: Sequence[Scalar], ends: Sequence[int], comment: Comment) -> Scalar | None:
    index = bisect_left(ends, comment.start + 1)
    if index < len(scalars) and scalars[index].outer_start < comment.start:
        return scalars[index]
    if index == 0:
        return None
    scalar = scalars[index - 1]
    between = _AFTER_FLOW_VALUE if scalar.is_flow else _AFTER_BLOCK_VALUE
    if scalar.style not in BLOCK_STYLES and between.fullmatch(characters, scalar.end, comment.start):
        return scalar
    return None


def _above(characters: str, before: Sequence[Comment], scalar: Scalar, *, is_behind_key: bool) -> Comment | None:
    """The comment above a scalar that has none on its line, if it is that scalar's; `before` are those in the gap."""
    is_item = scalar.place is Place.ITEM
    if is_behind_key and not (is_item and scalar.is_flow):
        alone = [comment for comment in before if _stands_alone(characters, comment)]
        way = _TO_FIRST_ITEM if is_item else _TO_VALUE
        if len(alone) == 1 and way.fullmatch(characters, alone[0].end, scalar.outer_start):
            return alone[0]
        if alone:
            return None
    return _above_item(characters, before, scalar) if is_item else None


def _above_item(characters: str, before: Sequence[Comment], scalar: Scalar) -> Comment | None:
    """The comment on the line directly above an item, or on the line of its dash where the item is on the next."""
    if not before:
        return None
    comment = before[-1]
    if not scalar.is_flow and _TO_BLOCK_ITEM.fullmatch(characters, comment.end, scalar.outer_start):
        stands_right = _stands_alone(characters, comment)
    elif _NEXT_LINE.fullmatch(characters, comment.end, scalar.outer_start):
        wanted = _BLANK if scalar.is_flow else _DASHES
        stands_right = wanted.fullmatch(characters, _line_start(characters, comment.start), comment.start) is not None
    else:
        return None
    return None if not stands_right or _continues(characters, before) else comment


def _continues(characters: str, before: Sequence[Comment]) -> bool:
    """Whether the line above is a comment line too: the two are one comment of two lines then."""
    if len(before) < 2:
        return False
    previous, comment = before[-2:]
    is_next_line = _NEXT_LINE.fullmatch(characters, previous.end, comment.start) is not None
    return is_next_line and _stands_alone(characters, previous)


def _stands_alone(characters: str, comment: Comment) -> bool:
    return _BLANK.fullmatch(characters, _line_start(characters, comment.start), comment.start) is not None


def _line_start(characters: str, position: int) -> int:
    return characters.rfind("\n", 0, position) + 1

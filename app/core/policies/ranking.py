"""From tags with values to a ranking: ties, tags that share a key, and keys that no order knows."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress, count, islice
from math import isnan
from operator import eq

from app.core.policies.placing import Placed, Value
from app.core.policies.verdicts import VerdictKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """The tags that can be chosen, best first, one for each key.

    `is_tie` tells that keys were filtered out of tags and the first is no better than another. `is_unordered` tells
    that a key is NaN, so that the order of Flux's list decides about all. `spoiler` is a tag that makes the whole
    policy fail, whatever else is in the list.
    """

    tags: tuple[str, ...] = ()
    is_tie: bool = False
    is_unordered: bool = False
    spoiler: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Direction:
    """Which way a ranking goes.

    Flux lists tags in descending byte order. Keys that a filter takes out of them (`is_filtered`) it lists at random,
    and we in ascending order. Of equal values the first of the list is best, with `is_last_first` the last.
    """

    is_largest_first: bool
    is_last_first: bool
    is_filtered: bool

    @property
    def is_highest_key_first(self) -> bool:
        """Tell whether of equal values the one with the last key in byte order is best."""
        return self.is_filtered == self.is_last_first


def rank(placed: Placed, direction: Direction) -> Ranking:
    """Rank the tags that have a value. Of the tags that share a key the first in byte order stands for all."""
    spoilers = [tag for tag, verdict in placed.refused.items() if verdict.kind is VerdictKind.NOT_A_NUMBER]
    if spoilers:
        return Ranking(spoiler=_first_listed(spoilers, placed, direction))
    values = [placed.values[tag] for tag in placed.order]
    if isinstance(next(iter(values), None), float) and any(map(_is_nan, values)):
        return _rank_unordered(placed, direction)
    ranked: list[str] = []
    is_tie = False
    done = 0
    for start, end in _equal_runs(values):
        best = _one_for_each_key(placed.order[start:end], placed, is_descending=direction.is_highest_key_first)
        is_tie = is_tie or (direction.is_filtered and start == 0 and len(best) > 1)
        ranked += placed.order[done:start]
        ranked += best
        done = end
    return Ranking(tags=(*ranked, *placed.order[done:]), is_tie=is_tie)


def _equal_runs(values: Sequence[Value]) -> Iterator[tuple[int, int]]:
    """Where neighbours are equal: from the first of each run to behind its last."""
    start = end = 0
    for position in compress(count(), map(eq, values, islice(values, 1, None))):
        if position >= end:
            if end:
                yield start, end
            start = position
        end = position + 2
    if end:
        yield start, end


def _rank_unordered(placed: Placed, direction: Direction) -> Ranking:
    """Rank where a NaN is neither less nor greater than anything.

    Where Flux meets one in its list it forgets what it had, and at the next key it forgets the NaN.
    """
    listed = _one_for_each_key(placed.order, placed, is_descending=not direction.is_filtered)
    runs: list[list[str]] = [[]]
    for tag in listed:
        if _is_nan(placed.values[tag]):
            runs.append([])
        runs[-1].append(tag)
    ranked = [tag for run in reversed(runs) for tag in _rank_run(run, placed, direction)]
    return Ranking(tags=tuple(ranked), is_tie=direction.is_filtered and len(ranked) > 1, is_unordered=True)


def _rank_run(run: list[str], placed: Placed, direction: Direction) -> list[str]:
    """Order the tags from one NaN to the next; the NaN that opens the run comes last."""
    opening = [tag for tag in run[:1] if _is_nan(placed.values[tag])]
    numbers = run[len(opening) :]
    if direction.is_last_first:
        numbers.reverse()
    numbers.sort(key=placed.values.__getitem__, reverse=direction.is_largest_first)
    return numbers + opening


def _one_for_each_key(tags: Iterable[str], placed: Placed, *, is_descending: bool) -> list[str]:
    tag_of: dict[str, str] = {}
    for tag in tags:
        key = placed.key(tag)
        other = tag_of.get(key)
        tag_of[key] = tag if other is None else min(tag, other)
    return [tag_of[key] for key in sorted(tag_of, reverse=is_descending)]


def _first_listed(tags: Sequence[str], placed: Placed, direction: Direction) -> str:
    return min(tags, key=lambda tag: (placed.key(tag), tag)) if direction.is_filtered else max(tags)


def _is_nan(value: Value) -> bool:
    return isinstance(value, float) and isnan(value)

"""What a policy makes of its tags one by one, kept so that the next evaluation reads only those that are new."""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Self

from app.core.policies.verdicts import TagVerdict
from app.core.policies.versions import VersionKey

# A long prerelease takes some 40 bytes a character when it is parsed, so the worst that is kept are 200 MB.
_MOST_REMEMBERED_TAGS = 200_000
_MOST_REMEMBERED_CHARACTERS = 5_000_000

Value = VersionKey | float | str
"""What a policy compares: all values of one policy are of one type."""

Reading = tuple[str | None, Value | TagVerdict]
"""What a filter took out of a tag, None without a filter or a match; and the tag's value, or why it has none."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Each tag's value or the verdict that keeps it out; nobody changes the mappings once they are here.

    `order` has the tags that have a value, those of the best value first, those of equal values in any order. It means
    nothing where a value is NaN.
    """

    tags: AbstractSet[str] = frozenset()
    keys: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Value] = field(default_factory=dict)
    refused: Mapping[str, TagVerdict] = field(default_factory=dict)
    order: Sequence[str] = ()

    def key(self, tag: str) -> str:
        """The key of a tag that has a value."""
        return self.keys.get(tag, tag)

    def without(self, gone: AbstractSet[str]) -> Self:
        """The same without some tags."""
        return type(self)(
            self.tags - gone,
            {tag: key for tag, key in self.keys.items() if tag not in gone},
            {tag: value for tag, value in self.values.items() if tag not in gone},
            {tag: verdict for tag, verdict in self.refused.items() if tag not in gone},
            [tag for tag in self.order if tag not in gone],
        )


@dataclass(slots=True)
class Memory:
    """What a policy was shown last. Threads may share it: it is only ever replaced as a whole."""

    placed: Placed = field(default_factory=Placed)

    def keep(self, placed: Placed) -> None:
        """Remember tags for the next time, unless they are too much to hold on to."""
        if len(placed.tags) > _MOST_REMEMBERED_TAGS:
            return
        if sum(map(len, placed.tags)) + sum(map(len, placed.keys.values())) <= _MOST_REMEMBERED_CHARACTERS:
            self.placed = placed


def place(tags: AbstractSet[str], read: Callable[[str], Reading], *, before: Placed, is_largest_first: bool) -> Placed:
    """Read those of the tags that were not there before, and put all in order."""
    new, gone = tags - before.tags, before.tags - tags
    if not new and not gone:
        return before
    kept = before.without(gone) if gone else before
    keys, refused = dict(kept.keys), dict(kept.refused)
    found: dict[str, Value] = {}
    for tag in new:
        key, value = read(tag)
        if key is not None:
            keys[tag] = key
        if isinstance(value, TagVerdict):
            refused[tag] = value
        else:
            found[tag] = value
    values = {**kept.values, **found}
    # What was in order stays a run, which the sort only merges with the rest.
    order = [*kept.order, *found]
    order.sort(key=values.__getitem__, reverse=is_largest_first)
    return Placed(tags, keys, values, refused, order)

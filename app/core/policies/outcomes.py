"""Why each tag was chosen or not, worked out for those that somebody asks about."""

from collections.abc import Iterator, Mapping
from functools import cached_property

from app.core.policies.placing import Placed
from app.core.policies.verdicts import TagVerdict, VerdictKind, quoted


class Verdicts(Mapping[str, TagVerdict]):
    """One verdict for each tag that a policy was shown."""

    def __init__(self, placed: Placed, *, chosen: str | None, superlative: str, lost: str) -> None:
        """`lost` is what those hear that had a place in the order and were not chosen."""
        self._placed = placed
        self._chosen = chosen
        self._superlative = superlative
        self._lost = TagVerdict(VerdictKind.LOST, lost)

    def __getitem__(self, tag: str) -> TagVerdict:
        if tag == self._chosen:
            return TagVerdict(VerdictKind.CHOSEN, self._superlative)
        key = self._placed.keys.get(tag)
        if key is not None and (first := self._tag_of_key[key]) != tag:
            reason = f"has the same key {quoted(key)} as {quoted(first)}, which is before it in byte order"
            return TagVerdict(VerdictKind.SAME_KEY, reason)
        if tag in self._placed.values:
            return self._lost
        return self._placed.refused[tag]

    def __contains__(self, tag: object) -> bool:
        return tag in self._placed.tags

    def __iter__(self) -> Iterator[str]:
        return iter(self._placed.tags)

    def __len__(self) -> int:
        return len(self._placed.tags)

    @cached_property
    def _tag_of_key(self) -> Mapping[str, str]:
        tag_of: dict[str, str] = {}
        for tag, key in self._placed.keys.items():
            tag_of[key] = min(tag, tag_of.get(key, tag))
        return tag_of

"""Which tag a policy chooses among those that are known, and what became of each of the others."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Self, assert_never

from app.core.images import version_of_tag
from app.core.policies.alphabetical import AlphabeticalOrder
from app.core.policies.filters import Exclusions, KeyFilter
from app.core.policies.numerical import NumericalOrder
from app.core.policies.orders import is_descending
from app.core.policies.outcomes import Verdicts
from app.core.policies.placing import Memory, Placed, Reading, place
from app.core.policies.ranking import Direction, Ranking, rank
from app.core.policies.semver_ranges import SemVerOrder
from app.core.policies.spec import Alphabetical, Choice, InvalidPolicy, Numerical, PolicySpec, SemVer
from app.core.policies.verdicts import TagVerdict, VerdictKind, quoted

__all__ = [
    "CompiledPolicy",
    "InvalidPolicy",
    "Selection",
    "SelectionError",
    "TagVerdict",
    "VerdictKind",
    "compile_policy",
]

Order = SemVerOrder | AlphabeticalOrder | NumericalOrder


class SelectionError(StrEnum):
    """Why a policy chooses nothing among the tags it was shown."""

    NO_MATCH = "no-match"
    INVALID_TAG = "invalid-tag"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What a policy chose among the tags it was shown, and what became of each of the others.

    `ranked` has every tag that could have been chosen, best first, one for each key. `is_tie` tells that Flux itself
    would choose at random here, for with filterTags it walks the keys in no order; `tag` is then what it chooses where
    it happens to walk them in ascending byte order. `is_whole` is false where only the chosen tag was looked at:
    `ranked` and `verdicts` then have no other.
    """

    tag: str | None
    ranked: tuple[str, ...]
    verdicts: Mapping[str, TagVerdict]
    is_tie: bool
    error: SelectionError | None
    message: str
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    """A policy that can be asked again and again."""

    exclusions: Exclusions
    key_filter: KeyFilter | None
    order: Order
    is_chart: bool = False
    memory: Memory = field(default_factory=Memory, compare=False, repr=False)

    def select(self, tags: Iterable[str]) -> Selection:
        """Choose among tags; their order and repetition do not matter. Source: image-reflector-controller v1.2.

        Tags that the policy saw the last time too cost little, so keep a policy that is asked again.
        """
        placed, ranking = self.evaluate(tags)
        if ranking.spoiler is not None:
            return _spoiled(ranking.spoiler, placed, self.order)
        if not ranking.tags:
            return _nothing(placed, self.order)
        return _chosen(ranking, placed, self.order)

    def evaluate(self, tags: Iterable[str]) -> tuple[Placed, Ranking]:
        """The same without words: what each tag is to the policy, and the ranking."""
        direction = self.direction
        known = frozenset(tags)
        before = self.memory.placed
        placed = place(known, self.read, before=before, is_largest_first=direction.is_largest_first)
        if placed is not before:
            self.memory.keep(placed)
        return placed, rank(placed, direction)

    def read(self, tag: str) -> Reading:
        """What a tag is to the policy, whatever other tags there are."""
        text = version_of_tag(tag) if self.is_chart else tag
        exclusion = self.exclusions.verdict_on(text)
        if exclusion is not None:
            return None, exclusion
        if self.key_filter is None:
            return None, self.order.value(text)
        key = self.key_filter.key(text)
        return (None, _NOT_MATCHED) if key is None else (key, self.order.value(key))

    @property
    def direction(self) -> Direction:
        """Which way the policy ranks."""
        return Direction(
            is_largest_first=self.order.is_largest_first,
            is_last_first=self.order.is_last_first,
            is_filtered=self.key_filter is not None,
        )

    def compare(self, left: str, right: str) -> int | None:
        """Above 0 where the policy prefers `left`, below 0 for `right`, 0 where they are equal to it.

        None where either tag has no place in the policy's order: excluded, filtered out, not a version, outside the
        range, not a number. Two tags with equal keys are equal, so 0 says nothing about which would be chosen.
        """
        left_key, right_key = self._key(left), self._key(right)
        if left_key is None or right_key is None:
            return None
        return self.order.compare(left_key, right_key)

    def precedence(self, left: str, right: str) -> int | None:
        """As `compare`, also for versions that the policy's range or exclusions keep out: which way a move goes."""
        left_key, right_key = self._read_key(left), self._read_key(right)
        if left_key is None or right_key is None:
            return None
        if isinstance(self.order, SemVerOrder):
            return self.order.precedence(left_key, right_key)
        return self.order.compare(left_key, right_key)

    def decoding(self) -> Self:
        """The same order for tags that fields name as versions of a chart, as `1.1.0+up2` names `1.1.0_up2`."""
        return replace(self, is_chart=True)

    def _key(self, tag: str) -> str | None:
        text = version_of_tag(tag) if self.is_chart else tag
        return None if self.exclusions.verdict_on(text) is not None else self._read_key(tag)

    def _read_key(self, tag: str) -> str | None:
        text = version_of_tag(tag) if self.is_chart else tag
        return text if self.key_filter is None else self.key_filter.key(text)


def compile_policy(spec: PolicySpec) -> CompiledPolicy:
    """Make a policy ready to choose. Raises InvalidPolicy, where Flux stalls, for a bad range, order or pattern.

    >>> policy = compile_policy(PolicySpec(SemVer("^1.2")))
    >>> policy.select(["1.2.0", "1.10.0", "2.0.0", "1.11.0-rc.1"]).tag
    '1.10.0'
    >>> policy.compare("1.2.0", "1.10.0"), policy.compare("1.2.0", "2.0.0")
    (-1, None)
    """
    return CompiledPolicy(
        exclusions=Exclusions.compile(spec.exclusion_list),
        key_filter=None if spec.filter is None else KeyFilter.compile(spec.filter),
        order=_order(spec.choice),
        is_chart=spec.is_chart,
    )


_NOT_MATCHED = TagVerdict(VerdictKind.NOT_MATCHED, "does not match the pattern of filterTags")


def _order(choice: Choice) -> Order:
    match choice:
        case SemVer(text):
            return SemVerOrder.parse(text)
        case Alphabetical(order):
            return AlphabeticalOrder(is_descending(order))
        case Numerical(order):
            return NumericalOrder(is_descending(order))
        case _:
            assert_never(choice)


def _chosen(ranking: Ranking, placed: Placed, order: Order) -> Selection:
    tag, count = ranking.tags[0], len(ranking.tags)
    among = f" of {count} eligible tags" if count > 1 else ", the only eligible tag"
    return Selection(
        tag=tag,
        ranked=ranking.tags,
        verdicts=Verdicts(placed, chosen=tag, superlative=order.superlative, lost=f"lost to {quoted(tag)}"),
        is_tie=ranking.is_tie,
        error=None,
        message=f"{quoted(tag)} is {order.superlative}{among}",
    )


def _nothing(placed: Placed, order: Order) -> Selection:
    verdicts = Verdicts(placed, chosen=None, superlative=order.superlative, lost="")
    counts = Counter(verdict.kind for verdict in verdicts.values())
    found = ", ".join(f"{counts[kind]} {kind.value.replace('_', ' ')}" for kind in VerdictKind if counts[kind])
    return Selection(
        tag=None,
        ranked=(),
        verdicts=verdicts,
        is_tie=False,
        error=SelectionError.NO_MATCH,
        message=f"no tag is eligible: {found}" if found else "no tag is known",
    )


def _spoiled(culprit: str, placed: Placed, order: Order) -> Selection:
    reason = f"not chosen, because the key {quoted(placed.key(culprit))} of {quoted(culprit)} is no number"
    return Selection(
        tag=None,
        ranked=(),
        verdicts=Verdicts(placed, chosen=None, superlative=order.superlative, lost=reason),
        is_tie=False,
        error=SelectionError.INVALID_TAG,
        message=f"tag {quoted(culprit)}: {placed.refused[culprit].reason}",
    )

"""What answers of a registry come to for one tag, in whatever order they arrive: the one asked last counts."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TagPresence:
    """What is known of one tag: who told of it, what the registry showed, and when it was asked each time.

    `told_at` is the receipt of the newest hint that it was pushed. `asked_at` is when the newest answer that counts
    was asked for: with `is_deleted` that it is not there, else that it is. `digest` is of the answer that was asked for
    at `digest_at`, and a hint while that is None. `refuted_at` is when a tag that the registry never showed was asked
    for in vain. `missed_at` and `missed_before_at` are the two newest lists without it since it was seen last.

    >>> from datetime import UTC
    >>> early, late = datetime(2026, 11, 30, 10, tzinfo=UTC), datetime(2026, 11, 30, 11, tzinfo=UTC)
    >>> TagPresence().shown(late).absent(early, is_deletion=True).is_gone
    False
    """

    told_at: datetime | None = None
    asked_at: datetime | None = None
    is_deleted: bool = False
    digest: str | None = None
    digest_at: datetime | None = None
    refuted_at: datetime | None = None
    missed_at: datetime | None = None
    missed_before_at: datetime | None = None

    @property
    def is_shown(self) -> bool:
        """Whether the registry has shown it, and did not deny it since."""
        return self.asked_at is not None and not self.is_deleted

    @property
    def is_unlisted(self) -> bool:
        """Whether two lists in a row lack it."""
        return self.missed_before_at is not None

    @property
    def is_denied(self) -> bool:
        """Whether its manifest, asked for after all that was told of it, is not there."""
        denied_at = max(filter(None, [self.refuted_at, self._deleted_at]), default=None)
        return not self.is_shown and denied_at is not None and not _is_before(denied_at, self.told_at)

    @property
    def is_proven_gone(self) -> bool:
        """Whether that counts against a tag in Git too: a deletion was told, or two lists lack it, besides."""
        return self.is_denied and (self.is_deleted or self.is_unlisted)

    @property
    def is_gone(self) -> bool:
        """Whether it is no candidate any more."""
        return self.is_denied or self.is_unlisted

    @property
    def _deleted_at(self) -> datetime | None:
        return self.asked_at if self.is_deleted else None

    def told(self, at: datetime) -> "TagPresence":
        """It was told that it was pushed: what lists of before lack says nothing of it."""
        later = self if not _is_before(self.told_at, at) else replace(self, told_at=at)
        return _without_misses(later, lambda missed: missed < at)

    def shown(self, asked_at: datetime) -> "TagPresence":
        """The registry has it, by a list or by its manifest."""
        if _is_before(asked_at, self.asked_at):
            return self
        seen = replace(self, asked_at=asked_at, is_deleted=False)
        return _without_misses(seen, lambda missed: missed <= asked_at)

    def names(self, digest: str, asked_at: datetime) -> "TagPresence":
        """Its manifest is there and has this digest."""
        seen = self.shown(asked_at)
        return seen if _is_before(asked_at, self.digest_at) else replace(seen, digest=digest, digest_at=asked_at)

    def absent(self, asked_at: datetime, *, is_deletion: bool, listed_at: datetime | None = None) -> "TagPresence":
        """Its manifest is not there.

        Where nothing tells of a deletion, a tag that the registry has shown before stays: one answer is none.
        `listed_at` is when the list that stands was asked for.
        """
        if not is_deletion:
            return self if _is_before(asked_at, self.refuted_at) else replace(self, refuted_at=asked_at)
        if _is_before(asked_at, self.asked_at) or self._is_listed_since(asked_at, listed_at):
            return self
        return replace(self, asked_at=asked_at, is_deleted=True)

    def missed(self, asked_at: datetime, *, listed_at: datetime | None = None) -> "TagPresence":
        """A whole list lacks it."""
        is_older = _is_before(asked_at, self.told_at) or (self.is_shown and _is_before(asked_at, self.asked_at))
        if is_older or self._is_listed_since(asked_at, listed_at):
            return self
        if not _is_before(asked_at, self.missed_at):
            return replace(self, missed_at=asked_at, missed_before_at=self.missed_at)
        if not _is_before(asked_at, self.missed_before_at):
            return replace(self, missed_before_at=asked_at)
        return self

    def _is_listed_since(self, asked_at: datetime, listed_at: datetime | None) -> bool:
        """Whether a later list has shown it: what a list shows as it was is not written down tag by tag."""
        return self.is_shown and self.missed_at is None and _is_before(asked_at, listed_at)


def _without_misses(seen: TagPresence, is_overtaken: Callable[[datetime], bool]) -> TagPresence:
    left = [one for one in (seen.missed_at, seen.missed_before_at) if one is not None and not is_overtaken(one)]
    newest, before, *_ = [*left, None, None]
    return replace(seen, missed_at=newest, missed_before_at=before)


def _is_before(one: datetime | None, other: datetime | None) -> bool:
    """Whether one time is known to be before another; None is before all."""
    return other is not None and (one is None or one < other)

"""Whose clock counts: no time that a sender names counts beyond the moment at which we heard of it."""

from dataclasses import replace
from datetime import datetime
from typing import TypeVar, assert_never

from app.core.facts import (
    BranchMoved,
    BuildFinished,
    BuildMentioned,
    Fact,
    ImagePushed,
    PullRequestChanged,
    RevisionApplied,
    RevisionUnderway,
    TagDeleted,
)

AnyFact = TypeVar("AnyFact", bound=Fact)
Told = TypeVar("Told", datetime, datetime | None)


def bounded(at: Told, received_at: datetime) -> Told:
    """A time that a sender named, no later than its receipt."""
    return at if at is None else min(at, received_at)


def no_later_than(received_at: datetime, fact: AnyFact) -> AnyFact:
    """A fact whose times can be so. Flux's are bounded where its revisions are compared.

    A build's start beyond the receipt is none: it tells one run from another, and one that is moved to the receipt
    would be another with each repeat of the report.
    """
    match fact:
        case BuildFinished():
            is_possible = fact.started_at is not None and fact.started_at <= received_at
            started_at = fact.started_at if is_possible else None
            return replace(fact, started_at=started_at, finished_at=bounded(fact.finished_at, received_at))
        case ImagePushed() | TagDeleted():
            return replace(fact, at=bounded(fact.at, received_at))
        case BranchMoved() | BuildMentioned() | PullRequestChanged() | RevisionApplied() | RevisionUnderway():
            return fact
        case _:
            assert_never(fact)

"""Invariants: what holds of the rows of a healthy database, looked at a stretch of a table at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Table,
    and_,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
)

from app.core.ports import PullRequestState
from app.db.applications import applications
from app.db.builds import artifacts, builds
from app.db.catalogue import pushes, repositories
from app.db.deliveries import LONGEST_DELAY, DeliveryState, deliveries
from app.db.lanes import RETIRED, lanes
from app.db.outbox import outbox
from app.db.policies import policies
from app.db.promotion_events import promotion_events
from app.db.promotions import PromotionState, promotions
from app.db.pull_requests import pull_requests
from app.db.pushed_heads import pushed_heads
from app.db.selections import selections
from app.db.tables import Instant

STRETCH = 500
_OPEN = (PromotionState.WAITING, PromotionState.PROPOSED)
_SLACK = timedelta(minutes=1)

Key = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Moment:
    """What the laws are measured by: the time, and how long a lease may last."""

    now: datetime
    lease: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """One thing that no row may be; `remedy` says what to do about one that is."""

    name: str
    is_broken: Callable[[Moment], ColumnElement[bool]]
    what: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A table with its laws; it is gone through in the order of its keys."""

    called: str
    table: Table
    keys: tuple[Column[str] | Column[int], ...]
    laws: tuple[Law, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One row for which a law does not hold."""

    law: str
    row: str
    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Looked:
    """What a stretch showed; `end` is the key to go on after, None at the end of the table."""

    violations: Sequence[Violation]
    end: Key | None


def is_stranded(now: datetime) -> ColumnElement[bool]:
    """A delivery that waits for what will not come."""
    is_late = or_(
        deliveries.c.due_at > literal(now + LONGEST_DELAY + _SLACK, Instant), deliveries.c.dropped_at.is_not(None)
    )
    return and_(deliveries.c.state == DeliveryState.WAITING, is_late)


def is_forgotten() -> ColumnElement[bool]:
    """A lane of which something is wanted and that nobody will run; one that is no longer configured is none."""
    is_wanted = or_(lanes.c.last_run_at.is_(None), lanes.c.next_look_at.is_not(None))
    is_idle = and_(lanes.c.due_at.is_(None), lanes.c.owner.is_(None))
    return and_(is_idle, is_wanted, func.coalesce(lanes.c.last_error, "") != RETIRED)


def look(connection: Connection, watched: Watched, after: Key | None, moment: Moment) -> Looked:
    """Look at one stretch of a table: at most STRETCH rows."""
    keys = watched.keys
    is_later = tuple_(*keys) > tuple_(*map(literal, after)) if after is not None else literal(value=True)
    last = select(*keys).where(is_later).order_by(*keys).offset(STRETCH - 1).limit(1)
    bound = connection.execute(last).mappings().one_or_none()
    end: Key | None = tuple(bound[key.name] for key in keys) if bound is not None else None
    is_here = is_later if end is None else and_(is_later, tuple_(*keys) <= tuple_(*map(literal, end)))
    broken = [law.is_broken(moment) for law in watched.laws]
    wanted = select(*keys, *(one.label(f"law_{number}") for number, one in enumerate(broken)))
    rows = connection.execute(wanted.where(is_here, or_(*broken)).order_by(*keys)).all()
    violations = [
        Violation(law=law.name, row=f"{watched.called} {_told(row[: len(keys)])}", what=law.what, remedy=law.remedy)
        for row in rows
        for number, law in enumerate(watched.laws)
        if row[len(keys) + number]
    ]
    return Looked(violations, end)


def _told(key: Sequence[object]) -> str:
    return " ".join(map(str, key))


def _earlier(table: Table, *same: str, where: Callable[[FromClause], ColumnElement[bool]] | None = None) -> Law:
    """No two rows of a table have these in common."""
    twin = table.alias()
    [key] = [column.name for column in table.primary_key if column.name not in same]
    is_same = and_(*(twin.c[name] == table.c[name] for name in same), twin.c[key] < table.c[key])
    if where is not None:
        is_same = and_(is_same, where(table), where(twin))
    return Law(
        name=f"one-of-{'-'.join(same)}",
        is_broken=lambda _: exists().where(is_same).correlate(table),
        what=f"another row has the same {', '.join(same)}",
        remedy="one of the two was written past the database's own constraint: restore the database from a copy",
    )


def _lease(table: Table) -> tuple[Law, ...]:
    return (
        Law(
            name="lease-has-an-owner",
            is_broken=lambda _: table.c.owner.is_(None) != table.c.lease_until.is_(None),
            what="it has an owner without a lease, or a lease without an owner",
            remedy="set owner and lease_until to NULL and raise fence by one; workers take it up again",
        ),
        Law(
            name="lease-ends",
            is_broken=lambda at: func.coalesce(
                table.c.lease_until > literal(at.now + 2 * at.lease + _SLACK, Instant), literal(value=False)
            ),
            what="its lease ends far later than work.lease_s allows",
            remedy="see that the clocks are right; set owner and lease_until to NULL and raise fence by one",
        ),
    )


_REPLAY = "interpret it again with `fluxbridge replay`"
_RUN = "raise it by a replayed delivery of that repo, or restart the server; tell the authors"

_DELIVERIES = Watched(
    called="delivery",
    table=deliveries,
    keys=(deliveries.c.id,),
    laws=(
        Law(
            name="ended-delivery-has-an-outcome",
            is_broken=lambda _: and_(
                deliveries.c.state != DeliveryState.WAITING,
                or_(deliveries.c.outcome.is_(None), deliveries.c.ended_at.is_(None), deliveries.c.owner.is_not(None)),
            ),
            what="it has ended, but without an outcome and a time, or somebody still holds it",
            remedy=_REPLAY,
        ),
        Law(
            name="waiting-delivery-is-due",
            is_broken=lambda at: is_stranded(at.now),
            what="it waits, but is due far later than any retry is put off, or its body was dropped",
            remedy=_REPLAY,
        ),
        Law(
            name="packed-body-is-there",
            is_broken=lambda _: and_(
                deliveries.c.unpacked_bytes.is_not(None),
                or_(func.length(deliveries.c.body) == 0, func.length(deliveries.c.body) >= deliveries.c.unpacked_bytes),
            ),
            what="its body is to be unpacked, but is empty or no smaller than what it is to become",
            remedy="take its body from a copy of the database from before, where it is still to be interpreted",
        ),
        Law(
            name="delivery-has-a-known-state",
            is_broken=lambda _: deliveries.c.state.not_in(list(DeliveryState)),
            what="its state is none that there is",
            remedy=_REPLAY,
        ),
        *_lease(deliveries),
    ),
)

_LANES = Watched(
    called="lane",
    table=lanes,
    keys=(lanes.c.key,),
    laws=(
        Law(
            name="wanted-lane-is-due",
            is_broken=lambda _: is_forgotten(),
            what="a run of it is wanted, but it is neither due nor running",
            remedy=_RUN,
        ),
        *_lease(lanes),
    ),
)

_TELLINGS = Watched(
    called="telling",
    table=outbox,
    keys=(outbox.c.id,),
    laws=(
        Law(
            name="telling-waits-or-has-ended",
            is_broken=lambda _: or_(
                outbox.c.due_at.is_(None) != outbox.c.ended_at.is_not(None),
                outbox.c.outcome.is_(None) != outbox.c.ended_at.is_(None),
            ),
            what="it neither waits to be sent nor has ended with an outcome, or both",
            remedy="set due_at to 0, and ended_at and outcome to NULL: it is sent again",
        ),
        *_lease(outbox),
    ),
)

_event = promotion_events.alias()
_last_state = (
    select(_event.c.what)
    .where(_event.c.promotion_id == promotions.c.id)
    .order_by(_event.c.seq.desc())
    .limit(1)
    .scalar_subquery()
)
_has_pull_request = exists().where(
    pull_requests.c.lane == promotions.c.lane, pull_requests.c.number == promotions.c.pull_request
)

_PROMOTIONS = Watched(
    called="promotion",
    table=promotions,
    keys=(promotions.c.id,),
    laws=(
        _earlier(
            promotions, "lane", "stage", "policy", "tag", where=lambda table: table.c.state.in_([str(s) for s in _OPEN])
        ),
        Law(
            name="proposed-promotion-has-a-pull-request",
            is_broken=lambda _: or_(
                and_(
                    promotions.c.state == PromotionState.PROPOSED,
                    or_(
                        promotions.c.pull_request.is_(None),
                        promotions.c.branch.is_(None),
                        promotions.c.head_sha.is_(None),
                    ),
                ),
                and_(promotions.c.pull_request.is_not(None), ~_has_pull_request),
            ),
            what="its pull request is not known",
            remedy="run its lane once more (replay a delivery of that repo): it finds the pull request by its branch",
        ),
        Law(
            name="promotion-is-as-its-last-event-says",
            is_broken=lambda _: func.coalesce(_last_state, "") != promotions.c.state,
            what="its state is not that of its last event: one of the two was changed by hand",
            remedy="compare it with a copy of the database from before",
        ),
    ),
)

_twin = pull_requests.alias()
_is_open = pull_requests.c.state == PullRequestState.OPEN

_PULL_REQUESTS = Watched(
    called="pull request",
    table=pull_requests,
    keys=(pull_requests.c.lane, pull_requests.c.number),
    laws=(
        Law(
            name="one-open-pull-request-a-branch",
            is_broken=lambda _: and_(
                _is_open,
                exists().where(
                    _twin.c.lane == pull_requests.c.lane,
                    _twin.c.branch == pull_requests.c.branch,
                    _twin.c.state == PullRequestState.OPEN,
                    _twin.c.number < pull_requests.c.number,
                ),
            ),
            what="another open one has the same branch",
            remedy="close the newer of the two on the forge",
        ),
        Law(
            name="open-pull-request-has-our-head",
            # "" until a run has adopted it; of the forge's own "update branch" merge only the branch is known.
            is_broken=lambda _: and_(
                _is_open,
                pull_requests.c.head_sha != "",
                ~exists().where(
                    pushed_heads.c.lane == pull_requests.c.lane,
                    or_(
                        pushed_heads.c.sha == pull_requests.c.head_sha, pushed_heads.c.branch == pull_requests.c.branch
                    ),
                ),
            ),
            what="its head is no commit that we wrote down before a push",
            remedy="close it on the forge and delete its branch; the next run proposes anew what is still wanted",
        ),
    ),
)

_BUILDS = Watched(
    called="build", table=builds, keys=(builds.c.id,), laws=(_earlier(builds, "controller", "job", "number", "run"),)
)

_PUSHES = Watched(called="push", table=pushes, keys=(pushes.c.id,), laws=(_earlier(pushes, "image", "tag", "digest"),))


def _known(column: Column[str], other: Column[str], thing: str, condition: ColumnElement[bool] | None = None) -> Law:
    is_unknown = and_(column.is_not(None), ~exists().where(other == column))
    return Law(
        name=f"{thing}-is-known",
        is_broken=lambda _: is_unknown if condition is None else and_(condition, is_unknown),
        what=f"its {thing} is not in the database",
        remedy="restore the database from a copy, or delete the row",
    )


_ARTIFACTS = Watched(
    called="artifact",
    table=artifacts,
    keys=(artifacts.c.id,),
    laws=(_known(artifacts.c.build_id, builds.c.id, "build"),),
)

_APPLICATIONS = Watched(
    called="application",
    table=applications,
    keys=(applications.c.id,),
    laws=(_known(applications.c.promotion_id, promotions.c.id, "promotion"),),
)

_POLICIES = Watched(
    called="policy",
    table=policies,
    keys=(policies.c.lane, policies.c.root, policies.c.namespace, policies.c.name),
    # One that selects nothing may name an image that nobody can list.
    laws=(_known(policies.c.repository, repositories.c.image, "image", policies.c.selected_tag.is_not(None)),),
)

_SELECTIONS = Watched(
    called="selection",
    table=selections,
    keys=(selections.c.image, selections.c.spec_hash),
    laws=(_known(selections.c.image, repositories.c.image, "image"),),
)

WATCHED = (
    _DELIVERIES,
    _LANES,
    _TELLINGS,
    _PROMOTIONS,
    _PULL_REQUESTS,
    _BUILDS,
    _ARTIFACTS,
    _PUSHES,
    _POLICIES,
    _SELECTIONS,
    _APPLICATIONS,
)

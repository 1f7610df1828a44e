"""What holds of the rows of every healthy database, whatever was killed when: an oracle for tests.

What a person has to mend is looked for by `fluxbridge check --database` itself.
"""

from collections.abc import Callable, Iterator, Sequence
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
    text,
)

from app.core.ports import PullRequestState
from app.db.applications import applications
from app.db.builds import artifacts, builds
from app.db.catalogue import repositories
from app.db.deliveries import DeliveryState, deliveries
from app.db.lanes import lanes
from app.db.outbox import outbox
from app.db.policies import policies
from app.db.promotions import PromotionState, promotions
from app.db.pull_requests import pull_requests
from app.db.pushed_heads import pushed_heads
from app.db.pushes import pushes
from app.db.selections import selections
from app.db.tables import Instant

_OPEN = (PromotionState.WAITING, PromotionState.PROPOSED)
_SLACK = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Moment:
    """What the laws are measured by: the time, and how long a lease may last."""

    now: datetime
    lease: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """One thing that no row may be."""

    name: str
    is_broken: Callable[[Moment], ColumnElement[bool]]
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A table with its laws."""

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


def violations(connection: Connection, *, now: datetime, lease: timedelta) -> Sequence[Violation]:
    """Every row for which something does not hold; `lease` is how long one lasts (work.lease_s)."""
    found = [one for watched in WATCHED for one in _of_table(connection, watched, Moment(now, lease))]
    if connection.dialect.name == "sqlite":
        for row in connection.execute(text("PRAGMA foreign_key_check")):
            what = f"it refers to a row of {row[2]} that is not there"
            found.append(Violation(law="references-are-whole", row=f"{row[0]} rowid {row[1]}", what=what))
    return found


def _of_table(connection: Connection, watched: Watched, moment: Moment) -> Iterator[Violation]:
    for law in watched.laws:
        wanted = select(*watched.keys).where(law.is_broken(moment)).order_by(*watched.keys)
        for row in connection.execute(wanted):
            yield Violation(law=law.name, row=f"{watched.called} {' '.join(map(str, row))}", what=law.what)


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
    )


def _lease(table: Table) -> tuple[Law, ...]:
    return (
        Law(
            name="lease-has-an-owner",
            is_broken=lambda _: table.c.owner.is_(None) != table.c.lease_until.is_(None),
            what="it has an owner without a lease, or a lease without an owner",
        ),
        Law(
            name="lease-ends",
            is_broken=lambda at: func.coalesce(
                table.c.lease_until > literal(at.now + 2 * at.lease + _SLACK, Instant), literal(value=False)
            ),
            what="its lease ends far later than work.lease_s allows",
        ),
    )


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
        ),
        Law(
            name="packed-body-is-there",
            is_broken=lambda _: and_(
                deliveries.c.unpacked_bytes.is_not(None),
                or_(func.length(deliveries.c.body) == 0, func.length(deliveries.c.body) >= deliveries.c.unpacked_bytes),
            ),
            what="its body is to be unpacked, but is empty or no smaller than what it is to become",
        ),
        Law(
            name="delivery-has-a-known-state",
            is_broken=lambda _: deliveries.c.state.not_in(list(DeliveryState)),
            what="its state is none that there is",
        ),
        *_lease(deliveries),
    ),
)

_LANES = Watched(
    called="lane",
    table=lanes,
    keys=(lanes.c.key,),
    laws=_lease(lanes),
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
        ),
        *_lease(outbox),
    ),
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

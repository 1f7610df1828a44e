"""Requests: what people asked for in a stage. Each ends once, and is kept for ever."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import JSON, Boolean, Column, Connection, Index, Integer, Table, false, insert, or_, select, update
from sqlalchemy.engine import Row

from app.core.promotion.requests import CARRIED_OUT, Request, RequestKind, RequestState, Target, Undone
from app.db import holds
from app.db.pages import Page, cut, decode_cursor, encode_cursor
from app.db.tables import Instant, SafeString, SafeText, metadata, milliseconds, of_milliseconds

requests = Table(
    "requests",
    metadata,
    Column("id", SafeString(32), primary_key=True),
    Column("lane", SafeString(400), nullable=False),
    Column("stage", SafeString(64), nullable=False),
    Column("kind", SafeString(16), nullable=False),
    Column("targets", JSON, nullable=False),
    Column("who", SafeText, nullable=False),
    Column("why", SafeText, nullable=False),
    Column("since", Instant, nullable=False),
    Column("until", Instant, nullable=False),
    Column("is_forced", Boolean, nullable=False, server_default=false()),
    Column("undoes", Integer),
    Column("state", SafeString(16), nullable=False),
    Column("pull_request", Integer),
    Column("ended_at", Instant),
    Column("ended_by", SafeText),
    Column("ended_why", SafeText),
    Index("ix_requests_lane_state", "lane", "state"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRow:
    """A request in its lane, with the pull request that carries it out and how it ended."""

    request: Request
    lane: str
    state: RequestState
    pull_request: int | None = None
    ended_at: datetime | None = None
    ended_by: str | None = None
    ended_why: str | None = None

    @property
    def repo(self) -> str:
        """The config repository of its lane."""
        return self.lane.partition(":")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFilters:
    """Which requests: those that are open, or ended; of a repository and a stage."""

    is_open: bool | None = None
    repo: str | None = None
    stage: str | None = None


def add(connection: Connection, lane: str, request: Request) -> None:
    """Write down what somebody asked for; it is open."""
    connection.execute(
        insert(requests).values(
            id=request.id,
            lane=lane,
            stage=request.stage,
            kind=request.kind,
            targets=[_as_json(one) for one in request.targets],
            who=request.who,
            why=request.why,
            since=request.since,
            until=request.until,
            is_forced=request.is_forced,
            undoes=request.undoes,
            state=RequestState.OPEN,
        )
    )


def end(  # noqa: PLR0913 (how it ended, all named)
    connection: Connection,
    request_id: str,
    state: RequestState,
    *,
    who: str,
    why: str,
    at: datetime,
    among: Iterable[RequestState] = (RequestState.OPEN,),
) -> bool:
    """End a request that is in one of these states; false, and nothing written, where it is in another.

    What it held is lifted, unless it was carried out.
    """
    its = (requests.c.id == request_id, requests.c.state.in_(list(among)))
    values = {"state": state, "ended_by": who, "ended_why": why, "ended_at": at}
    is_ended = connection.execute(update(requests).where(*its).values(values)).rowcount > 0
    if is_ended and state not in CARRIED_OUT:
        holds.lift_of_request(connection, request_id, who=who, why=f"its request ended: {why}", at=at)
    return is_ended


def reopen(connection: Connection, request_id: str) -> bool:
    """Open one again that ended because its pull request was closed; false where it ended otherwise."""
    its = (requests.c.id == request_id, requests.c.state == RequestState.CLOSED)
    values = {"state": RequestState.OPEN, "ended_by": None, "ended_why": None, "ended_at": None}
    return connection.execute(update(requests).where(*its).values(values)).rowcount > 0


def carried_by(connection: Connection, request_id: str, number: int) -> None:
    """Write down which pull request carries it out."""
    changed = or_(requests.c.pull_request.is_(None), requests.c.pull_request != number)
    connection.execute(update(requests).where(requests.c.id == request_id, changed).values(pull_request=number))


def find(connection: Connection, request_id: str) -> RequestRow | None:
    """One request."""
    row = connection.execute(select(requests).where(requests.c.id == request_id)).one_or_none()
    return _row(row) if row is not None else None


def open_in(connection: Connection, lane: str) -> Sequence[RequestRow]:
    """Those of a lane that are open, oldest first."""
    its = (requests.c.lane == lane, requests.c.state == RequestState.OPEN)
    return [_row(row) for row in connection.execute(select(requests).where(*its).order_by(requests.c.id))]


def of_policy(connection: Connection, lane: str, policy: str) -> Sequence[RequestRow]:
    """Every request that was ever of a policy, oldest first."""
    wanted = select(requests).where(requests.c.lane == lane).order_by(requests.c.id)
    return [one for one in map(_row, connection.execute(wanted)) if one.request.target_of(policy) is not None]


def page(connection: Connection, filters: RequestFilters, *, limit: int, after: str | None = None) -> Page[RequestRow]:
    """Requests, newest first."""
    wanted = select(requests).order_by(requests.c.id.desc()).limit(limit + 1)
    if filters.is_open is not None:
        is_open = requests.c.state == RequestState.OPEN
        wanted = wanted.where(is_open if filters.is_open else ~is_open)
    if filters.stage is not None:
        wanted = wanted.where(requests.c.stage == filters.stage)
    if filters.repo is not None:
        wanted = wanted.where(requests.c.lane.startswith(f"{filters.repo}:", autoescape=True))
    if after is not None:
        wanted = wanted.where(requests.c.id < str(*decode_cursor(after, str)))
    rows = [_row(row) for row in connection.execute(wanted)]
    return cut(rows, limit, lambda one: encode_cursor(one.request.id))


def rename(connection: Connection, lane: str, old: tuple[str, str], new: tuple[str, str]) -> int:
    """Move what is known of a place, a stage and a policy, to the names that it has now; returns how much that is.

    A request of several policies gets the new stage with the first of them that is found there.
    """
    rows = connection.execute(select(requests).where(requests.c.lane == lane, requests.c.stage == old[0])).all()
    its = [row for row in rows if any(one["policy"] == old[1] for one in row.targets)]
    for row in its:
        targets = [{**one, "policy": new[1]} if one["policy"] == old[1] else one for one in row.targets]
        changes = {"stage": new[0], "targets": targets}
        connection.execute(update(requests).where(requests.c.id == row.id).values(changes))
    return len(its)


def _as_json(target: Target) -> dict[str, object]:
    values = asdict(target)
    if target.undoes is not None and target.undoes.since is not None:
        values["undoes"] = {**values["undoes"], "since": milliseconds(target.undoes.since)}
    return values


def _target(values: Mapping[str, object]) -> Target:
    undoes = values.get("undoes")
    if not isinstance(undoes, dict):
        return Target(**{**values, "undoes": None})  # type: ignore[arg-type]
    since = undoes.get("since")
    told = Undone(**{**undoes, "since": None if since is None else of_milliseconds(since)})
    return Target(**{**values, "undoes": told})  # type: ignore[arg-type]


def _row(row: Row[tuple[object, ...]]) -> RequestRow:
    request = Request(
        id=row.id,
        kind=RequestKind(row.kind),
        stage=row.stage,
        targets=tuple(_target(one) for one in row.targets),
        who=row.who,
        why=row.why,
        since=row.since,
        until=row.until,
        is_forced=row.is_forced,
        undoes=row.undoes,
    )
    names = ("lane", "pull_request", "ended_at", "ended_by", "ended_why")
    return RequestRow(request=request, state=RequestState(row.state), **{name: getattr(row, name) for name in names})

"""Read holds: what is stopped, by whom, why, until when, and what that reaches."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel
from sqlalchemy import Connection

from app.core.images import ImageName
from app.core.promotion.holds import Hold, HoldKind
from app.db import holds, policies
from app.db.holds import HoldRow
from app.db.policies import PolicyPlace
from app.services.reading.pages import Line, Listing, Paging, Shown
from app.services.reading.policies import is_named

_MOST_TAGS = 5


class HoldView(BaseModel):
    """A hold; `repo`, `branch`, `stage` and `policy` are each None where it is for every one.

    `kind`: closed, reverted, suspended, manual, denied or rolled back. With `tags` or a `digest` only these are held:
    nothing below them either, unless they are denied. One of a rollback stops all that was known then but its `tags`,
    and what comes later unless it is above `ceiling`; `request` made it. `reaches` says all that in words, `policies`
    how many policies that are now. `is_active`: it stops something as long as nobody lifts it and its time has not
    come. What `is_in_git` is lifted there.
    """

    id: str
    kind: str
    repo: str | None
    branch: str | None
    stage: str | None
    policy: Shown | None
    image: str | None
    tags: list[Shown] | None
    digest: str | None
    reaches: Shown
    policies: int
    who: Shown
    why: Shown
    since: datetime
    until: datetime | None
    is_active: bool
    is_in_git: bool
    lifted_at: datetime | None
    lifted_by: Shown | None
    lifted_why: Shown | None
    ceiling: Shown | None = None
    request: str | None = None


class HoldFilters(Paging):
    """Which holds: those that stop something now (`active`) or no longer, and those that reach a place.

    `policy` is its whole name, `namespace/name` or only the last part.
    """

    active: bool | None = None
    policy: Line | None = None
    stage: Line | None = None
    repo: Line | None = None


def list_holds(connection: Connection, filters: HoldFilters, *, now: datetime) -> Listing[HoldView]:
    """Holds, newest first; a page may be short while `next` leads on. Raises InvalidCursor."""
    wanted = holds.HoldFilters(is_active=filters.active, stage=filters.stage, repo=filters.repo)
    page = holds.page(connection, wanted, now=now, limit=filters.limit, after=filters.after)
    places = policies.places(connection) if page.items else ()
    found = [one for one in page.items if filters.policy is None or _is_on(one.hold, filters.policy, places)]
    return Listing(items=[hold_view(one, places, now) for one in found], next=page.next)


def _is_on(hold: Hold, text: str, places: Sequence[PolicyPlace]) -> bool:
    """Whether a hold is on a policy that a text names: one that is there now, or was when it was held."""
    if hold.policy is None or is_named(hold.policy, text):
        return True
    return any(hold.reaches_policy(name) for one in places if is_named(name := str(one.name), text))


def hold_view(row: HoldRow, places: Sequence[PolicyPlace], now: datetime) -> HoldView:
    """Put a hold into plain values; of these places those count that it reaches."""
    hold, (repo, _, branch) = row.hold, (row.lane or row.repo or "").partition(":")
    return HoldView(
        id=hold.id,
        kind=hold.kind,
        repo=repo or None,
        branch=branch or None,
        stage=hold.stage,
        policy=hold.policy,
        image=None if hold.image is None else str(hold.image),
        tags=None if hold.tags is None else list(hold.tags),
        digest=hold.digest,
        reaches=_words(row),
        policies=sum(_is_place_reached(row, one) for one in places),
        who=hold.who,
        why=hold.why,
        since=hold.since,
        until=hold.until,
        is_active=row.lifted_at is None and not hold.is_over(now),
        is_in_git=hold.is_in_git,
        lifted_at=row.lifted_at,
        lifted_by=row.lifted_by,
        lifted_why=row.lifted_why,
        ceiling=hold.ceiling,
        request=hold.request,
    )


def is_reached(row: HoldRow, lane: str) -> bool:
    """Tell whether a hold is on a lane, by its key."""
    if row.lane is not None:
        return row.lane == lane
    return row.repo in {None, lane.partition(":")[0]}


def _is_place_reached(row: HoldRow, place: PolicyPlace) -> bool:
    hold = row.hold
    if not is_reached(row, place.lane) or (hold.stage is not None and hold.stage not in place.stages):
        return False
    image = None if place.repository is None else ImageName.of_repository(place.repository)
    return hold.reaches_image(image) and hold.reaches_policy(str(place.name))


def _words(row: HoldRow) -> str:
    hold = row.hold
    what = hold.policy or "every policy"
    if hold.kind is HoldKind.DENIED:
        denied = f"{hold.image or 'any image'}{f':{_some(hold.tags)}' if hold.tags else f'@{hold.digest}'}"
        what = f"{denied} in {what}"
    elif hold.kind is HoldKind.ROLLED_BACK:
        kept = f"{_some(hold.tags or ())}{f'@{hold.digest}' if hold.digest else ''}"
        above = f" and what is above {hold.ceiling}" if hold.ceiling is not None else ""
        what = f"all but {kept}{above} of {what}"
    elif hold.tags is not None:
        what = f"{_some(hold.tags)} of {what}"
    stage = f"stage {hold.stage}" if hold.stage is not None else "every stage"
    where = row.lane or row.repo or "every config repository"
    return f"{what} in {stage} of {where}"


def _some(tags: Sequence[str]) -> str:
    more = f" and {len(tags) - _MOST_TAGS} more" if len(tags) > _MOST_TAGS else ""
    return f"{', '.join(tags[:_MOST_TAGS])}{more}"

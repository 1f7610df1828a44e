"""Where a stage can go back to: what was let in there before, and why some of it is no place to go back to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from sqlalchemy import Connection

from app.core.promotion.applying import ApplicationState, is_running
from app.core.promotion.present import present_tag
from app.core.promotion.requests import Undone
from app.core.promotion.walk import order_in
from app.db import applications, builds, cluster_states
from app.db.promotions import PromotionRow, PromotionState
from app.services.people.asked_places import AskedPlace


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """A tag that a stage had, with the digest that it had then, where that is known; `why_not` to go back to it."""

    tag: str
    digest: str | None
    why_not: str | None = None


def earlier_tags(connection: Connection, place: AskedPlace, *, before: PromotionRow | None = None) -> Iterator[Earlier]:
    """What a stage had before what it has now, or before what a promotion brought; the last first, each once.

    What it had when we first saw it is only known as what the first promotion moved away from.
    """
    rows = _before(place.history, before) if before is not None else place.history
    fates = _fates(connection, place)
    present, seen = (present_tag(place.fields), present_digest(place)), set[tuple[str, str | None]]()
    for row in rows:
        found = Earlier(tag=row.tag, digest=row.digest, why_not=_why_not(place, row, fates))
        if not _is_present(found, present) and _of(place, row) not in seen:
            seen.add(_of(place, row))
            yield found
    first = rows[-1] if rows else before
    if first is not None and first.from_tag is not None:
        found = Earlier(tag=first.from_tag, digest=None, why_not=_why_not_down(place, first.from_tag))
        if first.from_tag != present[0] and not any(tag == first.from_tag for tag, _ in seen):
            yield found


def brought_by(place: AskedPlace) -> Sequence[PromotionRow]:
    """What brought a stage what it has: the newest first, then what had brought the same before it came back to it."""
    stayed = [row for row in place.history if row.state is PromotionState.MERGED]
    return list(takewhile(lambda row: _of(place, row) == _of(place, stayed[0]), stayed))


def _of(place: AskedPlace, row: PromotionRow) -> tuple[str, str | None]:
    return row.tag, row.digest if writes_digest(place) else None


def _before(history: Sequence[PromotionRow], row: PromotionRow) -> Sequence[PromotionRow]:
    places = [one.id for one in history]
    return history[places.index(row.id) + 1 :] if row.id in places else ()


def _is_present(found: Earlier, present: tuple[str | None, str | None]) -> bool:
    tag, digest = present
    return found.tag == tag and (digest is None or found.digest in {None, digest})


def _is_told(connection: Connection, place: AskedPlace) -> bool:
    """Whether any cluster tells how this policy fares in the stage."""
    rows = cluster_states.of_policy(connection, place.lane, stage=place.stage, policy=place.name)
    return any(one.newest_id is not None for one in rows)


def _fates(connection: Connection, place: AskedPlace) -> Mapping[str, Sequence[str]]:
    """What clusters told of each that was let in; of those before the first of which any told, nothing is known."""
    if not _is_told(connection, place):
        return {}
    found: dict[str, list[str]] = {}
    for line in applications.of_promotions(connection, (row.id for row in place.history)):
        found.setdefault(line.promotion_id, []).append(line.state)
    first = max((at for at, row in enumerate(place.history) if row.id in found), default=len(place.history))
    return {row.id: found.get(row.id, ()) for row in place.history[: first + 1]}


def _why_not(place: AskedPlace, row: PromotionRow, fates: Mapping[str, Sequence[str]]) -> str | None:
    if row.image != place.policy.policy.image_text:
        return f"it is of {row.image}, and the policy chooses from {place.policy.policy.image_text}"
    if row.state is PromotionState.REVERTED:
        return "it was taken back"
    fate = fates.get(row.id)
    if fate is not None and not any(is_running(state) for state in fate):
        failed = ApplicationState.FAILED in fate
        return "no cluster applied it" + (", one failed to" if failed else "")
    return _why_not_down(place, row.tag)


def _why_not_down(place: AskedPlace, tag: str) -> str | None:
    """A rollback goes down, where the policy can tell."""
    order, present = order_in(place.policy, place.fields), present_tag(place.fields)
    if order is None or present is None or tag == present:
        return None
    return f"it is above {present}" if (order.precedence(tag, present) or 0) > 0 else None


def writes_digest(place: AskedPlace) -> bool:
    """Whether the fields of the stage get a digest beside their tag."""
    has_one = any(one.digest is not None for one in place.fields)
    return has_one or place.policy.policy.digest_reflection != "Never"


def present_digest(place: AskedPlace) -> str | None:
    """The digest that stands in Git."""
    return next((one.digest for one in place.fields if one.digest is not None), None)


def undone(connection: Connection, place: AskedPlace) -> Undone | None:
    """What is in the stage now, since when, by which build, and who let it in; None where that names no tag."""
    tag = present_tag(place.fields)
    if tag is None:
        return None
    came = next((row for row in place.history if row.state is PromotionState.MERGED), None)
    if came is None or came.tag != tag:
        return Undone(tag=tag)
    build = builds.find(connection, came.build_id) if came.build_id is not None else None
    return Undone(
        tag=tag,
        since=came.merged_at,
        build=None if build is None else f"build {build.number} of {build.job}",
        pull_request=came.pull_request,
        who=came.merged_by,
    )


def short(place: AskedPlace) -> str:
    """The policy's name as people write it."""
    name = place.policy.name
    return f"{name.namespace}/{name.name}"

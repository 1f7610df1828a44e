"""Follow requests: each ends when the base branch has its tags, when they are gone or denied, or when time is up."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from app.core.facts import US
from app.core.promotion.holds import Hold, Stops
from app.core.promotion.requested import is_target_there, tag_of
from app.core.promotion.requests import CARRIED_OUT, GIVEN_UP, Request, RequestState, Target
from app.core.promotion.state import FieldState, PolicyState
from app.core.promotion.walk import denied_words
from app.db import holds, promotions, requests
from app.db.promotions import PromotionRow, PromotionState
from app.db.pull_requests import PullRequestRow
from app.db.requests import RequestRow
from app.db.tables import new_id
from app.services.catalogue.tag_states import states_of_tags
from app.services.lane.run import LaneRun

_MOST_LOOKED_AT = 50
_LATER = "another request was carried out there since"


def follow_requests(run: LaneRun, states: Sequence[PolicyState]) -> None:
    """End the open requests of a lane that are at their end, as its base branch stands now."""
    with run.database.transaction() as connection:
        rows = requests.open_in(connection, run.lane)
        held = holds.active(connection, run.lane) if rows else ()
    by_name = {str(one.name): one for one in states}
    for row in rows:
        ended = _how_ended(run, row, by_name, held)
        if ended is not None:
            state, why = ended
            with run.writing() as connection:
                if state in CARRIED_OUT:
                    carry_out(run, connection, row, state, who=US, why=why)
                else:
                    requests.end(connection, row.request.id, state, who=US, why=why, at=run.now())


def _how_ended(
    run: LaneRun, row: RequestRow, states: Mapping[str, PolicyState], held: Sequence[Hold]
) -> tuple[RequestState, str] | None:
    request, now = row.request, run.now()
    if request.is_over(now):
        return RequestState.EXPIRED, f"it was not merged until {request.until:%Y-%m-%d %H:%M} UTC"
    found = [(target, _in_stage(states.get(target.policy), request.stage)) for target in request.targets]
    lost = [target.policy for target, state in found if state is None]
    if lost:
        return RequestState.REFUSED, f"no field of {lost[0]} is in {request.stage} on the base branch any more"
    known = [(target, state) for target, state in found if state is not None]
    if all(is_target_there(state, _fields(state, request.stage), request, target) for target, state in known):
        return RequestState.FULFILLED, "the base branch has its tags"
    against = (_against(run, request, target, state, held) for target, state in known)
    why = next((one for one in against if one is not None), None)
    return None if why is None else (RequestState.REFUSED, why)


def _in_stage(state: PolicyState | None, stage: str) -> PolicyState | None:
    if state is None or not (stage in state.refused or _fields(state, stage)):
        return None
    return state


def _fields(state: PolicyState, stage: str) -> Sequence[FieldState]:
    return [one for one in state.fields if one.stage == stage]


def _against(run: LaneRun, request: Request, target: Target, state: PolicyState, held: Sequence[Hold]) -> str | None:
    """Why a tag that was asked for is none any more: it is gone from its registry, or denied."""
    if state.policy.image is None:
        return None
    image = run.systems.known_as(state.policy.image)
    with run.database.transaction() as connection:
        tags = states_of_tags(connection, image, [target.tag])
    known = tag_of(replace(state, tags=tags), request, target)
    if known.is_gone and known.doubt is None:
        return f"{target.tag} is gone from the registry"
    stops = Stops.on(held, stage=request.stage, policy=target.policy, now=run.now(), image=image)
    denial = stops.denial_of(known)
    return None if denial is None else f"{target.tag} is {denied_words(denial)}"


def carry_out(  # noqa: PLR0913 (how it was carried out, all named)
    run: LaneRun, connection: Connection, row: RequestRow, state: RequestState, *, who: str, why: str
) -> None:
    """A request was carried out, also one that had been given up meanwhile: what it holds is held from now on."""
    request, now = row.request, run.now()
    among = {RequestState.OPEN, RequestState.FULFILLED, *GIVEN_UP} - {state}
    if not requests.end(connection, request.id, state, who=who, why=why, at=now, among=among):
        return
    if row.state in GIVEN_UP and row.ended_at is not None:
        holds.hold_again(connection, request.id, ended_at=row.ended_at, at=now)
    for target in request.targets:
        place = {"stage": request.stage, "policy": target.policy}
        holds.lift_rolled_back(connection, run.lane, **place, but_of=request.id, why=_LATER, at=now)
        if target.leaves_hold and not request.is_rollback and row.state in {RequestState.OPEN, *GIVEN_UP}:
            holds.add(connection, run.lane, request.hold_on(target, new_id(now)))


def note_merged(
    run: LaneRun, connection: Connection, row: PullRequestRow, landed: Mapping[str, str], *, who: str
) -> None:
    """The pull request of a request was merged, with the tags that it asked for."""
    asked = _carried_by(connection, row, landed)
    if asked is None:
        return
    why = f"pull request {row.number} was merged by {who}"
    for target in asked.request.targets if asked.request.is_rollback else ():
        _take_back(run, connection, asked.request, target, who=who, why=why)
    carry_out(run, connection, asked, RequestState.MERGED, who=who, why=why)


def _take_back(  # noqa: PLR0913 (what was taken back, all named)
    run: LaneRun, connection: Connection, request: Request, target: Target, *, who: str, why: str
) -> None:
    """What a rollback takes back counts as reverted, where it was let in by us or seen in Git."""
    undone = target.undoes.tag if target.undoes is not None else None
    rows = promotions.let_in(connection, run.lane, stage=request.stage, policy=target.policy, limit=_MOST_LOOKED_AT)
    last = next((row for row in rows if row.tag == undone and not _is_of(row, target)), None)
    if last is not None and last.state is PromotionState.MERGED:
        reason = f"{why}, which rolled it back: {request.asked}"
        promotions.move(connection, last.id, PromotionState.REVERTED, reason=reason, who=who, at=run.now())


def _is_of(row: PromotionRow, target: Target) -> bool:
    """Whether it brought just what was asked for: of a tag that names several digests only one is."""
    return row.tag == target.tag and (target.digest is None or row.digest in {None, target.digest})


def note_closed(
    run: LaneRun, connection: Connection, row: PullRequestRow, carried: Mapping[str, str], *, who: str
) -> bool:
    """A person closed the pull request of a request with these tags, which ends it; false where it was of none."""
    asked = _carried_by(connection, row, carried)
    if asked is None:
        return False
    why = f"pull request {row.number} was closed by {who}"
    requests.end(connection, asked.request.id, RequestState.CLOSED, who=who, why=why, at=run.now())
    return True


def _carried_by(connection: Connection, row: PullRequestRow, tags: Mapping[str, str]) -> RequestRow | None:
    """The request of a pull request whose head had these tags; None where they are still those of before it was asked.

    Whoever merges or closes it as it is being written anew has seen what it was.
    """
    asked = requests.find(connection, row.request) if row.request is not None else None
    if asked is None or any(tags.get(one.policy) != one.tag for one in asked.request.targets if one.policy in row.tags):
        return None
    return asked


def reopen_request(run: LaneRun, connection: Connection, row: PullRequestRow) -> None:
    """A person reopened the pull request of a request, which goes on unless another took its place meanwhile."""
    asked = requests.find(connection, row.request) if row.request is not None else None
    if asked is None:
        return
    others = requests.open_in(connection, run.lane)
    is_taken = any(one.request.stage == row.stage and one.request.policies & asked.request.policies for one in others)
    if is_taken or not requests.reopen(connection, asked.request.id):
        return
    if asked.ended_at is not None:
        holds.hold_again(connection, asked.request.id, ended_at=asked.ended_at, at=run.now())

"""Record a plan: promotions begin, wait, are refused or superseded; each change of standing is an event."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Connection

from app.core.facts import US
from app.core.promotion.plans import KeptBack, Outcome, Plan, Standing
from app.db import promotions, pull_requests
from app.db.promotions import NewPromotion, PromotionRow, PromotionState
from app.services.lane.run import LaneRun

_AT_ONCE = 10
_ABOUT_TO_OPEN = "passed; its pull request is being opened"
_STATES = {Standing.WAITING: PromotionState.WAITING, Standing.REFUSED: PromotionState.REFUSED}


def record_outcomes(run: LaneRun, planned: Plan) -> dict[tuple[str, str], str]:
    """Bring the promotions in line with a plan; returns the promotion's id for each proposed (stage, policy).

    A few places at a time: webhooks are kept in between, and the next run ends what one that was broken off began.
    """
    by_place: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for outcome in planned.outcomes:
        by_place[outcome.stage, outcome.policy].append(outcome)
    open_rows: dict[tuple[str, str], list[PromotionRow]] = defaultdict(list)
    with run.database.transaction() as connection:
        for row in promotions.open_in(connection, run.lane):
            open_rows[row.stage, row.policy].append(row)
    ids: dict[tuple[str, str], str] = {}
    known = [place for place, outcomes in by_place.items() if not any(one.is_blind for one in outcomes)]
    for some in _few(known):
        with run.writing() as connection:
            for place in some:
                proposed = _record_place(run, connection, by_place[place], open_rows.get(place, []))
                if proposed is not None:
                    ids[place] = proposed
    for some in _few(sorted(open_rows.keys() - by_place.keys())):
        with run.writing() as connection:
            for row in (row for place in some for row in open_rows[place]):
                gone = "its policy or its fields are no longer on the base branch"
                promotions.move(connection, row.id, PromotionState.SUPERSEDED, reason=gone, who=US, at=run.now())
    return ids


def without_undone(run: LaneRun, planned: Plan, ids: Mapping[tuple[str, str], str], why: str) -> Plan:
    """The plan of a run that was broken off: what it had not come to is put off."""
    with run.database.transaction() as connection:
        proposed = {row.id for row in promotions.open_in(connection, run.lane) if row.state is PromotionState.PROPOSED}
        still_open = {row.number for row in pull_requests.open_in(connection, run.lane)}
    reason = f"not done yet: {why}"
    return planned.without(
        {place: KeptBack(reason) for place, one in ids.items() if one not in proposed},
        {closure.number: reason for closure in planned.closures if closure.number in still_open},
    )


def _few(places: Sequence[tuple[str, str]]) -> Iterator[Sequence[tuple[str, str]]]:
    return (places[start : start + _AT_ONCE] for start in range(0, len(places), _AT_ONCE))


def _record_place(
    run: LaneRun, connection: Connection, outcomes: Sequence[Outcome], rows: Sequence[PromotionRow]
) -> str | None:
    rows = _of_its_image(run, connection, outcomes, rows)
    by_tag = {row.tag: row for row in rows}
    proposed: str | None = None
    told: set[str] = set()
    successor = ""
    for outcome in outcomes:
        if outcome.tag is None or outcome.standing in {Standing.CURRENT, Standing.HELD}:
            successor = successor or f"{outcome.tag or 'nothing'}: {outcome.reason}"
            continue
        row = by_tag.get(outcome.tag)
        if outcome.standing is Standing.PROPOSED:
            row = row or _begin(run, connection, outcome, _ABOUT_TO_OPEN)
            if outcome.build_id is not None and row.build_id != outcome.build_id:
                promotions.learn_build(connection, row.id, outcome.build_id)
            proposed = row.id
        elif outcome.standing is Standing.WAITING:
            _wait(run, connection, outcome, row)
        elif outcome.standing is Standing.LEFT:
            _leave(run, connection, outcome, row)
        else:
            _refuse(run, connection, outcome, row, is_first=not told)
        told.add(outcome.tag)
        successor = successor or (outcome.tag if outcome.standing is not Standing.REFUSED else "")
    for row in rows:
        if row.tag not in told:
            promotions.move(
                connection,
                row.id,
                PromotionState.SUPERSEDED,
                reason=f"{successor} took its place" if successor in told else successor or "no longer a candidate",
                who=US,
                at=run.now(),
            )
    return proposed


def _of_its_image(
    run: LaneRun, connection: Connection, outcomes: Sequence[Outcome], rows: Sequence[PromotionRow]
) -> Sequence[PromotionRow]:
    """The open promotions of the policy's image; those of the one that it had before end, though a tag be the same.

    Of a policy that is gone no image is known.
    """
    image = outcomes[0].image
    if not image:
        return rows
    for row in rows:
        if row.image != image:
            reason = f"the policy chooses from {image} now"
            promotions.move(connection, row.id, PromotionState.SUPERSEDED, reason=reason, who=US, at=run.now())
    return [row for row in rows if row.image == image]


def _begin(run: LaneRun, connection: Connection, outcome: Outcome, reason: str) -> PromotionRow:
    assert outcome.tag is not None  # noqa: S101 (outcomes without a tag begin nothing)
    new = NewPromotion(
        lane=run.lane,
        stage=outcome.stage,
        policy=outcome.policy,
        image=outcome.image,
        tag=outcome.tag,
        digest=outcome.digest,
        from_tag=outcome.from_tag,
        reason=reason,
        origin=US,
        build_id=outcome.build_id,
    )
    return promotions.begin(connection, new, who=US, at=run.now())


def _wait(run: LaneRun, connection: Connection, outcome: Outcome, row: PromotionRow | None) -> None:
    if row is None:
        _begin(run, connection, outcome, outcome.reason)
    elif (row.state, row.reason, row.from_tag) != (
        PromotionState.WAITING,
        outcome.reason,
        outcome.from_tag or row.from_tag,
    ):
        _move(run, connection, row, outcome)


def _leave(run: LaneRun, connection: Connection, outcome: Outcome, row: PromotionRow | None) -> None:
    """What people took over stays as it was, and what is newer waits; of a policy that is gone nothing begins."""
    if row is None and outcome.image:
        row = _begin(run, connection, outcome, outcome.reason)
    elif row is None:
        place = {"stage": outcome.stage, "policy": outcome.policy, "tag": outcome.tag or ""}
        row = promotions.latest(connection, run.lane, **place)
    if row is not None and row.reason != outcome.reason:
        promotions.move(connection, row.id, row.state, reason=outcome.reason, who=US, at=run.now())


def _refuse(
    run: LaneRun, connection: Connection, outcome: Outcome, row: PromotionRow | None, *, is_first: bool
) -> None:
    """A gate failed it: told once, and of tags that never waited only the policy's first choice."""
    if row is None:
        latest = promotions.latest(
            connection, run.lane, stage=outcome.stage, policy=outcome.policy, tag=outcome.tag or ""
        )
        is_told = latest is not None and latest.state is PromotionState.REFUSED and latest.reason == outcome.reason
        if not is_first or is_told:
            return
        row = _begin(run, connection, outcome, outcome.reason)
    _move(run, connection, row, outcome)


def _move(run: LaneRun, connection: Connection, row: PromotionRow, outcome: Outcome) -> None:
    promotions.move(
        connection,
        row.id,
        _STATES[outcome.standing],
        reason=outcome.reason,
        who=US,
        at=run.now(),
        learned={"build_id": outcome.build_id, "digest": outcome.digest, "from_tag": outcome.from_tag},
    )

"""Request: roll back and promote by asking. It is written down, then its lane is due; nothing else is done here."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pydantic import BaseModel
from sqlalchemy import Connection

from app.core.errors import Conflict, Invalid
from app.core.promotion.gates.answers import GateAnswers
from app.core.promotion.hold_times import in_words, parse_time
from app.core.promotion.holds import Hold, HoldKind
from app.core.promotion.requested import ignored_by
from app.core.promotion.requests import Request, RequestKind, RequestState
from app.core.promotion.walk import Passed
from app.db import holds, lanes, requests
from app.db.requests import RequestRow
from app.db.tables import new_id, to_the_millisecond
from app.services.people.asked_places import Asking
from app.services.people.hold import EndsInThePast, zone_of
from app.services.people.request_targets import Found, TargetFinder, ThereAlready
from app.services.people.stage_targets import StageTargets
from app.services.reading.pages import Shown, UnknownId
from app.services.reading.requests import RequestView, request_view

_UNTIL = timedelta(days=7)


class UnclearRequest(Invalid):
    """What was given does not say what is asked for."""


class EndedAlready(Conflict):
    """A request that ended cannot be withdrawn."""

    def __init__(self, request_id: str, state: str, why: str) -> None:
        super().__init__(f"request {request_id} ended already, {state}: {why}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody asks for, in their words.

    A rollback names a policy and stage, and `tag` or the `pull` request to undo if not simply what was there before. A
    promotion names a policy, tag and stage, or `from_stage` and stage with a `group` or `is_of_all`. `until` is a time
    as `parse_time` takes them, in `zone`; `is_held` freezes the policies there, too.
    """

    kind: RequestKind
    stage: str
    why: str
    policy: str | None = None
    tag: str | None = None
    pull: int | None = None
    from_stage: str | None = None
    group: str | None = None
    is_of_all: bool = False
    is_held: bool = False
    is_forced: bool = False
    until: str | None = None
    zone: str = "UTC"
    repo: str | None = None
    root: str | None = None


class AskedChange(BaseModel):
    """One field that a request would set."""

    policy: str
    file: Shown
    line: int
    old: Shown
    new: Shown


class AskedRequest(RequestView):
    """A request as it was understood; a dry run has no id.

    `changes` is what would be written now, `waits_for` why it would not be opened at once, `notes` what whoever asks
    should know, `understood` until when it is open. `is_new` is false where the same was asked for before.
    """

    changes: list[AskedChange]
    notes: list[Shown]
    understood: str
    is_new: bool = True


def ask(asking: Asking, asked: Asked, *, who: str, is_dry_run: bool = False) -> AskedRequest:
    """Ask for what is wanted, and have its lane run; asking twice is asking once.

    Raises Invalid where something is not there, cannot be, or is there already, Conflict where nothing can be opened:
    then nothing is written. The registry is asked for each tag.
    """
    now = to_the_millisecond(asking.clock()) or asking.clock()
    zone = zone_of(asked.zone)
    until = parse_time(asked.until, now=now, zone=zone) if asked.until is not None else now + _UNTIL
    if until <= now:
        raise EndsInThePast(in_words(until, zone), in_words(now, zone))
    draft = Request(
        id=new_id(now),
        kind=asked.kind,
        stage=asked.stage,
        targets=(),
        who=who,
        why=asked.why,
        since=now,
        until=until,
        is_forced=asked.is_forced,
        undoes=asked.pull,
    )
    finder = TargetFinder(asking, draft)
    checked = _to_be_moved(finder, _find(asking, finder, asked))
    request = replace(draft, targets=tuple(one.target for one in checked))
    notes = [*finder.notes, *_notes(checked, request)]
    row, is_new = RequestRow(request=request, lane=checked[0].place.lane, state=RequestState.OPEN), True
    if not is_dry_run:
        with asking.database.transaction() as connection:
            row, is_new = _write(connection, row, asked)
    view = request_view(row)
    if is_dry_run:
        view = view.model_copy(update={"id": ""})
    waits = view.waits_for or _waits(checked)
    return AskedRequest(
        **{**view.model_dump(), "waits_for": waits},
        changes=_changes(checked),
        notes=list(dict.fromkeys(notes)),
        understood=in_words(row.request.until, zone),
        is_new=is_new,
    )


def withdraw(connection: Connection, request_id: str, *, who: str, why: str, now: datetime) -> RequestView:
    """End a request that is open, and lift what it held. Raises UnknownId, EndedAlready."""
    row = requests.find(connection, request_id)
    if row is None:
        raise UnknownId("request", request_id)
    if row.state is not RequestState.OPEN:
        if row.state is not RequestState.WITHDRAWN:
            raise EndedAlready(request_id, row.state, row.ended_why or "")
        return request_view(row)
    # The lane first, as its runs lock it before they end a request.
    lanes.raise_wanted(connection, [row.lane], now=now)
    told = f"withdrawn by {who}: {why}"
    requests.end(connection, request_id, RequestState.WITHDRAWN, who=who, why=told, at=now)
    return request_view(requests.find(connection, request_id) or row)


def _find(asking: Asking, finder: TargetFinder, asked: Asked) -> Sequence[Found]:
    if asked.kind is RequestKind.ROLLBACK:
        return _find_back(asking, finder, asked)
    if asked.from_stage is not None:
        if asked.policy is not None or asked.tag is not None or asked.is_of_all == (asked.group is not None):
            raise UnclearRequest(
                f"what of {asked.from_stage} to promote is not clear: give --group or --all, and no policy or tag"
            )
        lane = asking.lane_with([asked.from_stage, asked.stage], repo=asked.repo)
        return StageTargets(asking=asking, finder=finder).of(
            lane, from_stage=asked.from_stage, to_stage=asked.stage, group=asked.group
        )
    if asked.policy is None or asked.tag is None or asked.pull is not None:
        raise UnclearRequest(
            "what is to be promoted is not clear: give a policy and a tag, or --from with --group or --all"
        )
    return finder.forward(asking.place(asked.policy, asked.stage, repo=asked.repo, root=asked.root), asked.tag)


def _find_back(asking: Asking, finder: TargetFinder, asked: Asked) -> Sequence[Found]:
    if asked.policy is None or asked.from_stage is not None or asked.group is not None or asked.is_of_all:
        raise UnclearRequest("what is to be rolled back is not clear: give a policy and its stage")
    if asked.tag is not None and asked.pull is not None:
        raise UnclearRequest("a tag and a pull request are two ways back: give one of --to and --pull")
    place = asking.place(asked.policy, asked.stage, repo=asked.repo, root=asked.root)
    return finder.undo(place, asked.pull) if asked.pull is not None else finder.back(place, to=asked.tag)


def _to_be_moved(finder: TargetFinder, found: Sequence[Found]) -> Sequence[Found]:
    """Those that have not got their target yet, each asked how it stands. Raises ThereAlready, CannotGoThere."""
    moving = [one for one in found if not finder.is_there(one)]
    if not moving:
        tags = ", ".join(f"{one.target.policy} has {one.target.tag}" for one in found)
        raise ThereAlready(f"{tags} in {finder.draft.stage} already")
    return [finder.check(one) for one in moving]


def _notes(found: Sequence[Found], request: Request) -> Sequence[str]:
    """What whoever asks should know: a freeze that a rollback ignores, gates that are only shown."""
    passing = [(one.place.member, one.answer) for one in found if isinstance(one.answer, Passed)]
    return [note for member, passed in passing for note in ignored_by(request, member, passed)]


def _waits(found: Sequence[Found]) -> str | None:
    """Why it would not be opened at once."""
    for one in found:
        if isinstance(one.answer, Hold):
            return f"held: {one.answer.words}"
        if isinstance(one.answer, GateAnswers):
            return one.answer.reason
    return None


def _changes(found: Sequence[Found]) -> list[AskedChange]:
    return [
        AskedChange(
            policy=one.target.policy,
            file=change.field.file,
            line=change.field.marked.line,
            old=change.field.marked.text,
            new=change.new_text,
        )
        for one in found
        for change in one.changes
    ]


def _write(connection: Connection, row: RequestRow, asked: Asked) -> tuple[RequestRow, bool]:
    """Write it down, end what it overtakes, hold what it keeps away; or find that the same was asked for before."""
    request, now = row.request, row.request.since
    lanes.raise_wanted(connection, [row.lane], now=now)
    others = [
        one
        for one in requests.open_in(connection, row.lane)
        if one.request.stage == request.stage and one.request.policies & request.policies
    ]
    same = next((one for one in others if _is_same(one.request, request)), None)
    if same is not None:
        _freeze_all(connection, same, asked)
        return same, False
    for one in others:
        why = f"overtaken by request {request.id}: {request.asked}"
        requests.end(connection, one.request.id, RequestState.OVERTAKEN, who=request.who, why=why, at=now)
    requests.add(connection, row.lane, request)
    for target in request.targets:
        if request.is_rollback:
            holds.add(connection, row.lane, request.hold_on(target, new_id(now)))
    _freeze_all(connection, row, asked)
    return row, True


def _is_same(one: Request, other: Request) -> bool:
    def what(asked: Request) -> object:
        wanted = {target.policy: (target.tag, target.digest) for target in asked.targets}
        return asked.kind, wanted, asked.is_forced, asked.undoes

    return what(one) == what(other)


def _freeze_all(connection: Connection, row: RequestRow, asked: Asked) -> None:
    """Freeze its policies, where that was asked for with it."""
    request = row.request
    for target in request.targets if asked.is_held else ():
        until = request.until if asked.until is not None else None
        holds.add(connection, row.lane, _freeze(request, target.policy, until))


def _freeze(request: Request, policy: str, until: datetime | None) -> Hold:
    return Hold(
        id=new_id(request.since),
        stage=request.stage,
        policy=policy,
        tags=None,
        kind=HoldKind.MANUAL,
        who=request.who,
        why=request.why,
        since=request.since,
        until=until,
        request=request.id,
    )

"""Follow up on what people did with our pull requests: merged, closed, reopened or redirected them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from app.core.errors import NotFound
from app.core.facts import US
from app.core.ports import PullRequest, PullRequestSeen, PullRequestState
from app.core.promotion.branches import is_of_base
from app.core.promotion.leaving import MOVED
from app.db import holds, promotions, pull_requests
from app.db.promotions import PromotionState
from app.db.pull_requests import PullRequestRow
from app.db.pushed_heads import PushedHead
from app.services.heads.view import rules_at
from app.services.lane.adopt import adopt
from app.services.lane.closings import closer_of, forget_closing
from app.services.lane.follow_merges import MergeNotes
from app.services.lane.follow_requests import note_closed, reopen_request
from app.services.lane.hold import hold_closed
from app.services.lane.own_heads import OwnHeads
from app.services.lane.run import LaneRun
from app.services.lane.whole_ids import in_full
from app.services.telling.comments import closed_at, comment_on

_BROKEN_OFF = (
    "Closed by Fluxbridge. The run that closed it was broken off before it could say why; "
    "`fluxbridge promotions` shows what became of it."
)


@dataclass(frozen=True, slots=True)
class Followed:
    """How our pull requests stand: those open into the base branch, and the branches of which others go elsewhere.

    `is_behind` tells that one was merged, perhaps after the heads were fetched: planned on them, its tag would be
    proposed once more. `listed` are all that the forge lists from branches below our prefix, whosever they are.
    `carried` tells of each of these branches what it carries, None: a person's work. `is_untold`: Git shows a merge of
    which the forge has not told.
    """

    open: Mapping[int, PullRequestSeen]
    listed: Mapping[int, PullRequestSeen]
    lent: Mapping[str, int]
    carried: Mapping[str, PushedHead | None]
    is_behind: bool = False
    is_untold: bool = False


def follow_pull_requests(run: LaneRun, heads: Mapping[str, str]) -> Followed:
    """Write down what became of our pull requests; returns how they stand, as the forge shows them now.

    The list of open ones decides; only those are asked for one by one that it lacks.
    """
    base = run.claim.branch
    own = OwnHeads(run, heads[base])
    carried = own.by_branch(heads)
    with run.database.transaction() as connection:
        has_open = bool(pull_requests.open_in(connection, run.lane))
    listed = _listed(run) if has_open or carried else {}
    adopt(run, rules_at(run.repo.repository, run.scans, heads[base]), carried, listed.values())
    _note_reopened(run, listed)
    with run.database.transaction() as connection:
        known = list(pull_requests.open_in(connection, run.lane))
        untold = list(pull_requests.merged_untold(connection, run.lane))
    notes = MergeNotes(run, own, heads)
    still_open: dict[int, PullRequestSeen] = {}
    told_now = [notes.note_told(row) for row in untold]
    is_behind = any(told_now)
    for row in known:
        seen = listed.get(row.number)
        pull = _read(run, row) if seen is None else None
        if seen is None and pull is not None and pull.state is PullRequestState.OPEN:
            seen = pull.seen
        if seen is not None and seen.base != base:
            _let_go(run, row)
        elif pull is not None and pull.state is PullRequestState.MERGED:
            notes.note_merged(row, pull)
            is_behind = True
        elif notes.note_merged_by_git(row, seen or (pull.seen if pull else None)):
            is_behind = True
        elif seen is None:
            _note_closed(run, row, pull, notes)
        else:
            still_open[row.number] = seen
            forget_closing(run, row)
    lent = _lent(run, listed.values())
    return Followed(still_open, listed, lent, carried, is_behind=is_behind, is_untold=not all(told_now))


def _listed(run: LaneRun) -> Mapping[int, PullRequestSeen]:
    return {one.number: one for one in run.repo.forge.open_pull_requests(prefix=run.repo.prefix)}


def _lent(run: LaneRun, listed: Iterable[PullRequestSeen]) -> Mapping[str, int]:
    prefix, base = run.repo.prefix, run.claim.branch
    return {one.head: one.number for one in listed if one.base != base and is_of_base(prefix, base, one.head)}


def _read(run: LaneRun, row: PullRequestRow) -> PullRequest | None:
    try:
        return in_full(run.repo.repository, run.repo.forge.pull_request(row.number))
    except NotFound:
        return None


def _let_go(run: LaneRun, row: PullRequestRow) -> None:
    """A person gave it another base: theirs from then on, also when it comes back. It brings nothing here any more."""
    if not row.tags:
        return
    with run.writing() as connection:
        for promotion in promotions.of_pull_request(connection, run.lane, row.number):
            promotions.move(connection, promotion.id, PromotionState.WAITING, reason=MOVED, who=US, at=run.now())
        pull_requests.upsert(connection, replace(row, tags={}))
        comment_on(connection, run.repo, row.number, occasion="another base", text=f"{MOVED}.", now=run.now())


def _note_closed(run: LaneRun, row: PullRequestRow, pull: PullRequest | None, notes: MergeNotes) -> None:
    """Closed by anyone but us is a person's no, and it holds; after our own closing the branch goes too."""
    now, who = run.now(), closer_of(run, row, pull)
    is_ours = who == US
    is_here = bool(row.tags) and (pull is None or pull.base == run.claim.branch)
    if is_ours and pull is not None:
        notes.delete_branch(row, pull)
    carried = row.tags if pull is None or not row.tags else notes.carried(row, pull)
    with run.writing() as connection:
        if is_here and not is_ours and not note_closed(run, connection, row, carried, who=who):
            hold_closed(run, connection, stage=row.stage, tags=carried, number=row.number, who=who)
        for promotion in promotions.of_pull_request(connection, run.lane, row.number) if is_here else ():
            reason = f"pull request {row.number} was closed by {who}"
            promotions.move(connection, promotion.id, PromotionState.CLOSED, reason=reason, who=who, at=now)
        at = (pull.closed_at if pull is not None else None) or now
        pull_requests.upsert(connection, replace(row, state=PullRequestState.CLOSED, ended_at=at, ended_by=who))
        if is_ours and is_here:
            comment_on(connection, run.repo, row.number, occasion=closed_at(at), text=_BROKEN_OFF, now=now)


def _note_reopened(run: LaneRun, listed: Mapping[int, PullRequestSeen]) -> None:
    """Whatever is listed as open and was closed when we last looked: what closing it held is lifted."""
    with run.database.transaction() as connection:
        rows = pull_requests.numbered(connection, run.lane, listed)
    for row in rows:
        if row.state is PullRequestState.CLOSED:
            with run.writing() as connection:
                holds.lift_of_pull_request(connection, run.lane, row.number, at=run.now())
                reopen_request(run, connection, row)
                again = replace(row, state=PullRequestState.OPEN, ended_at=None, ended_by=None, closing_at=None)
                pull_requests.upsert(connection, again)

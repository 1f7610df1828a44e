"""Follow up on what people did with our pull requests: merged, closed or reopened them."""

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import Connection

from app.core.errors import NotFound
from app.core.ports import BranchUpdate, PullRequest, PullRequestSeen, PullRequestState
from app.core.promotion.branches import branch_name
from app.core.promotion.state import tag_in
from app.db import holds, promotions, pull_requests, pushed_heads
from app.db.promotions import PromotionRow, PromotionState
from app.db.pull_requests import PullRequestRow
from app.services.hold import hold_closed
from app.services.lane_run import US, LaneRun
from app.services.read_lane import LaneView, view_at

_MOST_HELD = 20


def follow_pull_requests(run: LaneRun, heads: Mapping[str, str]) -> tuple[dict[int, PullRequestSeen], bool]:
    """Write down what became of our pull requests; returns those that are open, as the forge shows them now.

    Only those are asked for one by one that the list of open ones lacks: of hundreds, most are as they were.

    The second value tells that one was merged, perhaps after `heads` were fetched: planned on them, its tag would be
    proposed once more.
    """
    _adopt(run, heads)
    with run.database.transaction() as connection:
        known = list(pull_requests.open_in(connection, run.lane))
        held = list(pull_requests.held_in(connection, run.lane, limit=_MOST_HELD))
    listed = (
        {one.number: one for one in run.repo.forge.open_pull_requests(prefix=run.repo.prefix)} if known or held else {}
    )
    still_open: dict[int, PullRequestSeen] = {}
    has_merged = False
    for row in known:
        if row.number in listed:
            still_open[row.number] = listed[row.number]
            continue
        pull = _read(run, row)
        if pull is None or pull.state is PullRequestState.CLOSED:
            _note_closed(run, row, pull, heads)
        elif pull.state is PullRequestState.MERGED:
            _delete_branch(run, row, pull, heads)
            _note_merged(run, row, pull)
            _tell_flux(run, pull)
            has_merged = True
        else:
            still_open[row.number] = pull.seen
    for row in held:
        if row.number in listed:
            _note_reopened(run, row)
            still_open[row.number] = listed[row.number]
    return still_open, has_merged


def _adopt(run: LaneRun, heads: Mapping[str, str]) -> None:
    """Take in pull requests that a run opened and was broken off before it wrote that down."""
    lane, base = run.lane, run.claim.branch
    with run.database.transaction() as connection:
        lost = [
            (row, branch, heads[branch])
            for row in promotions.open_in(connection, lane)
            if row.pull_request is None
            and (branch := branch_name(prefix=run.repo.prefix, base=base, stage=row.stage, group=row.policy)) in heads
            and (head := pushed_heads.find(connection, lane, heads[branch])) is not None
            and head.tags.get(row.policy) == row.tag
        ]
    for row, branch, sha in lost:
        for pull in run.repo.forge.find_pull_requests(head=branch):
            is_it = (pull.head_sha, pull.base) == (sha, base) and not pull.is_from_fork
            if is_it and pull.state is not PullRequestState.CLOSED:
                _take_in(run, row, pull)
                break


def _take_in(run: LaneRun, row: PromotionRow, pull: PullRequest) -> None:
    now, learned = run.now(), {"pull_request": pull.number, "branch": pull.head, "head_sha": pull.head_sha}
    with run.writing() as connection:
        if pull_requests.find(connection, run.lane, pull.number) is not None:
            return
        pull_requests.upsert(
            connection,
            PullRequestRow(
                lane=run.lane,
                number=pull.number,
                branch=pull.head,
                stage=row.stage,
                group=row.policy,
                url=pull.url,
                title=pull.title,
                state=PullRequestState.OPEN,
                head_sha="",  # until the next proposal writes it down in full, labels too
                tags={row.policy: row.tag},
                opened_at=now,
            ),
        )
        reason = f"pull request {pull.number} was opened by a run that was broken off"
        promotions.move(connection, row.id, PromotionState.PROPOSED, reason=reason, who=US, at=now, learned=learned)


def _read(run: LaneRun, row: PullRequestRow) -> PullRequest | None:
    try:
        return run.repo.forge.pull_request(row.number)
    except NotFound:
        return None


def _note_merged(run: LaneRun, row: PullRequestRow, pull: PullRequest) -> None:
    """A merge counts for the head that was merged: one of ours, else the fields on the merge commit decide.

    That head may carry an older tag than the last one we meant to push: whoever merged was quicker. A pull request that
    a person gave another base let nothing in here.
    """
    who, now = pull.merged_by or "unknown", run.now()
    at = pull.merged_at or now
    is_here = pull.base == run.claim.branch
    landed = _carried(run, row, pull) if is_here else {}
    learned = {"merged_by": who, "merged_at": at, "merge_commit": pull.merge_commit, "head_sha": pull.head_sha}
    reason = f"pull request {row.number} was merged by {who}"
    with run.writing() as connection:
        for policy, tag in sorted(landed.items()):
            promotion = _promotion_of(connection, row, policy=policy, tag=tag)
            if promotion is not None:
                state = PromotionState.MERGED
                promotions.move(connection, promotion.id, state, reason=reason, who=who, at=now, learned=learned)
        for left in promotions.of_pull_request(connection, run.lane, row.number):
            other = f"pull request {row.number} was merged {'with other content' if is_here else f'into {pull.base}'}"
            promotions.move(connection, left.id, PromotionState.SUPERSEDED, reason=other, who=who, at=now)
        ended = replace(row, state=PullRequestState.MERGED, ended_at=at, ended_by=who, head_sha=pull.head_sha)
        pull_requests.upsert(connection, ended)


def _tell_flux(run: LaneRun, pull: PullRequest) -> None:
    """Once for each merge into our base, outside of any transaction: it is written down by now, so no run repeats it.

    A call that gets lost with the process costs nothing but time, for Flux also fetches by itself.
    """
    if pull.base == run.claim.branch and not run.repo.is_observing:
        run.repo.tell_flux(f"{pull.base}@sha1:{pull.merge_commit or pull.head_sha}")


def _promotion_of(connection: Connection, row: PullRequestRow, *, policy: str, tag: str) -> PromotionRow | None:
    """The promotion that a pull request carries for a tag, also one that a newer tag had superseded meanwhile."""
    found = promotions.latest(connection, row.lane, stage=row.stage, policy=policy, tag=tag)
    if found is None or found.state in {PromotionState.MERGED, PromotionState.REVERTED}:
        return None
    return found


def _carried(run: LaneRun, row: PullRequestRow, pull: PullRequest) -> Mapping[str, str]:
    """The tag of each policy in the pull request's head: what we wrote down before the push, else what is there."""
    with run.database.transaction() as connection:
        head = pushed_heads.find(connection, run.lane, pull.head_sha)
    if head is not None:
        return head.tags
    commit = pull.merge_commit
    if commit is None:
        return row.tags
    repository = run.repo.repository
    if not repository.has_commit(commit):
        repository.fetch()
    if not repository.has_commit(commit):
        return {}
    found = _tags_of(view_at(repository, run.scans, commit))
    return {policy: found[row.stage, policy] for policy in row.tags if (row.stage, policy) in found}


def _tags_of(view: LaneView) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for one, stage in view.staged:
        tag = tag_in(one.marked.part, one.marked.text)
        if tag is not None:
            found.setdefault((stage, str(one.policy)), tag)
    return found


def _note_closed(run: LaneRun, row: PullRequestRow, pull: PullRequest | None, heads: Mapping[str, str]) -> None:
    """Closed by anyone but us is a person's no, and it holds; after our own closing the branch goes too."""
    closer = pull.closed_by if pull is not None else None
    now = run.now()
    is_ours = closer is not None and closer == run.repo.forge.account()
    who = US if is_ours else closer or "unknown"
    if is_ours and pull is not None:
        _delete_branch(run, row, pull, heads)
    carried = row.tags if pull is None else _carried(run, row, pull)
    with run.writing() as connection:
        if not is_ours:
            for policy, tag in sorted(carried.items()):
                hold_closed(run, connection, stage=row.stage, policy=policy, tag=tag, number=row.number, who=who)
        for promotion in promotions.of_pull_request(connection, run.lane, row.number):
            reason = f"pull request {row.number} was closed by {who}"
            promotions.move(connection, promotion.id, PromotionState.CLOSED, reason=reason, who=who, at=now)
        at = (pull.closed_at if pull is not None else None) or now
        pull_requests.upsert(connection, replace(row, state=PullRequestState.CLOSED, ended_at=at, ended_by=who))


def _note_reopened(run: LaneRun, row: PullRequestRow) -> None:
    with run.writing() as connection:
        holds.lift_of_pull_request(connection, run.lane, row.number, at=run.now())
        pull_requests.upsert(connection, replace(row, state=PullRequestState.OPEN, ended_at=None, ended_by=None))


def _delete_branch(run: LaneRun, row: PullRequestRow, pull: PullRequest, heads: Mapping[str, str]) -> None:
    """Delete a branch that did its work, before that is written down; one that has moved is somebody's and stays."""
    if not run.repo.is_observing and heads.get(row.branch) == pull.head_sha:
        run.repo.repository.push([BranchUpdate(row.branch, None, pull.head_sha)])

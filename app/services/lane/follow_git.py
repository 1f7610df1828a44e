"""Follow Git: tags that came to the base branch by other ways than our pull requests, and reverts of ours."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from app.core.ports import Commit, PullRequestState
from app.core.promotion.state import PolicyState
from app.db import fields, holds, promotions, pull_requests, pushed_heads, requests
from app.db.promotions import NewPromotion, PromotionRow, PromotionState
from app.db.pull_requests import PullRequestRow
from app.services.heads.view import HeadView
from app.services.lane.hold import hold_reverted
from app.services.lane.run import LaneRun


@dataclass(frozen=True, slots=True)
class _Moved:
    """A stage's tag for one policy that is not the one we last knew there; `newest` is what was let in last.

    `image` is the one that the new tag is of.
    """

    stage: str
    state: PolicyState
    old: str
    new: str
    file: str
    image: str
    newest: PromotionRow | None


def follow_git(run: LaneRun, view: HeadView, states: tuple[PolicyState, ...]) -> bool:
    """Write down the tags that came into Git by other ways than our pull requests, and reverts of ours.

    What a stage has is compared with what was let in last, so that a merge and its revert between two runs are seen.
    True where the forge is still to tell who did it.
    """
    last = run.claim.last_head
    if last is None or last == view.commit:
        return False
    with run.database.transaction() as connection:
        moves = _moves(run, connection, states)
    untold = [_note_move(run, moved, last=last, head=view.commit) for moved in moves]
    return any(untold)


def _moves(run: LaneRun, connection: Connection, states: tuple[PolicyState, ...]) -> list[_Moved]:
    seen: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for row in fields.of(connection, run.lane):
        if row.tag is not None:
            seen[row.stage, row.policy, row.file].add(row.tag)
    found: list[_Moved] = []
    brought = promotions.merged_last(connection, run.lane)
    for state in states:
        for stage in sorted({one.stage for one in state.fields}):
            moved = _moved(state, stage, brought.get((stage, str(state.name))), seen)
            if moved is not None:
                found.append(moved)
    return found


def _moved(
    state: PolicyState, stage: str, newest: PromotionRow | None, seen: Mapping[tuple[str, str, str], set[str]]
) -> _Moved | None:
    """The stage has left the tag that was let in last, or one file of it has; a file that is new moves nothing."""
    now: dict[str, list[str]] = defaultdict(list)
    for one in state.fields:
        if one.stage == stage and one.tag is not None:
            now[one.field.file].append(one.tag)
    has_left = newest is not None and all(newest.tag not in tags for tags in now.values())
    for file, tags in now.items():
        before = seen.get((stage, str(state.name), file), set())
        was = newest.tag if newest is not None else min(before, default=None)
        new = next((tag for tag in tags if tag != was and (has_left or tag not in before)), None)
        if was is None or new is None or not (has_left or before):
            continue
        if has_left or (was in before and was not in tags):
            return _Moved(stage, state, was, new, file, _image(state, file, new), newest)
    return None


def _image(state: PolicyState, file: str, tag: str) -> str:
    others = (one.other_image for one in state.fields if (one.field.file, one.tag) == (file, tag))
    return next(filter(None, others), state.policy.image_text)


def _note_move(run: LaneRun, moved: _Moved, *, last: str, head: str) -> bool:
    policy, now, newest = str(moved.state.name), run.now(), moved.newest
    repository = run.repo.repository
    is_known = repository.has_commit(last)  # a rewritten base branch and a fresh mirror: it is nowhere any more
    commits = repository.commits_between(last, head, paths=[moved.file]) if is_known else ()
    who = commits[0].author if commits else "unknown"
    commit = commits[0].sha if commits else head
    with run.writing() as connection:
        if newest is not None and _is_backwards(moved):
            _note_revert(run, connection, newest, who=who, commit=commit)
            if not _is_asked(run, connection, moved):
                hold_reverted(run, connection, newest, who=who)
        ours = _ours_among(run, connection, commits, policy=policy, tag=moved.new)
        promotion = promotions.begin(
            connection,
            NewPromotion(
                lane=run.lane,
                stage=moved.stage,
                policy=policy,
                image=moved.image,
                tag=moved.new,
                digest=None,
                from_tag=moved.old,
                reason=f"changed in Git by {who}",
                origin="git",
            ),
            who=who,
            at=now,
        )
        promotions.move(
            connection,
            promotion.id,
            PromotionState.MERGED,
            reason=f"commit {commit[:12]} by {who}",
            who=who,
            at=now,
            learned={
                "merged_by": who,
                "merged_at": commits[0].committed_at if commits else now,
                "merge_commit": commit,
                **({"pull_request": ours.number, "branch": ours.branch, "head_sha": ours.head_sha} if ours else {}),
            },
        )
        is_untold = ours is not None and ours.state is PullRequestState.CLOSED
        if ours is not None and is_untold:
            _let_forge_tell(run, connection, ours)
    return is_untold


def _ours_among(
    run: LaneRun, connection: Connection, commits: Sequence[Commit], *, policy: str, tag: str
) -> PullRequestRow | None:
    """The pull request of ours whose head came along, though it was not open any more, with that head."""
    heads = pushed_heads.among(connection, run.lane, (one.sha for one in commits))
    for sha, head in heads.items():
        row = pull_requests.with_head(connection, run.lane, sha)
        if row is not None and head.tags.get(policy) == tag:
            return replace(row, head_sha=sha)
    return None


def _let_forge_tell(run: LaneRun, connection: Connection, ours: PullRequestRow) -> None:
    """One that was closed may have been reopened and merged between two looks: closing it is no refusal any more."""
    now = run.now()
    holds.lift_of_pull_request(connection, run.lane, ours.number, at=now)
    merged = replace(ours, state=PullRequestState.MERGED, ended_at=now, ended_by=None)
    pull_requests.upsert(connection, merged)


def _is_backwards(moved: _Moved) -> bool:
    """Back to what was there before, or down in the policy's order, in which a tag of another image has no place."""
    compiled, newest = moved.state.compiled, moved.newest
    is_back = newest is not None and moved.new == newest.from_tag
    if newest is not None and newest.image != moved.image:
        return is_back and moved.image != moved.state.policy.image_text
    return is_back or (compiled is not None and (compiled.compare(moved.new, moved.old) or 0) < 0)


def _note_revert(run: LaneRun, connection: Connection, promotion: PromotionRow, *, who: str, commit: str) -> None:
    """Taken back on the base branch."""
    promotions.move(
        connection,
        promotion.id,
        PromotionState.REVERTED,
        reason=f"commit {commit[:12]} by {who} took it back",
        who=who,
        at=run.now(),
    )


def _is_asked(run: LaneRun, connection: Connection, moved: _Moved) -> bool:
    """Whether somebody asked for what came: its request holds all that it should, and its forge tells later."""
    asked = (one.request for one in requests.open_in(connection, run.lane) if one.request.stage == moved.stage)
    return any(one.tags.get(str(moved.state.name)) == moved.new for one in asked)

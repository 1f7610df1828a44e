"""Closings: who closed a pull request, by what its forge tells or by what we wrote down before we closed it."""

from collections.abc import Mapping
from dataclasses import replace

from app.core.commits import is_same_commit
from app.core.facts import US
from app.core.ports import BranchUpdate, PullRequest, PullRequestState
from app.core.promotion.plans import Closure
from app.core.writing import texts
from app.db import pull_requests
from app.db.pull_requests import PullRequestRow
from app.services.lane.run import LaneRun
from app.services.telling.comments import closed_at, comment_on

_QUICKER = "somebody merged or closed it meanwhile; looked at again"

NOBODY_KNOWN = "unknown"
"""Stands for a person whom nobody names."""


def closer_of(run: LaneRun, row: PullRequestRow | None, pull: PullRequest | None) -> str:
    """Who closed it: `US`, a person's login, or NOBODY_KNOWN, which counts as a person too.

    The forge's word comes first. Where it has none, it was us if we were about to.
    """
    told = pull.closed_by if pull is not None else None
    if told is not None:
        return US if told == run.repo.forge.account() else told
    was_about_to = pull is not None and row is not None and row.closing_at is not None
    return US if was_about_to else NOBODY_KNOWN


def announce_closing(run: LaneRun, number: int) -> PullRequestRow | None:
    """Write down that we are about to close it, so that its closing is never taken for a person's no."""
    with run.writing() as connection:
        row = pull_requests.find(connection, run.lane, number)
        if row is not None:
            row = replace(row, closing_at=run.now())
            pull_requests.upsert(connection, row)
    return row


def forget_closing(run: LaneRun, row: PullRequestRow) -> None:
    """It is still open, so that whoever closes it from now on is somebody else."""
    if row.closing_at is not None:
        with run.writing() as connection:
            pull_requests.upsert(connection, replace(row, closing_at=None))


def close_own(run: LaneRun, closure: Closure, heads: Mapping[str, str]) -> str | None:
    """Close one of ours, delete its branch and say why; returns why not, where somebody was quicker."""
    forge = run.repo.forge
    pull = forge.pull_request(closure.number)
    if pull.state is not PullRequestState.OPEN:
        return _QUICKER
    row = announce_closing(run, closure.number)
    closed = forge.close_pull_request(closure.number)
    if closed.state is PullRequestState.MERGED or closer_of(run, row, closed) != US:
        return _QUICKER
    present = heads.get(pull.head, "")
    if is_same_commit(present, pull.head_sha):
        run.repo.repository.push([BranchUpdate(pull.head, None, present)])
    now, text = run.now(), f"Closed by Fluxbridge: {texts.code(closure.reason)}."
    with run.writing() as connection:
        if row is not None:
            ended = replace(row, state=PullRequestState.CLOSED, ended_at=now, ended_by=US)
            pull_requests.upsert(connection, ended)
        occasion = closed_at(closed.closed_at or now)
        comment_on(connection, run.repo, closure.number, occasion=occasion, text=text, now=now)
    return None

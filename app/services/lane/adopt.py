"""Adopt: take in pull requests that a run opened and was broken off before it wrote that down."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from app.core.commits import is_same_commit
from app.core.facts import US
from app.core.flux.objects import PolicyName
from app.core.ports import PullRequest, PullRequestSeen, PullRequestState
from app.core.promotion.branches import branch_name, written_part
from app.core.promotion.requests import Request
from app.core.promotion.rules import Rules
from app.db import promotions, pull_requests, pushed_heads, requests
from app.db.promotions import PromotionState
from app.db.pull_requests import PullRequestRow
from app.db.pushed_heads import PushedHead
from app.services.lane.run import LaneRun


def adopt(
    run: LaneRun, rules: Rules, carried: Mapping[str, PushedHead | None], listed: Iterable[PullRequestSeen]
) -> None:
    """Take in what is open from a head of ours and unknown, and what was merged before anybody had written it down."""
    open_here = [one for one in listed if one.base == run.claim.branch]
    with run.database.transaction() as connection:
        known = {row.number for row in pull_requests.numbered(connection, run.lane, (one.number for one in open_here))}
    for seen in open_here:
        head = carried.get(seen.head)
        if seen.number not in known and head is not None:
            pull = run.repo.forge.pull_request(seen.number)
            if pull.author == run.repo.forge.account():
                _take_in(run, rules, pull, head)
    for branch, heads in _lost(run, rules, {one.head for one in open_here}).items():
        for pull in run.repo.forge.find_pull_requests(head=branch):
            head = next((one for sha, one in heads.items() if is_same_commit(sha, pull.head_sha)), None)
            if head is not None and pull.base == run.claim.branch and pull.state is not PullRequestState.CLOSED:
                _take_in(run, rules, pull, head)
                break


def _lost(run: LaneRun, rules: Rules, open_branches: set[str]) -> Mapping[str, Mapping[str, PushedHead]]:
    """What was pushed, by commit, to branches from which something may have been opened that we know nothing of."""
    prefix, base = run.repo.prefix, run.claim.branch
    wanted: dict[str, set[tuple[str, str]]] = defaultdict(set)
    found: dict[str, dict[str, PushedHead]] = defaultdict(dict)
    with run.database.transaction() as connection:
        for row in promotions.open_in(connection, run.lane):
            group = rules.group_of(PolicyName.parse(row.policy), row.stage).name
            branch = branch_name(prefix=prefix, base=base, stage=row.stage, group=group)
            if row.pull_request is None and branch not in open_branches:
                wanted[branch].add((row.policy, row.tag))
        for asked in requests.open_in(connection, run.lane):
            branch = _own_branch(run, asked.request)
            if asked.pull_request is None and branch not in open_branches:
                wanted[branch] |= asked.request.tags.items()
        for head in pushed_heads.of_branches(connection, run.lane, wanted):
            found[head.branch][head.sha] = head
    return {
        branch: heads
        for branch, heads in found.items()
        if any(wanted[branch] & head.tags.items() for head in heads.values())
    }


def _take_in(run: LaneRun, rules: Rules, pull: PullRequest, head: PushedHead) -> None:
    now, learned = run.now(), {"pull_request": pull.number, "branch": pull.head, "head_sha": head.sha}
    reason = f"pull request {pull.number} was opened by a run that was broken off"
    with run.writing() as connection:
        stages = promotions.stages_of(connection, run.lane, min(head.tags))
        stage = next((one for one in stages if written_part(one) == pull.head.split("/")[2]), None)
        if stage is None or pull_requests.find(connection, run.lane, pull.number) is not None:
            return
        group = rules.group_of(PolicyName.parse(min(head.tags)), stage).name
        request = _request_of(run, connection, head, stage)
        if request is not None and pull.head == _own_branch(run, request):
            group = request.own_place
        row = PullRequestRow(
            lane=run.lane,
            number=pull.number,
            branch=pull.head,
            stage=stage,
            group=group,
            url=pull.url,
            title=pull.title,
            state=PullRequestState.OPEN,
            head_sha="",  # until the next proposal writes it down in full, labels too
            tags=head.tags,
            opened_at=now,
            request=None if request is None else request.id,
        )
        pull_requests.upsert(connection, row)
        for policy, tag in sorted(head.tags.items()):
            begun = promotions.find_open(connection, run.lane, stage=stage, policy=policy, tag=tag)
            if begun is not None and begun.pull_request is None:
                state = PromotionState.PROPOSED
                promotions.move(connection, begun.id, state, reason=reason, who=US, at=now, learned=learned)


def _own_branch(run: LaneRun, request: Request) -> str:
    base = run.claim.branch
    return branch_name(prefix=run.repo.prefix, base=base, stage=request.stage, group=request.own_place)


def _request_of(run: LaneRun, connection: Connection, head: PushedHead, stage: str) -> Request | None:
    """The open request whose tags a head carries: those of its policies that had not got them yet."""
    asked = (one.request for one in requests.open_in(connection, run.lane))
    return next((one for one in asked if one.stage == stage and head.tags.items() <= one.tags.items()), None)

"""Propose: commits in the mirror, one push of many branches, and a pull request for each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from app.core.manifests.markers import set_fields
from app.core.ports import (
    BranchUpdate,
    CommitDraft,
    PullRequest,
    PullRequestDraft,
    PullRequestState,
    PushOutcome,
    PushResult,
)
from app.core.promotion import texts
from app.core.promotion.planning import Closure, Plan
from app.core.promotion.proposals import Proposal
from app.db import builds, promotions, pull_requests, pushed_heads
from app.db.promotions import PromotionState
from app.db.pull_requests import PullRequestRow
from app.db.pushed_heads import PushedHead
from app.services.hold import hold_closed
from app.services.lane_run import US, LaneRun
from app.services.read_lane import LaneView

_THEIRS = "a person pushed to this branch, so it is theirs: Fluxbridge leaves it alone from here on"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A proposal with the commit that carries it and where its branch and pull request are now."""

    proposal: Proposal
    promotion_id: str
    commit: str
    parent: str
    remote_head: str | None
    pull: PullRequest | None

    @property
    def needs_push(self) -> bool:
        """Whether the branch is not at this commit yet."""
        return self.remote_head != self.commit


@dataclass(frozen=True, slots=True)
class Proposer:
    """Makes branches and pull requests agree with a plan."""

    run: LaneRun
    view: LaneView
    heads: Mapping[str, str]
    open_pulls: Mapping[int, PullRequest]

    def carry_out(self, planned: Plan, ids: Mapping[tuple[str, str], str]) -> bool:
        """Push and open what should exist, close what should not; false when something must be looked at again."""
        drafts = [
            draft
            for proposal in planned.proposals
            if (draft := self._draft(proposal, ids[proposal.stage, proposal.group])) is not None
        ]
        results = self._push([draft for draft in drafts if draft.needs_push])
        is_settled = True
        for draft in drafts:
            result = results.get(draft.proposal.branch, PushResult(PushOutcome.DONE))
            is_settled &= self._open(draft, result)
        for closure in planned.closures:
            is_settled &= self._close(closure)
        return is_settled

    def _draft(self, proposal: Proposal, promotion_id: str) -> Draft | None:
        pull = self._open_pull(proposal.branch)
        remote_head = self.heads.get(proposal.branch)
        if remote_head is not None and not self._is_ours(remote_head):
            self._leave_to_people(proposal, promotion_id, pull)
            return None
        parent = self._parent(proposal, pull, remote_head)
        commit = self._commit(proposal, promotion_id, parent)
        if remote_head is not None and self._is_same(commit, remote_head, parent):
            commit = remote_head
        if pull is None and self._was_refused_by_people(proposal, promotion_id, commit):
            return None
        return Draft(
            proposal=proposal,
            promotion_id=promotion_id,
            commit=commit,
            parent=parent,
            remote_head=remote_head,
            pull=pull,
        )

    def _open_pull(self, branch: str) -> PullRequest | None:
        known = next((pull for pull in self.open_pulls.values() if pull.head == branch), None)
        return known or next(
            (
                pull
                for pull in self.run.repo.forge.find_pull_requests(head=branch)
                if pull.state is PullRequestState.OPEN and not pull.is_from_fork and pull.base == self.run.claim.branch
            ),
            None,
        )

    def _is_ours(self, head: str) -> bool:
        """One of our pushed heads, or the forge's own "update branch" merge of one with the base branch."""
        with self.run.database.transaction() as connection:
            if pushed_heads.has(connection, self.run.lane, head):
                return True
            parents = self.run.repo.repository.commit(head).parents
            ours = [parent for parent in parents if pushed_heads.has(connection, self.run.lane, parent)]
        others = [parent for parent in parents if parent not in ours]
        if len(parents) != 2 or len(ours) != 1:
            return False
        repository = self.run.repo.repository
        return repository.is_ancestor(others[0], self.view.commit) and self._is_plain_merge(head, ours[0], others[0])

    def _is_plain_merge(self, head: str, ours: str, base: str) -> bool:
        """Every file is one of the parents': who resolved something by hand has put work into the branch."""
        there, left, right = (self.run.repo.repository.tree(commit) for commit in (head, ours, base))
        paths = there.keys() | left.keys() | right.keys()
        return all(there.get(path) in (left.get(path), right.get(path)) for path in paths)

    def _leave_to_people(self, proposal: Proposal, promotion_id: str, pull: PullRequest | None) -> None:
        """A branch that a person pushed to is theirs; its pull request is told so once."""
        with self.run.writing() as connection:
            row = promotions.find(connection, promotion_id)
            is_told = promotions.was_said(
                connection, self.run.lane, stage=proposal.stage, policy=proposal.group, reason=_THEIRS
            )
            if row is not None and row.reason != _THEIRS:
                state = PromotionState.PROPOSED if pull is not None else PromotionState.WAITING
                promotions.move(connection, promotion_id, state, reason=_THEIRS, who=US, at=self.run.now())
        if pull is not None and not is_told:
            wanted = f"{proposal.move.image}:{proposal.move.tag}"
            self.run.repo.forge.comment(pull.number, f"{_THEIRS}. It would propose {texts.code(wanted)} here.")

    def _parent(self, proposal: Proposal, pull: PullRequest | None, remote_head: str | None) -> str:
        """The branch keeps its parent while the edited files are the same on base and there is no conflict."""
        if remote_head is None or pull is None or pull.has_conflict:
            return self.view.commit
        with self.run.database.transaction() as connection:
            pushed = pushed_heads.find(connection, self.run.lane, remote_head)
        if pushed is None or not self.run.repo.repository.has_commit(pushed.base_sha):
            return self.view.commit
        then, now = self.run.repo.repository.tree(pushed.base_sha), self.view.entries
        same = all(then.get(file) == now.get(file) for file in proposal.files)
        return pushed.base_sha if same else self.view.commit

    def _commit(self, proposal: Proposal, promotion_id: str, parent: str) -> str:
        repository = self.run.repo.repository
        blobs = {file: self.view.entries[file].blob for file in proposal.files}
        contents = repository.blobs(set(blobs.values()))
        edited = {
            file: set_fields(
                contents[blob],
                {
                    change.field.marked.start: change.new_text
                    for change in proposal.changes
                    if change.field.file == file
                },
            )
            for file, blob in blobs.items()
        }
        at = max(repository.commit(parent).committed_at, proposal.move.decided_at)
        message = texts.commit_message(proposal, promotion_id=promotion_id)
        return repository.write_commit(CommitDraft(parent=parent, files=edited, message=message, at=at))

    def _is_same(self, commit: str, remote_head: str, parent: str) -> bool:
        """The same tree on the same parent needs no push, whatever the message says."""
        if commit == remote_head:
            return True
        repository = self.run.repo.repository
        there = repository.commit(remote_head)
        return there.tree == repository.commit(commit).tree and parent in there.parents

    def _was_refused_by_people(self, proposal: Proposal, promotion_id: str, commit: str) -> bool:
        """One that another account closed at the head that we would propose is a no that we missed."""
        forge = self.run.repo.forge
        for pull in forge.find_pull_requests(head=proposal.branch):
            if pull.state is not PullRequestState.CLOSED or pull.is_from_fork or pull.head_sha != commit:
                continue
            who = pull.closed_by or "unknown"
            if who == forge.account():
                continue
            with self.run.writing() as connection:
                promotion = promotions.find(connection, promotion_id)
                if promotion is not None:
                    hold_closed(
                        self.run,
                        connection,
                        stage=promotion.stage,
                        policy=promotion.policy,
                        tag=promotion.tag,
                        number=pull.number,
                        who=who,
                    )
                    reason = f"pull request {pull.number} was closed by {who}"
                    promotions.move(
                        connection, promotion_id, PromotionState.CLOSED, reason=reason, who=who, at=self.run.now()
                    )
            return True
        return False

    def _push(self, drafts: Sequence[Draft]) -> Mapping[str, PushResult]:
        if not drafts:
            return {}
        with self.run.writing() as connection:
            for draft in drafts:
                head = PushedHead(
                    lane=self.run.lane,
                    branch=draft.proposal.branch,
                    sha=draft.commit,
                    base_sha=draft.parent,
                    tags={draft.proposal.group: draft.proposal.move.tag},
                    recorded_at=self.run.now(),
                )
                pushed_heads.record(connection, head)
        updates = [BranchUpdate(draft.proposal.branch, draft.commit, draft.remote_head) for draft in drafts]
        return self.run.repo.repository.push(updates)

    def _open(self, draft: Draft, result: PushResult) -> bool:
        if result.outcome is PushOutcome.STALE:
            return False
        if result.outcome is PushOutcome.REFUSED:
            reason = f"the push of {draft.proposal.branch} was refused: {texts.one_line(result.reason)[:300]}"
            with self.run.writing() as connection:
                promotions.move(
                    connection, draft.promotion_id, PromotionState.WAITING, reason=reason, who=US, at=self.run.now()
                )
            self.run.notes.append(reason)
            return False
        pull = self._write_pull_request(draft)
        self._record(draft, pull)
        return True

    def _write_pull_request(self, draft: Draft) -> PullRequest:
        forge, proposal = self.run.repo.forge, draft.proposal
        title = texts.title(proposal)
        body = texts.body(proposal, build_url=self._build_url(proposal))
        pull = draft.pull
        if pull is None or not self._is_recorded(pull):
            # Also one that is there although its answer was lost: it is open, but nobody gave it its labels.
            wanted = PullRequestDraft(
                head=proposal.branch, base=self.run.claim.branch, title=title, body=body, labels=proposal.labels
            )
            pull = forge.open_pull_request(wanted)
        if (pull.title, pull.body.strip()) != (title, body.strip()):
            return forge.edit_pull_request(pull.number, title=title, body=body)
        return pull

    def _is_recorded(self, pull: PullRequest) -> bool:
        with self.run.database.transaction() as connection:
            row = pull_requests.find(connection, self.run.lane, pull.number)
        return row is not None and bool(row.head_sha)

    def _build_url(self, proposal: Proposal) -> str | None:
        if proposal.move.build is None:
            return None
        with self.run.database.transaction() as connection:
            row = builds.find(connection, proposal.move.build.build_id)
        return row.url if row is not None else None

    def _record(self, draft: Draft, pull: PullRequest) -> None:
        proposal, now = draft.proposal, self.run.now()
        with self.run.writing() as connection:
            known = pull_requests.find(connection, self.run.lane, pull.number)
            pull_requests.upsert(
                connection,
                PullRequestRow(
                    lane=self.run.lane,
                    number=pull.number,
                    branch=proposal.branch,
                    stage=proposal.stage,
                    group=proposal.group,
                    url=pull.url,
                    title=pull.title,
                    state=PullRequestState.OPEN,
                    head_sha=draft.commit,
                    tags={proposal.group: proposal.move.tag},
                    opened_at=known.opened_at if known is not None else now,
                    ended_at=None,
                    ended_by=None,
                ),
            )
            row = promotions.find(connection, draft.promotion_id)
            is_new = row is None or (row.state, row.pull_request, row.head_sha) != (
                PromotionState.PROPOSED,
                pull.number,
                draft.commit,
            )
            if is_new:
                promotions.move(
                    connection,
                    draft.promotion_id,
                    PromotionState.PROPOSED,
                    reason="; ".join(proposal.move.reasons),
                    who=US,
                    at=now,
                    learned={
                        "pull_request": pull.number,
                        "branch": proposal.branch,
                        "head_sha": draft.commit,
                        "build_id": proposal.move.build.build_id if proposal.move.build else None,
                    },
                )

    def _close(self, closure: Closure) -> bool:
        """Close one of ours; false when its head is merged already and the forge only has to notice."""
        if closure.number not in self.open_pulls:
            return True
        pull = self.run.repo.forge.pull_request(closure.number)
        if pull.state is not PullRequestState.OPEN:
            return False
        repository = self.run.repo.repository
        if repository.has_commit(pull.head_sha) and repository.is_ancestor(pull.head_sha, self.view.commit):
            return False
        self.run.repo.forge.comment(closure.number, f"Closed by Fluxbridge: {texts.code(closure.reason)}.")
        closed = self.run.repo.forge.close_pull_request(closure.number)
        if closed.state is PullRequestState.MERGED:
            return False
        if self.heads.get(pull.head) == pull.head_sha and self._is_ours(pull.head_sha):
            repository.push([BranchUpdate(pull.head, None, pull.head_sha)])
        with self.run.writing() as connection:
            row = pull_requests.find(connection, self.run.lane, closure.number)
            if row is not None:
                state = PullRequestState.CLOSED
                pull_requests.upsert(connection, replace(row, state=state, ended_at=self.run.now(), ended_by=US))
        return True

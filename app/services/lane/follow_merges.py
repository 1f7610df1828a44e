"""Follow merges: what a merged pull request let in, by whom, also where only Git shows it yet."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from app.core.commits import is_same_commit
from app.core.errors import NotFound
from app.core.facts import US
from app.core.ports import BranchUpdate, GitMerge, PullRequest, PullRequestSeen, PullRequestState
from app.core.promotion.field_texts import tag_in
from app.db import promotions, pull_requests
from app.db.promotions import NewPromotion, PromotionRow, PromotionState
from app.db.pull_requests import PullRequestRow
from app.services.heads.view import HeadView, view_at
from app.services.lane.closings import NOBODY_KNOWN
from app.services.lane.follow_requests import note_merged
from app.services.lane.own_heads import OwnHeads
from app.services.lane.run import LaneRun
from app.services.lane.whole_ids import in_full
from app.services.telling.call_receivers import tell_flux

_MOST_COMMITS = 1000
_LET_IN = {PromotionState.MERGED, PromotionState.REVERTED}


@dataclass(frozen=True, slots=True)
class MergeNotes:
    """Writes down merges of one lane's pull requests, as of the heads that this run fetched."""

    run: LaneRun
    own: OwnHeads
    heads: Mapping[str, str]

    def note_merged(self, row: PullRequestRow, pull: PullRequest) -> None:
        """The forge tells of a merge: the branch has done its work, and Flux is told once."""
        self._note_told(row, pull, is_news=True)

    def note_merged_by_git(self, row: PullRequestRow, seen: PullRequestSeen | None) -> bool:
        """Note an open one whose head came into the base branch by git; false where it did not.

        Who did is the merge commit's author, until the forge itself tells of the merge.
        """
        merge = self._merge_in_base(row, seen)
        if merge is None:
            return False
        shown = self.run.repo.forge.notice_merge(row.number, merge)
        pull = replace(in_full(self.run.repo.repository, shown), head_sha=merge.head)
        if pull.state is PullRequestState.MERGED:
            self._note_told(row, pull, is_news=True)
        else:
            pull = replace(pull, merged_by=merge.by, merged_at=merge.at, merge_commit=merge.commit)
            self._write(row, pull, told_by=None, is_news=True)
        return True

    def note_told(self, row: PullRequestRow) -> bool:
        """What only Git had shown of a merge is corrected once the forge tells; true where it does."""
        try:
            pull = in_full(self.run.repo.repository, self.run.repo.forge.pull_request(row.number))
        except NotFound:
            pull = None
        if pull is not None and pull.state is PullRequestState.OPEN:
            return False
        if pull is not None and pull.state is PullRequestState.MERGED:
            self._note_told(row, pull, is_news=False)
            return True
        with self.run.writing() as connection:
            pull_requests.upsert(connection, replace(row, ended_by=(pull and pull.closed_by) or NOBODY_KNOWN))
        return False

    def _note_told(self, row: PullRequestRow, pull: PullRequest, *, is_news: bool) -> None:
        if pull.base == self.run.claim.branch:
            self.delete_branch(row, pull)
        self._write(row, pull, told_by=pull.merged_by or "unknown", is_news=is_news)

    def delete_branch(self, row: PullRequestRow, pull: PullRequest) -> None:
        """Delete a branch that did its work, before that is written down; one that has moved is somebody's."""
        present = self.heads.get(row.branch, "")
        if not self.run.repo.is_observing and is_same_commit(present, pull.head_sha):
            self.run.repo.repository.push([BranchUpdate(row.branch, None, present)])

    def carried(self, row: PullRequestRow, pull: PullRequest) -> Mapping[str, str]:
        """The tag of each policy in the pull request's head: what we wrote down before the push, else what is there."""
        head = self.own.of(pull.head_sha)
        if head is not None:
            return head.tags
        commit = pull.merge_commit
        if commit is None:
            return row.tags
        repository = self.run.repo.repository
        if not repository.has_commit(commit):
            repository.fetch()
        if not repository.has_commit(commit):
            return {}
        found = _tags_of(view_at(repository, self.run.scans, commit))
        policies = row.tags or {row.group: ""}
        return {policy: found[row.stage, policy] for policy in policies if (row.stage, policy) in found}

    def _merge_in_base(self, row: PullRequestRow, seen: PullRequestSeen | None) -> GitMerge | None:
        """How a head of this pull request came into the base branch; None where it did not."""
        repository, base = self.run.repo.repository, self.own.base
        if self.run.claim.last_head == base:
            return None
        present = self.heads.get(row.branch)
        found = [present] if present is not None else [seen.head_sha if seen else None, row.head_sha]
        for head in map(repository.full_id, filter(None, found)):
            if repository.has_commit(head) and repository.is_ancestor(head, base) and self._is_to_merge(head):
                return self._merge_of(head)
        return None

    def _is_to_merge(self, head: str) -> bool:
        """Ours, or a person's that came into the base since: who sets a branch back to the base merges nothing."""
        last, repository = self.run.claim.last_head, self.run.repo.repository
        if self.own.of(head) is not None:
            return True
        return last is not None and repository.has_commit(last) and not repository.is_ancestor(head, last)

    def _merge_of(self, head: str) -> GitMerge:
        """The commit that merged a head into the base branch; of a fast-forward nobody knows who pushed it."""
        repository = self.run.repo.repository
        later = repository.commits_between(head, self.own.base, limit=_MOST_COMMITS)
        merge = next((commit for commit in reversed(later) if head in commit.parents[1:]), None)
        if merge is None:
            return GitMerge(head=head, commit=head, by="unknown", at=repository.commit(head).committed_at)
        return GitMerge(head=head, commit=merge.sha, by=merge.author, at=merge.committed_at)

    def _write(self, row: PullRequestRow, pull: PullRequest, *, told_by: str | None, is_news: bool) -> None:
        """Write a merge down, and with it, where it `is_news`, that Flux is to be told.

        A merge counts for the head that was merged: one of ours, else the fields on the merge commit decide.

        That head may carry another tag than the one that was last written down here: whoever merged was quicker. A
        pull request that a person gave another base let nothing in here.
        """
        run = self.run
        who, now = pull.merged_by or "unknown", run.now()
        at = pull.merged_at or now
        is_here = pull.base == run.claim.branch
        landed = self.carried(row, pull) if is_here else {}
        let_in = _LetIn(row, who, self._learned(row, pull), self._noted_already(row, pull, landed))
        with run.writing() as connection:
            for policy, tag in sorted(landed.items()):
                let_in.write(run, connection, policy=policy, tag=tag)
            how = "with other content" if is_here else f"into {pull.base}"
            for left in promotions.of_pull_request(connection, run.lane, row.number):
                other = f"pull request {row.number} was merged {how}"
                promotions.move(connection, left.id, PromotionState.SUPERSEDED, reason=other, who=who, at=now)
            ended = replace(row, state=PullRequestState.MERGED, ended_at=at, ended_by=told_by, head_sha=pull.head_sha)
            pull_requests.upsert(connection, ended)
            note_merged(run, connection, row, landed, who=who)
            if is_news and is_here and not run.repo.is_observing:
                merge = pull.merge_commit or pull.head_sha
                tell_flux(connection, run.repo, branch=pull.base, commit=merge, now=now)

    def _learned(self, row: PullRequestRow, pull: PullRequest) -> Mapping[str, object]:
        return {
            "merged_by": pull.merged_by or "unknown",
            "merged_at": pull.merged_at or self.run.now(),
            "merge_commit": pull.merge_commit,
            "head_sha": pull.head_sha,
            "pull_request": row.number,
            "branch": row.branch,
        }

    def _noted_already(self, row: PullRequestRow, pull: PullRequest, landed: Mapping[str, str]) -> frozenset[str]:
        """Policies of which this very merge is in the history already, because Git showed it before the forge did."""
        with self.run.database.transaction() as connection:
            found = {policy: _latest(connection, row, policy=policy, tag=tag) for policy, tag in landed.items()}
        return frozenset(policy for policy, one in found.items() if one is not None and self._is_same(one, row, pull))

    def _is_same(self, one: PromotionRow, row: PullRequestRow, pull: PullRequest) -> bool:
        if one.state not in _LET_IN or one.merge_commit is None:
            return False
        merge = pull.merge_commit or pull.head_sha
        if one.merge_commit == merge or (one.pull_request, one.head_sha) == (row.number, pull.head_sha):
            return True
        repository = self.run.repo.repository
        is_known = repository.has_commit(merge) and repository.has_commit(one.merge_commit)
        return is_known and repository.is_ancestor(merge, one.merge_commit)


@dataclass(frozen=True, slots=True)
class _LetIn:
    """One merge, as it is written into the history of each promotion that it let in; `same` are known already."""

    row: PullRequestRow
    who: str
    learned: Mapping[str, object]
    same: frozenset[str]

    def write(self, run: LaneRun, connection: Connection, *, policy: str, tag: str) -> None:
        """Find the promotion by what the head carries: also one that a newer tag had superseded meanwhile."""
        found = _latest(connection, self.row, policy=policy, tag=tag)
        reason, now = f"pull request {self.row.number} was merged by {self.who}", run.now()
        if found is None:
            return
        if found.state is PromotionState.REVERTED and policy not in self.same:
            found = promotions.begin(connection, _anew(found, reason), who=US, at=now)
        elif found.state in _LET_IN:
            is_news = any(getattr(found, name) != value for name, value in self.learned.items() if value is not None)
            if policy in self.same and is_news:
                told = f"{reason}, as the forge tells"
                promotions.move(
                    connection, found.id, found.state, reason=told, who=self.who, at=now, learned=self.learned
                )
            return
        state = PromotionState.MERGED
        promotions.move(connection, found.id, state, reason=reason, who=self.who, at=now, learned=self.learned)


def _anew(found: PromotionRow, reason: str) -> NewPromotion:
    """The same tag came in once more after it was taken back."""
    return NewPromotion(
        lane=found.lane,
        stage=found.stage,
        policy=found.policy,
        image=found.image,
        tag=found.tag,
        digest=found.digest,
        from_tag=found.from_tag,
        reason=reason,
        origin=US,
        build_id=found.build_id,
    )


def _latest(connection: Connection, row: PullRequestRow, *, policy: str, tag: str) -> PromotionRow | None:
    return promotions.latest(connection, row.lane, stage=row.stage, policy=policy, tag=tag)


def _tags_of(view: HeadView) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for one, stage in view.staged:
        tag = tag_in(one.marked.part, one.marked.text)
        if tag is not None:
            found.setdefault((stage, str(one.policy)), tag)
    return found

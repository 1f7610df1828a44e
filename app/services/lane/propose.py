"""Propose: commits in the mirror, one push of many branches, and a pull request for each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from app.core.commits import is_same_commit
from app.core.facts import US
from app.core.ports import (
    BranchUpdate,
    BuildCheck,
    CommitDraft,
    PullRequest,
    PullRequestDraft,
    PullRequestSeen,
    PullRequestState,
    PushOutcome,
    PushResult,
)
from app.core.promotion.plans import Closure, KeptBack, Plan, Standing
from app.core.promotion.proposals import Place, Proposal
from app.core.promotion.requests import Request
from app.core.writing import texts
from app.db import builds, promotions, pull_requests, pushed_heads
from app.db.promotions import PromotionState
from app.db.pull_requests import PullRequestRow
from app.db.pushed_heads import PushedHead
from app.services.heads.view import HeadView
from app.services.lane.check_builds import paths_that_build
from app.services.lane.closings import close_own, closer_of
from app.services.lane.hold import hold_closed
from app.services.lane.proposal_commits import CannotEdit, ProposalCommits
from app.services.lane.pull_request_records import PullRequestRecords, Written
from app.services.lane.run import LaneRun

_BASE_MOVED = "the base branch moved meanwhile; planned again at once"
_MAYBE_MERGED = "it may have been merged, which its forge is about to tell; looked at again"
_HIGHER = "push a higher tag"
_REOPEN = f"reopen it, or {_HIGHER}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A proposal with the commit that carries it and where its branch and pull request are now."""

    proposal: Proposal
    commit: str
    parent: str
    remote_head: str | None
    pull: PullRequestSeen | None

    @property
    def needs_push(self) -> bool:
        """Whether the branch is not at this commit yet."""
        return self.remote_head != self.commit


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A proposal whose commit is to be written. `ended` are the pull requests of its branch that are open no more."""

    proposal: Proposal
    remote_head: str | None
    pull: PullRequestSeen | None
    ended: Sequence[PullRequest]
    commit: CommitDraft


@dataclass(frozen=True, slots=True)
class Proposer:
    """Makes branches and pull requests agree with a plan."""

    run: LaneRun
    view: HeadView
    heads: Mapping[str, str]
    open_pulls: Mapping[int, PullRequestSeen]
    ids: Mapping[Place, str]
    """The promotion of each move, by its stage and policy."""
    kept_back: dict[Place, KeptBack] = field(default_factory=dict)
    """Why what was planned could not be done."""
    kept_open: dict[int, str] = field(default_factory=dict)
    """Why pull requests could not be closed yet, by their numbers."""

    @property
    def commits(self) -> ProposalCommits:
        """How proposals become commits."""
        return ProposalCommits(self.run, self.view)

    def carry_out(self, planned: Plan) -> bool:
        """Push and open what should exist, close what should not; false when something must be looked at again."""
        drafts = self._drafts(planned.proposals)
        results = self._push([draft for draft in drafts if draft.needs_push])
        records = PullRequestRecords.read(self.run, self.ids, [one.pull.number for one in drafts if one.pull])
        is_settled = True
        for draft in drafts:
            result = results.get(draft.proposal.branch, PushResult(PushOutcome.DONE))
            is_settled &= self._open(draft, result, records)
        has_moved = bool(planned.closures) and self._has_base_moved()
        for closure in planned.closures:
            why = _BASE_MOVED if has_moved else self._close(closure)
            if why is not None:
                self.kept_open[closure.number] = why
        return is_settled and not self.kept_open

    def _has_base_moved(self) -> bool:
        """Whether somebody merged meanwhile, perhaps what is to be closed: a forge may tell that later than git."""
        present = self.run.repo.repository.remote_branches()
        return present.get(self.run.claim.branch) != self.view.commit

    def _drafts(self, proposals: Sequence[Proposal]) -> list[Draft]:
        """The commits of all proposals, written at once."""
        contents, pushed = self.commits.contents_of(proposals), self._pushed(proposals)
        wanted = [one for proposal in proposals if (one := self._want(proposal, contents, pushed)) is not None]
        commits = self.run.repo.repository.write_commits([one.commit for one in wanted])
        drafts = (self._draft(one, commit) for one, commit in zip(wanted, commits, strict=True))
        return [draft for draft in drafts if draft is not None and self._still_builds(draft)]

    def _pushed(self, proposals: Sequence[Proposal]) -> Mapping[str, PushedHead]:
        """What we know of the commits at which the branches of proposals are, by commit."""
        heads = {self.heads[one.branch] for one in proposals if one.branch in self.heads}
        with self.run.database.transaction() as connection:
            return pushed_heads.among(connection, self.run.lane, heads)

    def _want(
        self, proposal: Proposal, contents: Mapping[str, bytes], pushed: Mapping[str, PushedHead]
    ) -> _Wanted | None:
        pull, ended = self._pulls_from(proposal.branch)
        remote_head = self.heads.get(proposal.branch)
        request = proposal.request
        if request is not None and pull is not None and self._is_anothers(request, pull):
            why = self._close(Closure(pull.number, request.taking_words))
            if why is not None:
                self.kept_open[pull.number] = why
                self._note_kept_back(proposal, KeptBack(why, is_trouble=False))
                return None
            pull, remote_head = None, None
        parent = self.commits.parent_of(proposal, pull, pushed.get(remote_head or ""))
        try:
            commit = self.commits.draft(proposal, self.ids, parent, contents)
        except CannotEdit as error:
            self._keep_back(proposal, str(error))
            return None
        return _Wanted(proposal, remote_head, pull, ended, commit)

    def _is_anothers(self, request: Request, pull: PullRequestSeen) -> bool:
        """Whether people approved what is open for something else than was asked for, or set it to merge by itself."""
        row = self._row(pull.number)
        is_its_own = row is not None and row.request == request.id
        return not is_its_own and self.run.repo.forge.pull_request(pull.number).is_committed

    def _draft(self, wanted: _Wanted, commit: str) -> Draft | None:
        proposal, remote_head = wanted.proposal, wanted.remote_head
        is_asked = proposal.request is not None  # whose commit tells of it, also where the tree is there already
        if not is_asked and remote_head is not None and self.commits.is_same(commit, remote_head, wanted.commit.parent):
            commit = remote_head
        if wanted.pull is None and self._was_refused_by_people(wanted, commit):
            return None
        return Draft(
            proposal=proposal,
            commit=commit,
            parent=wanted.commit.parent,
            remote_head=remote_head,
            pull=wanted.pull,
        )

    def _builds(self, draft: Draft) -> tuple[BuildCheck, ...] | None:
        """How the builds of the edited files end; None where nobody asked for it."""
        builder = self.run.repo.builder
        if builder is None:
            return None
        return builder.check_builds(draft.parent, draft.commit, paths_that_build(self.view, draft.proposal))

    def _still_builds(self, draft: Draft) -> bool:
        """What built before builds with the edits too; if not, they are kept back."""
        broken = [one for one in self._builds(draft) or () if one.is_broken_by_edit]
        for one in broken:
            problem = f"{texts.folder(one.path)} would no longer build: {one.problem_after}"
            self._keep_back(draft.proposal, texts.one_line(problem)[:1000])
        return not broken

    def _pulls_from(self, branch: str) -> tuple[PullRequestSeen | None, Sequence[PullRequest]]:
        """The pull request that is open from a branch, or else those that there were, newest first."""
        known = next((pull for pull in self.open_pulls.values() if pull.head == branch), None)
        if known is not None:
            return known, ()
        found = [pull for pull in self.run.repo.forge.find_pull_requests(head=branch) if not pull.is_from_fork]
        into_base = (pull for pull in found if pull.base == self.run.claim.branch)
        open_one = next((pull.seen for pull in into_base if pull.state is PullRequestState.OPEN), None)
        return open_one, found

    def _keep_back(self, proposal: Proposal, reason: str) -> None:
        """A proposal that cannot be made waits, and says why; the others go on."""
        with self.run.writing() as connection:
            for place in proposal.places:
                row = promotions.find(connection, self.ids[place])
                if row is None or row.reason != reason:
                    state, now = PromotionState.WAITING, self.run.now()
                    promotions.move(connection, self.ids[place], state, reason=reason, who=US, at=now)
        self._note_kept_back(proposal, KeptBack(reason))
        self.run.notes.append(reason)

    def _note_kept_back(self, proposal: Proposal, why: KeptBack) -> None:
        self.kept_back.update(dict.fromkeys(proposal.places, why))

    def _was_refused_by_people(self, wanted: _Wanted, commit: str) -> bool:
        """One that another account closed at the head that we would propose is a no that we missed."""
        for pull in wanted.ended:
            if pull.state is not PullRequestState.CLOSED or not is_same_commit(pull.head_sha, commit):
                continue
            known = self._row(pull.number)
            if known is not None and wanted.proposal.request is not None:
                continue  # of another request, or of this one, which that has ended
            who = closer_of(self.run, known, pull)
            if who == US:
                continue
            reason = f"pull request {pull.number} was closed by {who}"
            next_step = _REOPEN if self.run.repo.forge.capabilities.can_reopen else _HIGHER
            why = KeptBack(reason, Standing.HELD, is_trouble=False, next_step=next_step)
            self._note_kept_back(wanted.proposal, why)
            with self.run.writing() as connection:
                for place in wanted.proposal.places:
                    row = promotions.find(connection, self.ids[place])
                    if row is not None:
                        tags = {row.policy: row.tag}
                        hold_closed(self.run, connection, stage=row.stage, tags=tags, number=pull.number, who=who)
                        state, now = PromotionState.CLOSED, self.run.now()
                        promotions.move(connection, row.id, state, reason=reason, who=who, at=now)
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
                    tags=draft.proposal.tags,
                    recorded_at=self.run.now(),
                )
                pushed_heads.record(connection, head)
        updates = [BranchUpdate(draft.proposal.branch, draft.commit, draft.remote_head) for draft in drafts]
        return self.run.repo.repository.push(updates)

    def _open(self, draft: Draft, result: PushResult, records: PullRequestRecords) -> bool:
        if result.outcome is PushOutcome.STALE:
            if self.run.claim.attempts > 0:
                reason = f"{draft.proposal.branch} is moved by others whenever it is pushed: {result.reason[:300]}"
                self._keep_back(draft.proposal, texts.one_line(reason))
            else:
                reason = f"{draft.proposal.branch} was moved by others while it was pushed; planned again at once"
                self._note_kept_back(draft.proposal, KeptBack(reason, is_trouble=False))
            return False
        if result.outcome is PushOutcome.REFUSED:
            reason = f"the push of {draft.proposal.branch} was refused: {texts.one_line(result.reason)[:300]}"
            self._keep_back(draft.proposal, reason)
            return False
        records.write(draft.proposal, self._write_pull_request(draft, records))
        return True

    def _write_pull_request(self, draft: Draft, records: PullRequestRecords) -> Written:
        """Open it, or say in it what has changed since we last said something."""
        forge, proposal = self.run.repo.forge, draft.proposal
        title = texts.title(proposal)
        body = texts.body(
            proposal,
            build_urls=self._build_urls(proposal),
            builds=self._builds(draft),
            noticed=self.view.noticed_beside(proposal.files),
            longest=forge.capabilities.longest_body,
        )
        text_hash = sha256(f"{title}\n\n{body}".encode()).hexdigest()
        known = records.pulls.get(draft.pull.number) if draft.pull is not None else None
        if known is None or not known.head_sha:
            # Also one that is there although its answer was lost: it is open, but nobody gave it its labels.
            wanted = PullRequestDraft(
                head=proposal.branch, base=self.run.claim.branch, title=title, body=body, labels=proposal.labels
            )
            pull = forge.open_pull_request(wanted)
            if (pull.title, pull.body.strip()) != (title, body.strip()):
                forge.edit_pull_request(pull.number, title=title, body=body, version=pull.version)
            return Written(number=pull.number, url=pull.url, title=title, text_hash=text_hash, commit=draft.commit)
        if known.text_hash != text_hash:
            forge.edit_pull_request(known.number, title=title, body=body)
        return Written(number=known.number, url=known.url, title=title, text_hash=text_hash, commit=draft.commit)

    def _row(self, number: int) -> PullRequestRow | None:
        with self.run.database.transaction() as connection:
            return pull_requests.find(connection, self.run.lane, number)

    def _build_urls(self, proposal: Proposal) -> Mapping[str, str]:
        """Where builds are seen; a report may name any address, so only one of its own controller counts."""
        ids = [move.build.build_id for move in proposal.moves if move.build is not None]
        if not ids:
            return {}
        with self.run.database.transaction() as connection:
            rows = [builds.find(connection, one) for one in ids]
        return {
            row.id: row.url
            for row in rows
            if row is not None and row.url is not None and self.run.systems.is_of_controller(row.url, row.controller)
        }

    def _close(self, closure: Closure) -> str | None:
        """Close one of ours that is open; why not, when somebody was quicker, or may have been."""
        if closure.number not in self.open_pulls:
            return None
        if closure.is_in_base and self.run.claim.last_head != self.view.commit:
            # It may have been merged just now, squashed or rebased: whether it was shows at the next look.
            return _MAYBE_MERGED
        return close_own(self.run, closure, self.heads)

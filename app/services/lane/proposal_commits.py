"""Proposals as commits in the mirror: which parent they stand on, and what they change."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.core.errors import Invalid
from app.core.manifests.editing import edit_file, files_beside
from app.core.manifests.text.setting import CannotSet
from app.core.ports import CommitDraft, PullRequestSeen, TreeEntry
from app.core.promotion.proposals import Change, Place, Proposal
from app.core.writing import texts
from app.db.pushed_heads import PushedHead
from app.services.heads.view import HeadView
from app.services.lane.run import LaneRun


class CannotEdit(Invalid):
    """A file cannot be given the texts of a proposal."""

    def __init__(self, file: str, error: CannotSet) -> None:
        super().__init__(f"{file}: {error}")


@dataclass(frozen=True, slots=True)
class ProposalCommits:
    """Makes commits of proposals, the same for the same proposal and base."""

    run: LaneRun
    view: HeadView

    def contents_of(self, proposals: Sequence[Proposal]) -> Mapping[str, bytes]:
        """What the files that these proposals may change hold on the base branch, by blob."""
        blobs = {entry.blob for proposal in proposals for entry in self._entries_of(proposal).values()}
        return self.run.repo.repository.blobs(blobs) if blobs else {}

    def parent_of(self, proposal: Proposal, pull: PullRequestSeen | None, pushed: PushedHead | None) -> str:
        """The branch keeps its parent while the edited files are the same on base and there is no conflict.

        `pushed` is what we know of the commit at which the branch is.
        """
        if pull is None or pushed is None or not self.run.repo.repository.has_commit(pushed.base_sha):
            return self.view.commit
        then = self.run.repo.repository.tree(pushed.base_sha)
        same = all(then.get(file) == entry for file, entry in self._entries_of(proposal).items())
        return pushed.base_sha if same and not self._has_conflict(pull) else self.view.commit

    def _has_conflict(self, pull: PullRequestSeen) -> bool:
        """Whether the forge reports one; it is asked once the base has moved, for only then one can come up."""
        if self.run.claim.last_head == self.view.commit:
            return False
        return self.run.repo.forge.pull_request(pull.number).has_conflict is True

    def draft(
        self, proposal: Proposal, promotion_ids: Mapping[Place, str], parent: str, contents: Mapping[str, bytes]
    ) -> CommitDraft:
        """The commit that makes a proposal's changes, all of them. Raises CannotEdit."""
        edited: dict[str, bytes] = {}
        for file, changes in _by_file(proposal).items():
            together = {path: contents[entry.blob] for path, entry in self._edited_with(file).items()}
            settings = [(change.field.marked, change.new_text) for change in changes]
            unreadable = [path for path in files_beside(file) if path in self.view.entries and path not in together]
            try:
                edited |= edit_file(file, together, settings, unreadable=unreadable)
            except CannotSet as error:
                raise CannotEdit(file, error) from error
        at = max(self.run.repo.repository.commit(parent).committed_at, proposal.decided_at)
        message = texts.commit_message(proposal, promotion_ids=promotion_ids)
        return CommitDraft(parent=parent, files=edited, message=message, at=at)

    def _edited_with(self, file: str) -> dict[str, TreeEntry]:
        """A file and those that change together with it, as they are on the base branch."""
        paths = (file, *files_beside(file))
        return {path: entry for path in paths if (entry := self.view.entries.get(path)) and entry.is_regular}

    def _entries_of(self, proposal: Proposal) -> dict[str, TreeEntry]:
        """Every file that a proposal may change, as it is on the base branch."""
        found: dict[str, TreeEntry] = {}
        for file in _by_file(proposal):
            found |= self._edited_with(file)
        return found

    def is_same(self, commit: str, remote_head: str, parent: str) -> bool:
        """The same tree on the same parent needs no push, whatever the message says."""
        if commit == remote_head:
            return True
        repository = self.run.repo.repository
        there = repository.commit(remote_head)
        return there.tree == repository.commit(commit).tree and parent in there.parents


def _by_file(proposal: Proposal) -> Mapping[str, Sequence[Change]]:
    found: dict[str, list[Change]] = defaultdict(list)
    for change in proposal.changes:
        found[change.field.file].append(change)
    return found

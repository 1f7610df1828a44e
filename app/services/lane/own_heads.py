"""Own heads: which commits at the tip of branches are ours, and which tags each carries. The one place that tells."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.core.promotion.branches import is_of_base
from app.db import pushed_heads
from app.db.pushed_heads import PushedHead
from app.services.lane.run import LaneRun


@dataclass(frozen=True, slots=True)
class OwnHeads:
    """Tells our commits from those of people, by what was written down before each push."""

    run: LaneRun
    base: str
    """The head of the base branch."""

    def of(self, head: str) -> PushedHead | None:
        """What was written down of a head of ours: a pushed one, or the forge's own "update branch" merge of one."""
        with self.run.database.transaction() as connection:
            found = pushed_heads.find(connection, self.run.lane, head)
        return found or self._updated(head)

    def by_branch(self, heads: Mapping[str, str]) -> Mapping[str, PushedHead | None]:
        """Of each branch that we would make for this base, what it carries; None where its head is a person's."""
        prefix, base = self.run.repo.prefix, self.run.claim.branch
        ours = {branch: sha for branch, sha in heads.items() if is_of_base(prefix, base, branch)}
        with self.run.database.transaction() as connection:
            known = pushed_heads.among(connection, self.run.lane, ours.values())
        return {branch: known.get(sha) or self._updated(sha) for branch, sha in ours.items()}

    def _updated(self, head: str) -> PushedHead | None:
        repository = self.run.repo.repository
        if not repository.has_commit(head):
            return None
        parents = repository.commit(head).parents
        with self.run.database.transaction() as connection:
            ours = pushed_heads.among(connection, self.run.lane, parents)
        others = [parent for parent in parents if parent not in ours]
        if len(parents) != 2 or len(ours) != 1:
            return None
        [(parent, found)], [other] = ours.items(), others
        is_update = repository.is_ancestor(other, self.base) and self._is_plain_merge(head, parent, other)
        return found if is_update else None

    def _is_plain_merge(self, head: str, ours: str, base: str) -> bool:
        """Every file is one of the parents': who resolved something by hand has put work into the branch."""
        there, left, right = (self.run.repo.repository.tree(commit) for commit in (head, ours, base))
        paths = there.keys() | left.keys() | right.keys()
        return all(there.get(path) in (left.get(path), right.get(path)) for path in paths)

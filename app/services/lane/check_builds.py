"""Check builds: whether what Flux applies still builds with a proposal's edits, where the settings ask for it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from app.core.ports import BuildCheck, ManifestBuilder
from app.core.promotion.proposals import Proposal
from app.services.heads.view import HeadView

_MOST_KEPT = 2_000


@dataclass(slots=True)
class CheckedBuilds:
    """Builds each pair of commits once in the life of a process: what a commit holds never changes.

    Builds that did not end in time are tried again.
    """

    builder: ManifestBuilder
    _known: dict[tuple[str, str, tuple[str, ...]], tuple[BuildCheck, ...]] = field(default_factory=dict)

    def check_builds(self, before: str, after: str, paths: Sequence[str]) -> tuple[BuildCheck, ...]:
        """See `ManifestBuilder`."""
        key = (before, after, tuple(paths))
        if key in self._known:
            return self._known[key]
        checks = self.builder.check_builds(before, after, paths)
        if all(check.has_ended for check in checks):
            if len(self._known) >= _MOST_KEPT:
                self._known = {}
            self._known[key] = checks
        return checks


def paths_that_build(view: HeadView, proposal: Proposal) -> tuple[str, ...]:
    """The paths of Flux's Kustomizations that apply one of a proposal's files."""
    return tuple(
        sorted(
            {
                one.path
                for one in view.tree.kustomizations
                if any(view.tree.reaches(one, file) for file in proposal.files)
            }
        )
    )

"""Follow what clusters tell: which promotion became part of which, by the content of the revision that was applied.

Flux tells it of its Kustomizations; where a Jenkins deploys, its builds do.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

from sqlalchemy import Connection

from app.core.facts import DEPLOYER
from app.core.flux.rendering import Override
from app.core.flux.resolved import Field
from app.core.flux.tree import FluxTree
from app.core.promotion.applying import ApplicationState, is_running
from app.core.promotion.field_texts import tag_in
from app.db import applications, deliveries, promotions, revisions
from app.db.applications import NewApplication
from app.db.cluster_states import Place
from app.db.revisions import RevisionRow
from app.senders.flux_revision import parse_revision
from app.services.heads.view import HeadView, view_at
from app.services.lane.overrides import decisive, overrides_beside, overrides_of
from app.services.lane.run import LaneRun

_HELM = "a HelmRelease names no commit: let the Kustomization that has it wait for it, and follow that"
_NO_COMMIT = (
    "the revision names no commit: of an OCI artifact only `originRevision` does (flux push artifact --revision)"
)
_FOLLOWED = frozenset({"Kustomization", DEPLOYER})


@dataclass(frozen=True, slots=True)
class _Applying:
    """What a Kustomization or a deployer applies: which files, and what decides in place of their fields."""

    reaches: Callable[[str], bool]
    overrides: Callable[[Collection[Field]], Mapping[Field, tuple[Override, ...]]]


def follow_flux(run: LaneRun, head: str) -> None:
    """Turn every revision of this lane's branch that was reported and not yet looked at into applications."""
    with run.database.transaction() as connection:
        waiting = list(revisions.unexamined(connection, run.repo.name))

    @lru_cache(maxsize=2)  # some clusters tell of a commit while others still tell of the one before it
    def view_of(commit: str) -> HeadView:
        return view_at(run.repo.repository, run.scans, commit)

    for row in waiting:
        _examine(run, row, head, view_of)


def _examine(run: LaneRun, row: RevisionRow, head: str, view_of: Callable[[str], HeadView]) -> None:
    repository, branch = run.repo.repository, row.branch or parse_revision(row.revision).branch
    if row.kind not in _FOLLOWED or row.commit is None:
        _note(run, row, unused=_NO_COMMIT if row.kind in _FOLLOWED else _HELM)
    elif branch != run.claim.branch and branch in run.repo.branches:
        return
    elif not repository.has_commit(row.commit) or not repository.is_ancestor(row.commit, head):
        _note(run, row, unused=_not_on_base(run, row.commit, branch), is_examined=False)
    else:
        view = view_of(row.commit)
        applying = _applying(run, row, view)
        if applying is not None:
            _record(run, row, row.commit, view, applying)
        _note(run, row, unused=_why_not_found(view.tree, row) if applying is None else None)


def _applying(run: LaneRun, row: RevisionRow, view: HeadView) -> _Applying | None:
    """What applied a revision, as the files of that revision have it; None where they do not tell."""
    if row.kind == DEPLOYER:
        return _Applying(partial(view.tree.deploys, row.root), lambda _fields: overrides_beside(view))
    found = view.tree.find_kustomization(root=row.root or None, namespace=row.namespace, name=row.name)
    if found is None or not found.is_here:
        return None
    return _Applying(partial(view.tree.reaches, found), partial(overrides_of, run.repo.repository, view, found))


def _not_on_base(run: LaneRun, commit: str, branch: str | None) -> str:
    bases = " or ".join(run.repo.branches)
    if branch is not None and branch not in run.repo.branches:
        return f"no lane of {run.repo.name} is of {branch}, and commit {commit[:12]} is not on {bases}"
    return f"commit {commit[:12]} is not on {branch or bases} of {run.repo.name}; it is looked at again once it is"


def _record(run: LaneRun, row: RevisionRow, commit: str, view: HeadView, applying: _Applying) -> None:
    present = _present(view, applying)
    fields = [one for tags in present.values() for held in tags.values() for one in held]
    overrides = applying.overrides(fields) if fields else {}
    with run.writing() as connection:
        for (stage, policy), tags in sorted(present.items()):
            if len(tags) != 1:
                continue
            [(tag, held)] = tags.items()
            place = Place(run.lane, stage, policy, row.cluster, row.kustomization)
            told = _told(connection, row, place, tag, [each for one in held for each in overrides.get(one, ())])
            if told is not None:
                promotion_id, state, message = told
                new = NewApplication(
                    place=place,
                    promotion_id=promotion_id,
                    state=state,
                    revision=row.revision,
                    commit=commit,
                    message=message,
                    at=row.began_at or row.at,
                )
                applications.record(connection, new, recorded_at=run.now())


def _told(
    connection: Connection, row: RevisionRow, place: Place, tag: str, overrides: Sequence[Override]
) -> tuple[str, ApplicationState, str] | None:
    """The promotion that a result is about, where it stands then, and the words for it.

    Where no promotion brought the tag that the cluster has now, it is told of the one whose place it took.
    """
    state = revisions.state_told_of(row)
    let_in = promotions.latest_let_in(connection, place.lane, stage=place.stage, policy=place.policy, tag=tag)
    if let_in is not None:
        override = decisive(overrides, digest=let_in.digest) if is_running(state) else None
        if override is not None:
            return let_in.id, ApplicationState.OVERRIDDEN, f"overridden by {override.what}"
        return let_in.id, state, f"{row.reason}: {row.message}" if row.is_failure else row.message
    ran = applications.running_at(connection, place)
    if ran is None or not is_running(ran.state) or not is_running(state):
        return None
    return ran.promotion_id, ApplicationState.REPLACED, f"{tag} took its place, which no promotion brought"


def _present(view: HeadView, applying: _Applying) -> Mapping[tuple[str, str], Mapping[str, list[Field]]]:
    """The tags that each stage and policy has in the files which are applied, with the fields of each."""
    found: dict[tuple[str, str], dict[str, list[Field]]] = {}
    files = {one.file for one, _ in view.staged}
    reached = set(filter(applying.reaches, files))
    for one, stage in view.staged:
        tag = tag_in(one.marked.part, one.marked.text)
        if tag is not None and one.file in reached:
            found.setdefault((stage, str(one.policy)), {}).setdefault(tag, []).append(one)
    return found


def _why_not_found(tree: FluxTree, row: RevisionRow) -> str:
    name = f"Kustomization {row.kustomization}"
    named = [one for one in tree.kustomizations if (one.namespace, one.name) == (row.namespace, row.name)]
    inside = tree.brought_in(row.root or None)
    reached = [one for one in inside if one in named]
    if not named:
        return f"no file of the repository declares {name}"
    if not inside:
        return f"the source's root {row.root!r} reaches no Kustomization; {named[0].file} declares {name}"
    if not reached:
        return f"the source's root {row.root!r} does not reach {named[0].file}, which declares {name}"
    if len(reached) > 1:
        return f"{', '.join(sorted(one.file for one in reached)[:3])} declare {name}: no single one can be followed"
    return f"{name} builds nothing of this repository, or a path that only the cluster knows"


def _note(run: LaneRun, row: RevisionRow, *, unused: str | None, is_examined: bool = True) -> None:
    # Without the lane's row: a delivery about the same revision takes the two the other way round.
    if unused == row.unused and is_examined == row.is_examined:
        return
    with run.database.transaction() as connection:
        is_it = revisions.note_use(connection, row, is_examined=is_examined, unused=unused)
        if is_it and unused != row.unused and row.delivery_id is not None:
            said = (
                f"{deliveries.IGNORED}: {unused}" if unused is not None else "facts: RevisionApplied, looked at by now"
            )
            deliveries.learn_outcome(connection, row.delivery_id, said)

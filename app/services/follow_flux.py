"""Follow Flux: which promotion became part of which cluster, by the content of the revision that Flux applied."""

from collections.abc import Iterable

from app.core.flux.tree import FluxTree
from app.core.promotion.state import tag_in
from app.db import applications, promotions, revisions
from app.db.applications import NewApplication
from app.db.revisions import RevisionRow
from app.services.lane_run import LaneRun
from app.services.read_lane import LaneView, view_at


def follow_flux(run: LaneRun, head: str) -> None:
    """Turn every revision of this lane's branch that was reported and not yet looked at into applications."""
    with run.database.transaction() as connection:
        waiting = list(revisions.unexamined(connection, run.repo.name))
    for row in waiting:
        _examine(run, row, head)


def _examine(run: LaneRun, row: RevisionRow, head: str) -> None:
    repository = run.repo.repository
    if row.commit is None or row.kind != "Kustomization":
        _mark(run, row)
        return
    branch = row.revision.partition("@")[0]
    if branch != run.claim.branch and branch in run.repo.branches:
        return
    if not repository.has_commit(row.commit) or not repository.is_ancestor(row.commit, head):
        return
    view = view_at(repository, run.scans, row.commit)
    present = _present(view, row)
    with run.writing() as connection:
        for (stage, policy), tags in sorted(present.items()):
            if len(tags) != 1:
                continue
            promotion = promotions.latest_let_in(connection, run.lane, stage=stage, policy=policy, tag=min(tags))
            if promotion is not None:
                applications.record(
                    connection,
                    NewApplication(
                        promotion_id=promotion.id,
                        cluster=row.cluster,
                        kustomization=f"{row.namespace}/{row.name}",
                        state="failed" if row.is_failure else "applied",
                        revision=row.revision,
                        commit=row.commit,
                        message=row.message,
                        at=row.at,
                    ),
                    recorded_at=run.now(),
                )
    _mark(run, row)


def _mark(run: LaneRun, row: RevisionRow) -> None:
    # Without the lane's row: a delivery about the same revision takes the two the other way round.
    with run.database.transaction() as connection:
        revisions.mark_examined(connection, row)


def _present(view: LaneView, row: RevisionRow) -> dict[tuple[str, str], set[str]]:
    """The tags that each stage and policy has in the files which the event's Kustomization reaches."""
    found: dict[tuple[str, str], set[str]] = {}
    reached = _reached(view.tree, row, {one.file for one, _ in view.staged})
    for one, stage in view.staged:
        tag = tag_in(one.marked.part, one.marked.text)
        if tag is not None and one.file in reached:
            found.setdefault((stage, str(one.policy)), set()).add(tag)
    return found


def _reached(tree: FluxTree, row: RevisionRow, files: Iterable[str]) -> set[str]:
    kustomization = tree.find_kustomization(root=row.root or None, namespace=row.namespace, name=row.name)
    if kustomization is None:
        return set()
    return {file for file in files if tree.reaches(kustomization, file)}

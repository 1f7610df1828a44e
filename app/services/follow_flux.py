"""Follow Flux: which promotion became part of which cluster, by the content of the revision that Flux applied."""

from app.core.flux.fields import Field
from app.core.flux.objects import FluxKustomization
from app.core.promotion.state import tag_in
from app.db import applications, promotions, revisions
from app.db.applications import NewApplication
from app.db.revisions import RevisionRow
from app.services.lane_run import LaneRun
from app.services.overrides import decisive, overrides_of
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
    kustomization = view.tree.find_kustomization(root=row.root or None, namespace=row.namespace, name=row.name)
    present = _present(view, kustomization) if kustomization is not None else {}
    fields = [one for tags in present.values() for held in tags.values() for one in held]
    overrides = overrides_of(repository, view, kustomization, fields) if kustomization is not None and fields else {}
    with run.writing() as connection:
        for (stage, policy), tags in sorted(present.items()):
            if len(tags) != 1:
                continue
            [(tag, held)] = tags.items()
            promotion = promotions.latest_let_in(connection, run.lane, stage=stage, policy=policy, tag=tag)
            if promotion is not None:
                found = (override for one in held for override in overrides.get(one, ()))
                override = decisive(found, digest=promotion.digest) if not row.is_failure else None
                applications.record(
                    connection,
                    NewApplication(
                        promotion_id=promotion.id,
                        cluster=row.cluster,
                        kustomization=f"{row.namespace}/{row.name}",
                        state="failed" if row.is_failure else "applied" if override is None else "overridden",
                        revision=row.revision,
                        commit=row.commit,
                        message=row.message if override is None else f"overridden by {override.what}",
                        at=row.at,
                    ),
                    recorded_at=run.now(),
                )
    _mark(run, row)


def _mark(run: LaneRun, row: RevisionRow) -> None:
    # Without the lane's row: a delivery about the same revision takes the two the other way round.
    with run.database.transaction() as connection:
        revisions.mark_examined(connection, row)


def _present(view: LaneView, kustomization: FluxKustomization) -> dict[tuple[str, str], dict[str, list[Field]]]:
    """The tags that each stage and policy has in the files which a Kustomization reaches, with the fields of each."""
    found: dict[tuple[str, str], dict[str, list[Field]]] = {}
    files = {one.file for one, _ in view.staged}
    reached = {file for file in files if view.tree.reaches(kustomization, file)}
    for one, stage in view.staged:
        tag = tag_in(one.marked.part, one.marked.text)
        if tag is not None and one.file in reached:
            found.setdefault((stage, str(one.policy)), {}).setdefault(tag, []).append(one)
    return found

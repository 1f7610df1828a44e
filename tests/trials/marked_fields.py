"""Fields of one app in a lane: what is written of them, and what Flux tells once they are merged."""

from collections.abc import Mapping
from pathlib import Path

from app.core.facts import RevisionApplied
from app.db import applications, revisions
from app.db.applications import ApplicationRow
from app.db.database import Database
from tests.end_to_end.bridge import policy
from tests.services.lanes import IMAGE, NOW, Lane

APP = '# {"$imagepolicy": "flux-system:app:tag"}'
REFERENCE = '# {"$imagepolicy": "flux-system:app"}'
LFS = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'4d' * 32}\nsize 12345\n"
MAC = "ENC[AES256_GCM,data:QUJD,iv:QUJD,tag:QUJD,type:str]"
SOPS = f"sops:\n  mac: {MAC}\n  version: 3.9.0\n"
TEMPLATED = f"kind: Deployment\nimage: {IMAGE}:{{{{ .tag }}}} {REFERENCE}\n"


def lane_of(tmp_path: Path, database: Database, files: Mapping[str, str], *, tag: str = "1.1.0") -> Lane:
    """A lane over these files, after its first run and the push of a tag."""
    lane = Lane.create(tmp_path, database, {"images/app.yaml": policy(), **files})
    lane.run()
    lane.push(tag)
    lane.run()
    return lane


def applied(lane: Lane, commit: str, *, name: str = "apps") -> list[ApplicationRow]:
    """Flux tells of a commit in staging; what that means for every promotion."""
    told = RevisionApplied(
        cluster="staging",
        kind="Kustomization",
        namespace="flux-system",
        name=name,
        revision=f"main@sha1:{commit}",
        commit=commit,
        is_failure=False,
        reason="ReconciliationSucceeded",
        message="Reconciliation finished",
        at=NOW,
    )
    with lane.database.transaction() as connection:
        revisions.note(connection, told, repo="fleet", root="clusters/staging", received_at=NOW)
    lane.run()
    known = lane.promotions()
    with lane.database.transaction() as connection:
        return [row for one in known for row in applications.of_promotion(connection, one.id)]


def kustomization_with(entry: str, *, others: str = "") -> str:
    return f"resources: [web.yaml]\nimages:\n{entry}{others}"


def staging(files: Mapping[str, str]) -> dict[str, str]:
    """Files of staging's folder in place of the fleet's own, with staging as the only stage."""
    rules = "stages: {staging: {paths: [apps/staging]}}\n"
    base = {".fluxbridge.yaml": rules, "apps/staging/app.yaml": "kind: Pod\nmetadata: {name: none}\n"}
    return base | {f"apps/staging/{name}": text for name, text in files.items()}

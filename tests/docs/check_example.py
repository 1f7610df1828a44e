"""The config repository of docs/check.md."""

import shutil
from pathlib import Path

_ESTATE = Path(__file__).parents[1] / "golden" / "estates" / "two-clusters-with-patch"
_UNKNOWN = 'image: ghcr.io/acme/{app}:1.0.0 # {{"$imagepolicy": "flux-system:{app}"}}\n'
_WAITING = """\
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {name: web, namespace: flux-system}
spec: {imageRepositoryRef: {name: web}, policy: {semver: {range: 1.x}}}
"""


def lay_out(folder: Path) -> None:
    """Two clusters with an app, and beside it what cannot be used."""
    shutil.copytree(_ESTATE, folder)
    for app in ("api", "cron", "mail", "shop"):
        (folder / "clusters" / "staging" / f"{app}.yaml").write_text(_UNKNOWN.format(app=app))
    (folder / "clusters" / "staging" / "web.yaml").write_text(_WAITING)
    (folder / "clusters" / "prod" / "flux-system" / "kustomization.yaml").write_text("resources: [gotk-sync.yaml]\n")

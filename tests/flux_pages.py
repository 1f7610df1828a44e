"""deploy/flux and the pages about Flux, as they are."""

import re
from pathlib import Path

from tests.flux_objects import Manifest, read_manifests

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "deploy" / "flux"
README = (FOLDER / "README.md").read_text(encoding="utf-8")
FLUX_PAGE = (ROOT / "docs" / "flux.md").read_text(encoding="utf-8")
AUTOMATION_PAGE = (ROOT / "docs" / "from-image-automation.md").read_text(encoding="utf-8")
CLUSTER = "prod-eu"
TWICE = ("Provider", "Alert")
"""What is there for notification-controller before 1.10 (v1beta3), and for later ones (v1)."""


def manifests() -> list[Manifest]:
    return [one for file in sorted(FOLDER.glob("cluster/*.yaml")) for one in read_manifests(file.read_text())]


def of_kind(kind: str, version: str = "v1beta3") -> Manifest:
    """The object of that kind; of Provider and Alert the one of that version."""
    found = {one["apiVersion"].rpartition("/")[2]: one for one in manifests() if one["kind"] == kind}
    return found[version] if kind in TWICE else found["v1"]


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.+?)```", page, re.DOTALL)

"""Trial E4: what is rendered in place of a field."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from app.db.applications import ApplicationRow
from app.db.database import Database
from tests.end_to_end.bridge import fleet
from tests.services.lanes import IMAGE, digest
from tests.trials.marked_fields import APP, REFERENCE, applied, lane_of, staging

POD = f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  template:
    spec:
      containers:
      - name: side
        image: side:1
      - name: web
        image: {IMAGE}:1.0.0 {REFERENCE}
"""
SMP = """\
kind: Deployment
metadata: {{name: web}}
spec: {{template: {{spec: {{containers: [{{name: web, image: '{}'}}]}}}}}}
"""
OLD, NEW = f"{IMAGE}:1.0.0", f"{IMAGE}:1.1.0"
JSON_PATCH = '[{{"op": "replace", "path": "/spec/template/spec/containers/{}/image", "value": "{}"}}]'

ADDED = '[{{"op": "add", "path": "/spec/template/spec/{}", "value": {}}}]'


def top(text: str, **files: str) -> dict[str, str]:
    """Staging's folder with a Deployment and a kustomization.yaml over it."""
    return {"web.yaml": POD, "kustomization.yaml": f"resources: [web.yaml]\n{text}", **files}


def inline(patch: str) -> str:
    return "\n".join(f"    {line}" for line in patch.splitlines())


OVERRIDING = [
    pytest.param(top(f"images: [{{name: {IMAGE}, newTag: 1.0.0}}]\n"), "kustomization.yaml:2 images[", id="images"),
    pytest.param(
        top(f"images: [{{name: {IMAGE}, digest: '{digest('1.0.0')}'}}]\n"), "kustomization.yaml:2 images[", id="digest"
    ),
    pytest.param(
        top(f"patches:\n- patch: |\n{inline(SMP.format(OLD))}\n"), "kustomization.yaml:3 patches[0]", id="inline patch"
    ),
    pytest.param(
        top("patches: [{path: p.yaml}]\n", **{"p.yaml": SMP.format(OLD)}), "p.yaml (patches[0])", id="patch in a file"
    ),
    pytest.param(
        top("patchesStrategicMerge: [p.yaml]\n", **{"p.yaml": SMP.format(OLD)}),
        "p.yaml (patchesStrategicMerge[0])",
        id="patchesStrategicMerge",
    ),
    pytest.param(
        top("patches: [{path: p.json, target: {kind: Deploy.*}}]\n", **{"p.json": JSON_PATCH.format(1, OLD)}),
        "p.json (patches[0])",
        id="operations for a target",
    ),
    pytest.param(
        top(
            "patchesJson6902: [{path: p.json, target: {kind: Deployment, name: web}}]\n",
            **{"p.json": JSON_PATCH.format(1, OLD)},
        ),
        "p.json (patchesJson6902[0])",
        id="patchesJson6902",
    ),
    pytest.param(
        top(
            "patches: [{path: p.json, target: {kind: Deployment}}]\n",
            **{"p.json": ADDED.format("containers/1/image", f'"{OLD}"')},
        ),
        "p.json (patches[0])",
        id="an operation that adds a key which is there",
    ),
    pytest.param(
        top(f"patches:\n- target: {{labelSelector: app=web}}\n  patch: |\n{inline(SMP.format(OLD))}\n"),
        "perhaps apps/staging/kustomization.yaml:3 patches[0]",
        id="a selector that may pass over it",
    ),
    pytest.param(
        top(
            "replacements:\n- source: {kind: ConfigMap, name: c}\n  targets:\n  - select: {kind: Deployment}\n"
            "    fieldPaths: ['spec.template.spec.containers.[name=web].image']\n"
        ),
        "perhaps apps/staging/kustomization.yaml:3 replacements",
        id="replacement",
    ),
    pytest.param(
        top(
            "components: [pin]\n",
            **{"pin/kustomization.yaml": f"kind: Component\nimages: [{{name: {IMAGE}, newTag: 1.0.0}}]\n"},
        ),
        "pin/kustomization.yaml:2 images[",
        id="component",
    ),
    pytest.param(
        {
            "base/web.yaml": POD,
            "base/kustomization.yaml": "resources: [web.yaml]\n",
            "kustomization.yaml": f"resources: [base]\nimages: [{{name: {IMAGE}, newTag: 1.0.0}}]\n",
        },
        "kustomization.yaml:2 images[",
        id="overlay of a base",
    ),
    pytest.param(
        {
            "base/kustomization.yaml": f"images:\n- name: web\n  newName: {IMAGE}\n  newTag: 1.0.0 {APP}\n",
            "kustomization.yaml": f"resources: [base]\nimages: [{{name: {IMAGE}, newTag: 1.0.0}}]\n",
        },
        "kustomization.yaml:2 images[",
        id="overlay of a base whose entry is the field",
    ),
]
HARMLESS = [
    pytest.param(top(""), id="nothing"),
    pytest.param(top(f"images: [{{name: {IMAGE}, newName: mirror.example/app}}]\n"), id="another registry"),
    pytest.param(top("images: [{name: side, newTag: '2'}]\n"), id="another image"),
    pytest.param(
        top("patches: [{path: p.yaml}]\n", **{"p.yaml": SMP.format(OLD).replace("web,", "side,")}), id="other container"
    ),
    pytest.param(
        top("patches: [{path: p.yaml}]\n", **{"p.yaml": SMP.format(OLD).replace("{name: web}", "{name: api}")}),
        id="another object",
    ),
    pytest.param(
        top(
            "patches: [{path: p.yaml}]\n",
            **{
                "web.yaml": POD.replace("{name: web}", "{name: web, namespace: a}"),
                "p.yaml": SMP.format(OLD).replace("{name: web}", "{name: web, namespace: b}"),
            },
        ),
        id="the same name in another namespace",
    ),
    pytest.param(
        top("patches: [{path: p.json, target: {kind: Deployment}}]\n", **{"p.json": JSON_PATCH.format(0, OLD)}),
        id="operation at another container",
    ),
    pytest.param(
        top(
            "patches: [{path: p.json, target: {kind: Deployment}}]\n",
            **{"p.json": ADDED.format("containers/1", f'{{"name": "first", "image": "{OLD}"}}')},
        ),
        id="a container that is put before it",
    ),
    pytest.param(
        top(
            f"patches: [{{path: p.yaml}}]\nimages: [{{name: {IMAGE}, newTag: 1.1.0}}]\n", **{"p.yaml": SMP.format(OLD)}
        ),
        id="a patch that images set right again",
    ),
    pytest.param(
        top("", **{"old/kustomization.yaml": f"resources: [../web.yaml]\nimages: [{{name: {IMAGE}, newTag: '1'}}]\n"}),
        id="a kustomization that nothing brings in",
    ),
]


def to_applied(tmp_path: Path, database: Database, files: Mapping[str, str]) -> ApplicationRow:
    """What becomes of 1.1.0 in staging, once merged and told of by Flux."""
    lane = lane_of(tmp_path, database, {**fleet(), **files})
    [line] = applied(lane, lane.merge_open())
    return line


@pytest.mark.parametrize(("files", "by"), OVERRIDING)
def test_what_is_rendered_otherwise_is_overridden_and_not_applied(
    tmp_path: Path, sqlite_database: Database, files: dict[str, str], by: str
) -> None:
    line = to_applied(tmp_path, sqlite_database, staging(files))
    assert line.state == "overridden"
    assert by in line.message


@pytest.mark.parametrize("files", HARMLESS)
def test_what_is_rendered_as_it_is_written_is_applied(
    tmp_path: Path, sqlite_database: Database, files: dict[str, str]
) -> None:
    assert to_applied(tmp_path, sqlite_database, staging(files)).state == "applied"


def with_spec(more: str) -> dict[str, str]:
    """The fleet with more in the spec of staging's Kustomization `apps`."""
    text = fleet()["clusters/staging/apps.yaml"].replace("  path: ./apps/staging\n", f"  path: ./apps/staging\n{more}")
    return {"clusters/staging/apps.yaml": text}


@pytest.mark.parametrize(
    "more",
    [
        pytest.param(f"  images: [{{name: {IMAGE}, newTag: 1.0.0}}]\n", id="images"),
        pytest.param(f"  patches:\n  - patch: |\n{inline(inline(SMP.format(OLD)))}\n", id="patches"),
    ],
)
def test_what_the_kustomization_of_flux_sets_itself_overrides_the_file(
    tmp_path: Path, database: Database, more: str
) -> None:
    line = to_applied(tmp_path, database, staging({"web.yaml": POD}) | with_spec(more))
    assert (line.state, "clusters/staging/apps.yaml:" in line.message) == ("overridden", True)


def test_an_image_of_flux_takes_the_place_of_the_entry_of_its_name(tmp_path: Path, sqlite_database: Database) -> None:
    entry = f"images:\n- name: web\n  newName: {IMAGE}\n  newTag: 1.0.0 {APP}\n"
    files = staging({"kustomization.yaml": entry}) | with_spec("  images: [{name: web, newTag: 1.0.0}]\n")
    assert to_applied(tmp_path, sqlite_database, files).state == "overridden"


def test_an_image_of_flux_with_the_same_tag_overrides_nothing(tmp_path: Path, sqlite_database: Database) -> None:
    files = staging({"web.yaml": POD}) | with_spec(f"  images: [{{name: {IMAGE}, newTag: 1.1.0}}]\n")
    assert to_applied(tmp_path, sqlite_database, files).state == "applied"

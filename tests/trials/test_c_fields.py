"""Trials C1, C2, C3 and C6: what stands beside a field and around it."""

from pathlib import Path

import pytest

from app.db.database import Database
from tests.cli.console import Console
from tests.cli.folders import WEB, Folder
from tests.end_to_end.bridge import deployment, fleet, policy
from tests.servers.bare_repository import BareRepository
from tests.services.lanes import IMAGE, digest
from tests.trials.lane_plans import explained, plan_text
from tests.trials.marked_fields import (
    APP,
    LFS,
    MAC,
    REFERENCE,
    SOPS,
    TEMPLATED,
    applied,
    kustomization_with,
    lane_of,
    staging,
)

DIGEST = '# {"$imagepolicy": "flux-system:app:digest"}'
PINNED = kustomization_with(f"- name: {IMAGE}\n  newTag: 1.0.0 {APP}\n  digest: {digest('1.0.0')}\n")


# C1


def test_a_digest_beside_a_marked_tag_is_told_in_plan_explain_and_pull_request(
    tmp_path: Path, database: Database
) -> None:
    lane = lane_of(tmp_path, database, {"apps/kustomization.yaml": PINNED})
    [pull] = lane.open_pulls()
    told = f"overridden by digest '{digest('1.0.0')}' (line 5), which flux-system/app does not set"
    assert told in pull.body
    assert told in plan_text(lane)
    assert told in explained(lane).model_dump_json()
    assert "overridden_field" in explained(lane).model_dump_json()
    assert "newTag: 1.1.0" in lane.config.text(pull.head_sha, "apps/kustomization.yaml")


def test_a_tag_whose_digest_stands_beside_it_is_never_applied(tmp_path: Path, database: Database) -> None:
    lane = lane_of(tmp_path, database, {**fleet(), **staging({"kustomization.yaml": PINNED})})
    [line] = applied(lane, lane.merge_open())
    assert line.state == "overridden"
    assert line.message == f"overridden by apps/staging/kustomization.yaml:5 digest '{digest('1.0.0')}'"


def test_a_digest_that_is_the_promotions_own_makes_it_applied(tmp_path: Path, database: Database) -> None:
    lane = lane_of(tmp_path, database, {**fleet(), **staging({"kustomization.yaml": PINNED})})
    lane.merge_open()
    mended = PINNED.replace(digest("1.0.0"), digest("1.1.0")).replace("newTag: 1.0.0", "newTag: 1.1.0")
    head = lane.config.commit("main", {"apps/staging/kustomization.yaml": mended})
    assert [line.state for line in applied(lane, head)] == ["applied"]


BESIDE = [
    pytest.param(f"image: {{repository: x,\n  tag: 1.0.0, {APP}\n  digest: 'sha256:11'}}\n", "digest", id="values"),
    pytest.param(f"imageTag: 1.0.0 {APP}\nimageDigest: sha256:11\n", "imageDigest", id="values with long keys"),
    pytest.param(f"tag: 1.0.0 {APP}\nsha: '{'ab' * 32}'\n", "sha", id="sha of a chart"),
    pytest.param(f"repository: x@sha256:{'ab' * 32}\ntag: 1.0.0 {APP}\n", "repository", id="digest in the name"),
    pytest.param(
        f"kind: OCIRepository\nspec:\n  ref:\n    semver: 1.x\n    tag: 1.0.0 {APP}\n",
        "spec.ref.semver",
        id="semver of an OCIRepository",
    ),
    pytest.param(
        f"kind: OCIRepository\nspec:\n  ref:\n    semver: 1.0.0 {APP}\n    digest: sha256:11\n",
        "spec.ref.digest",
        id="digest of an OCIRepository",
    ),
    pytest.param(
        f"kind: GitRepository\nspec:\n  ref:\n    tag: 1.0.0 {APP}\n    commit: abc\n",
        "spec.ref.commit",
        id="commit of a GitRepository",
    ),
    pytest.param(
        f"kind: HelmRelease\nspec:\n  chartRef: {{kind: OCIRepository}}\n  chart:\n    spec:\n"
        f"      version: 1.0.0 {APP}\n",
        "spec.chartRef",
        id="chartRef beside chart",
    ),
    pytest.param(
        f"kind: HelmRelease\nspec:\n  chart:\n    spec:\n      version: 1.0.0 {APP}\n"
        "      sourceRef: {kind: GitRepository, name: x}\n",
        "sourceRef.kind",
        id="chart out of Git",
    ),
    pytest.param(
        f"kind: HelmRelease\nspec:\n  values:\n    image:\n      repository: app\n      tag: 1.0.0 {APP}\n"
        "  postRenderers:\n  - kustomize:\n      images: [{name: app, newTag: '2'}]\n",
        "spec.postRenderers images[app].newTag",
        id="post renderer",
    ),
    pytest.param(
        f"images:\n- name: app\n  newTag: 1.0.0 {APP}\n- name: app\n  newTag: 2.0.0\n",
        "images[app].newTag",
        id="a second entry of the same name",
    ),
    pytest.param(
        f"images:\n- name: app\n  newName: web\n  newTag: 1.0.0 {APP}\n- name: web\n  digest: sha256:11\n",
        "images[web].digest",
        id="a later entry of the image that it gives",
    ),
    pytest.param(f"a:\n  tag: 1.0.0 {APP}\n  tag: 2.0.0\n", "tag, which is written again", id="key written twice"),
]


@pytest.mark.parametrize(("text", "where"), BESIDE)
def test_every_neighbour_that_decides_in_place_of_a_marked_value_is_told(folder: Folder, text: str, where: str) -> None:
    folder.write("app.yaml", text)
    ended = folder.edit({"flux-system:app": f"{IMAGE}:1.1.0"})
    assert ended.code == 0
    assert "1.0.0 -> 1.1.0" in ended.out
    assert f"is overridden by {where}" in ended.out


ALONE = [
    pytest.param(f"image: {{tag: 1.0.0, {APP}\n  digest: ''}}\n", id="blank digest"),
    pytest.param(f"tag: 1.0.0 {APP}\ndigest: null\n", id="null digest"),
    pytest.param(f"images:\n- name: app\n  newTag: 1.0.0 {APP}\n- name: web\n  newTag: 2.0.0\n", id="other image"),
    pytest.param(f"images:\n- name: app\n  newTag: 2.0.0\n- name: app\n  newTag: 1.0.0 {APP}\n", id="the last entry"),
    pytest.param(f"kind: GitRepository\nspec:\n  ref:\n    branch: main\n    tag: 1.0.0 {APP}\n", id="branch"),
    pytest.param(f"spec:\n  ref:\n    commit: abc\n    tag: 1.0.0 {APP}\n", id="no object of Flux"),
    pytest.param(f"tag: 1.0.0 {APP}\ndigest: sha256:{'ab' * 32} {DIGEST}\n", id="digest that the policy sets too"),
]


@pytest.mark.parametrize("text", ALONE)
def test_what_decides_nothing_or_is_set_too_is_not_told(folder: Folder, text: str) -> None:
    folder.write("app.yaml", text)
    ended = folder.edit({"flux-system:app": f"{IMAGE}:1.1.0@{digest('1.1.0')}"})
    assert (ended.code, "overridden" in ended.out) == (0, False)


@pytest.mark.parametrize(
    ("name", "text", "kind", "where"),
    [
        pytest.param("k.yaml", PINNED, f"kustomization: {{image: {IMAGE}, set: [newTag]}}", "digest", id="newTag"),
        pytest.param(
            "k.yaml",
            f"images:\n- name: {IMAGE}\n  digest: sha256:11\n",
            f"kustomization: {{image: {IMAGE}, set: [newTag]}}",
            "digest",
            id="newTag that is to be added",
        ),
        pytest.param("v.yaml", "a: {tag: 1.0.0, digest: x}\n", "yaml: a.tag", "digest", id="path to the tag alone"),
        pytest.param("v.json", '{"tag": "1.0.0", "digest": "x"}', "json: tag", "digest", id="json"),
        pytest.param(
            "v.env",
            f"IMAGE=app:1.0.0@sha256:{'ab' * 32}\n",
            "env: {key: IMAGE, pattern: 'app:([^@]+)'}",
            "the digest behind it",
            id="part of a reference",
        ),
    ],
)
def test_declared_fields_know_their_neighbours_as_markers_do(
    folder: Folder, name: str, text: str, kind: str, where: str
) -> None:
    folder.write(".fluxbridge.yaml", f"fields:\n- {{policy: flux-system/app, files: {name}, {kind}}}\n")
    folder.write(name, text.replace(APP, ""))
    ended = folder.edit({"flux-system:app": f"{IMAGE}:1.1.0"})
    assert ended.code == 0
    assert f"is overridden by {where}" in ended.out


# C2

SPARED = f"sops:\n  mac: {MAC}\n  mac_only_encrypted: true\n"
SEALED = [
    pytest.param("s.yaml", f"image: web:1 {WEB}\npassword: {MAC}\n{SOPS}", None, id="yaml"),
    pytest.param("s.yaml", f"a: {MAC}\n{SOPS}---\nimage: web:1 {WEB}\n{SOPS}", None, id="every document"),
    pytest.param("s.yaml", f"kind: List\nitems:\n- image: web:1 {WEB}\n  sops: {{mac: '{MAC}'}}\n", None, id="item"),
    pytest.param("s.yaml", f"image: {MAC} {WEB}\n{SPARED}", None, id="encrypted value"),
    pytest.param(
        "s.yaml",
        f"kind: Pod\nmetadata:\n  annotations: {{cosign.sigstore.dev/signature: abc}}\nimage: web:1 {WEB}\n",
        None,
        id="signed object",
    ),
    pytest.param("s.yaml", f"image: web:1\n{SOPS}", "yaml: image", id="declared yaml"),
    pytest.param("s.yaml", f"images: [{{name: web}}]\n{SOPS}", "kustomization: web", id="key to be added"),
    pytest.param(
        "s.yaml", f"kind: Pod\nspec: {{containers: [{{image: 'web:1'}}]}}\n{SOPS}", "containers: true", id="pod"
    ),
    pytest.param("s.json", f'{{"image": "web:1", "sops": {{"mac": "{MAC}"}}}}', "json: image", id="json"),
    pytest.param("s.env", f"IMAGE=web:1\nsops_mac={MAC}\n", "env: {key: IMAGE, part: reference}", id="env"),
    pytest.param("s.ini", f"[a]\nIMAGE = web:1\n[sops]\nmac = {MAC}\n", "env: {key: IMAGE, part: reference}", id="ini"),
]


@pytest.mark.parametrize(("name", "text", "kind"), SEALED)
def test_a_value_under_a_checksum_of_its_file_is_refused_with_the_reason(
    folder: Folder, name: str, text: str, kind: str | None
) -> None:
    if kind is not None:
        folder.write(".fluxbridge.yaml", f"fields:\n- {{policy: flux-system/web, files: {name}, {kind}}}\n")
    folder.write(name, text)
    folder.write("web.yaml", f"image: web:1 {WEB}\n")
    ended = folder.edit({"flux-system:web": "web:2"})
    assert ended.code == 1
    assert (folder.text(name), folder.text("web.yaml")) == (text, f"image: web:1 {WEB}\n")
    assert f"not set flux-system:web: {name}:" in ended.out
    assert "SOPS" in ended.out or "cosign" in ended.out


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        pytest.param("s.yaml", f"image: web:1 {WEB}\npassword: {MAC}\n{SPARED}", None, id="yaml"),
        pytest.param("s.yaml", f"a: {MAC}\n{SOPS}---\nimage: web:1 {WEB}\n", None, id="a document without sops"),
        pytest.param(
            "s.json",
            f'{{"image": "web:1", "sops": {{"mac": "{MAC}", "mac_only_encrypted": true}}}}',
            "json: image",
            id="json",
        ),
        pytest.param(
            "s.env",
            f"IMAGE=web:1\nsops_mac={MAC}\nsops_mac_only_encrypted=true\n",
            "env: {key: IMAGE, part: reference}",
            id="env",
        ),
        pytest.param("s.yaml", f"image: web:1 {WEB}\nsops: enabled\n", None, id="a key that only has the name"),
    ],
)
def test_a_value_that_no_checksum_covers_is_set(folder: Folder, name: str, text: str, kind: str | None) -> None:
    if kind is not None:
        folder.write(".fluxbridge.yaml", f"fields:\n- {{policy: flux-system/web, files: {name}, {kind}}}\n")
    folder.write(name, text)
    ended = folder.edit({"flux-system:web": "web:2"})
    assert ended.code == 0
    assert folder.text(name) == text.replace("web:1", "web:2")


def test_a_lane_proposes_nothing_over_a_sops_file_and_says_why(tmp_path: Path, database: Database) -> None:
    sealed = f"kind: Secret\nimage: {IMAGE}:1.0.0 {REFERENCE}\n{SOPS}"
    lane = lane_of(tmp_path, database, {"apps/secret.yaml": sealed, "apps/app.yaml": deployment("1.0.0")})
    assert lane.open_pulls() == []
    assert "apps/secret.yaml:2: the marker is ignored: SOPS guards it by a checksum (sops.mac)" in plan_text(lane)
    assert "nothing is set: apps/secret.yaml:2" in explained(lane).model_dump_json()


# C3


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        pytest.param(
            f"- name: frontend\n  newName: {IMAGE}\n  newTag: 1.0.0\n", "declare frontend in place of", id="newName"
        ),
        pytest.param(f"- name: frontend\n  newName: {IMAGE}\n", "declare frontend in place of", id="no tag yet"),
        pytest.param("- name: docker.io/library/web\n  newTag: '1'\n", "declare docker.io/library/web", id="spelling"),
    ],
)
def test_an_image_that_another_entry_gives_is_reported_and_not_added(folder: Folder, entry: str, says: str) -> None:
    name = "web" if "library" in entry else str(IMAGE)
    folder.write(".fluxbridge.yaml", f"fields:\n- {{policy: flux-system/app, files: k.yaml, kustomization: {name}}}\n")
    folder.write("k.yaml", kustomization_with(entry))
    ended = folder.edit({"flux-system:app": f"{IMAGE}:1.1.0"})
    assert folder.text("k.yaml") == kustomization_with(entry)
    assert ended.code == 1
    assert f"k.yaml:3: fields.0 of .fluxbridge.yaml: images has no entry '{name}'" in ended.out
    assert says in ended.out


def test_an_entry_that_renames_the_image_to_a_mirror_keeps_its_own_name(folder: Folder) -> None:
    kind = f"kustomization: {{image: {IMAGE}, set: [newTag]}}"
    folder.write(".fluxbridge.yaml", f"fields:\n- {{policy: flux-system/app, files: k.yaml, {kind}}}\n")
    text = kustomization_with(f"- name: {IMAGE}\n  newName: mirror.example/app\n  newTag: 1.0.0\n")
    folder.write("k.yaml", text)
    assert folder.edit({"flux-system:app": f"{IMAGE}:1.1.0"}).code == 0
    assert folder.text("k.yaml") == text.replace("1.0.0", "1.1.0")


# C6


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param("values.yaml", "values: image", id="values"),
        pytest.param("kustomization.yaml", "kustomization: web", id="kustomization"),
        pytest.param("images.json", "json: image", id="json"),
        pytest.param("web.env", "env: IMAGE", id="env"),
        pytest.param("chart/Chart.yaml", "dependency: web", id="chart"),
        pytest.param("deployment.yaml", None, id="manifest that may have had a marker"),
    ],
)
def test_a_git_lfs_pointer_is_named_as_such(folder: Folder, name: str, kind: str | None) -> None:
    if kind is not None:
        folder.write(".fluxbridge.yaml", f"fields:\n- {{policy: flux-system/web, files: {name}, {kind}}}\n")
    folder.write(name, LFS)
    ended = folder.edit({"flux-system:web": "web:2"})
    assert ended.code == 1
    assert f"report  {name}:1: " in ended.out
    assert "a Git LFS pointer: its content is not in Git" in ended.out
    assert folder.text(name) == LFS


def test_a_lock_file_that_is_a_pointer_is_named_as_such(folder: Folder) -> None:
    folder.write(".fluxbridge.yaml", "fields:\n- {policy: ns/web, files: Chart.yaml, dependency: web}\n")
    folder.write(
        "Chart.yaml", "name: a\ndependencies:\n- {name: web, version: 1.0.0, repository: 'oci://x.example/charts'}\n"
    )
    folder.write("Chart.lock", LFS)
    ended = folder.edit({"ns:web": "x.example/charts/web:1.1.0"})
    assert ended.code == 1
    assert "the lock file cannot be used: it is a Git LFS pointer: its content is not in Git" in ended.out


def test_rules_that_are_a_pointer_stop_the_lane_and_say_so(tmp_path: Path, database: Database) -> None:
    lane = lane_of(tmp_path, database, {".fluxbridge.yaml": LFS, "apps/app.yaml": deployment("1.0.0")})
    assert lane.open_pulls() == []
    assert ".fluxbridge.yaml: a Git LFS pointer: its content is not in Git" in plan_text(lane)


def test_a_lane_tells_of_manifests_and_kustomizations_that_are_pointers(tmp_path: Path, database: Database) -> None:
    lane = lane_of(tmp_path, database, {"apps/app.yaml": LFS, "apps/kustomization.yaml": LFS})
    assert plan_text(lane).count("a Git LFS pointer: its content is not in Git") == 2


def test_check_names_all_of_these(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = f"fields:\n- {{policy: flux-system/app, files: apps/k.yaml, kustomization: {IMAGE}}}\n"
    files = {
        ".fluxbridge.yaml": rules,
        "images/app.yaml": policy(),
        "apps/beside.yaml": f"tag: 1.0.0 {APP}\ndigest: sha256:11\n",
        "apps/k.yaml": kustomization_with(f"- name: frontend\n  newName: {IMAGE}\n"),
        "apps/pointer.yaml": LFS,
        "apps/secret.yaml": f"image: x:1 {REFERENCE}\n{SOPS}",
        "apps/template.yaml": TEMPLATED,
    }
    BareRepository.create(tmp_path / "fleet.git").commit("main", files)
    settings = tmp_path / "fluxbridge.yaml"
    settings.write_text("config_repos: {fleet: {url: ./fleet.git, branch: main, forge: {kind: local}}}\n")
    console = Console(capsys, monkeypatch)
    console.use(settings)
    told = console.run("check").out
    assert "apps/beside.yaml:1: the tag with its marker is overridden by digest 'sha256:11' (line 2)" in told
    assert "apps/k.yaml:3: fields.0 of .fluxbridge.yaml: images has no entry" in told
    assert "apps/pointer.yaml:1: a Git LFS pointer: its content is not in Git" in told
    assert "apps/secret.yaml:1: the marker is ignored: SOPS guards it by a checksum" in told
    assert "apps/template.yaml:2: the marker is ignored: its value is a template" in told
    assert "unused_policy" not in told

"""Trials C1, C2, C3, C6, C10 and E4: what stands beside a field, around it and in its place."""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from app.core.facts import RevisionApplied
from app.db import applications, lanes, revisions
from app.db.applications import ApplicationRow
from app.db.database import Database
from app.services.explain_policy import Question, explain_policy
from tests.cli.console import Console
from tests.cli.folders import TAG, WEB, Folder
from tests.end_to_end.bridge import deployment, fleet, policy
from tests.servers.bare_repository import BareRepository
from tests.services.lanes import IMAGE, LANE, NOW, Lane, digest

APP = '# {"$imagepolicy": "flux-system:app:tag"}'
REFERENCE = '# {"$imagepolicy": "flux-system:app"}'
DIGEST = '# {"$imagepolicy": "flux-system:app:digest"}'
STAGING = "stages: {staging: {paths: [apps/staging]}}\n"
QUESTION = Question(namespace="flux-system", name="app")
MAC = "ENC[AES256_GCM,data:QUJD,iv:QUJD,tag:QUJD,type:str]"
LFS = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'4d' * 32}\nsize 12345\n"


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Folder:
    """An empty working directory."""
    return Folder(tmp_path, Console(capsys, monkeypatch))


@pytest.fixture
def sqlite_database(sqlite_url: str) -> Iterator[Database]:
    """One kind of database, where its kind makes no difference."""
    with closing(Database(sqlite_url)) as opened:
        yield opened


def lane_of(tmp_path: Path, database: Database, files: Mapping[str, str], *, tag: str = "1.1.0") -> Lane:
    """A lane over these files, after its first run and the push of a tag."""
    lane = Lane.create(tmp_path, database, {"images/app.yaml": policy(), **files})
    lane.run()
    lane.push(tag)
    lane.run()
    return lane


def plan_of(lane: Lane) -> str:
    """What the lane's last run wrote down, as text."""
    with lane.database.transaction() as connection:
        row = lanes.find(connection, LANE)
    assert row is not None
    assert row.plan is not None
    assert row.last_error is None
    return row.plan


def explained(lane: Lane) -> str:
    """What `explain` says of the app, as text."""
    found = explain_policy(lane.database, lane.systems, QUESTION, scans=lane.scans, now=lane.now)
    return json.dumps(found.model_dump(mode="json"), ensure_ascii=False)


def merge_all(lane: Lane) -> str:
    """Merge what is open, and let the lane see it; returns the base head."""
    for pull in lane.open_pulls():
        lane.forge.merge(pull.number, by="mira")  # type: ignore[attr-defined]
    lane.run()
    return lane.config.head("main") or ""


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


PINNED = kustomization_with(f"- name: {IMAGE}\n  newTag: 1.0.0 {APP}\n  digest: {digest('1.0.0')}\n")


# C1


def test_a_digest_beside_a_marked_tag_is_told_in_plan_explain_and_pull_request(
    tmp_path: Path, database: Database
) -> None:
    lane = lane_of(tmp_path, database, {"apps/kustomization.yaml": PINNED})
    [pull] = lane.open_pulls()
    told = f"overridden by digest '{digest('1.0.0')}' (line 5), which flux-system/app does not set"
    assert told in pull.body
    assert told in plan_of(lane)
    assert told in explained(lane)
    assert "overridden_field" in explained(lane)
    assert "newTag: 1.1.0" in lane.config.text(pull.head_sha, "apps/kustomization.yaml")


def test_a_tag_whose_digest_stands_beside_it_is_never_applied(tmp_path: Path, database: Database) -> None:
    lane = lane_of(tmp_path, database, {**fleet(), **staging({"kustomization.yaml": PINNED})})
    [line] = applied(lane, merge_all(lane))
    assert line.state == "overridden"
    assert line.message == f"overridden by apps/staging/kustomization.yaml:5 digest '{digest('1.0.0')}'"


def test_a_digest_that_is_the_promotions_own_makes_it_applied(tmp_path: Path, database: Database) -> None:
    lane = lane_of(tmp_path, database, {**fleet(), **staging({"kustomization.yaml": PINNED})})
    merge_all(lane)
    mended = PINNED.replace(digest("1.0.0"), digest("1.1.0")).replace("newTag: 1.0.0", "newTag: 1.1.0")
    head = lane.config.commit("main", {"apps/staging/kustomization.yaml": mended})
    assert [line.state for line in applied(lane, head)] == ["applied"]


def staging(files: Mapping[str, str]) -> dict[str, str]:
    """Files of staging's folder in place of the fleet's own, with staging as the only stage."""
    base = {".fluxbridge.yaml": STAGING, "apps/staging/app.yaml": "kind: Pod\nmetadata: {name: none}\n"}
    return base | {f"apps/staging/{name}": text for name, text in files.items()}


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

SOPS = f"sops:\n  mac: {MAC}\n  version: 3.9.0\n"
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
    assert "apps/secret.yaml:2: the marker is ignored: SOPS guards it by a checksum (sops.mac)" in plan_of(lane)
    assert "nothing is set: apps/secret.yaml:2" in explained(lane)


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
    assert ".fluxbridge.yaml: a Git LFS pointer: its content is not in Git" in plan_of(lane)


def test_a_lane_tells_of_manifests_and_kustomizations_that_are_pointers(tmp_path: Path, database: Database) -> None:
    lane = lane_of(tmp_path, database, {"apps/app.yaml": LFS, "apps/kustomization.yaml": LFS})
    assert plan_of(lane).count("a Git LFS pointer: its content is not in Git") == 2


# C10

TEMPLATES = {
    "a template of Helm": f"{{{{- if .Values.on }}}}\nimage: web:1 {WEB}\n{{{{- end }}}}\n",
    "a value without quotes": f"image: {{{{ .Values.image }}}} {WEB}\n",
    "a value in quotes": f'image: "web:{{{{ .tag }}}}" {WEB}\n',
    "an unreadable value": f"image: !!int 1 {WEB}\n",
    "a list as document": f"- image: web:1 {WEB}\n",
}


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in TEMPLATES.items()])
def test_edit_sets_all_fields_of_a_policy_or_none(folder: Folder, text: str) -> None:
    for number in range(4):
        folder.write(f"web{number}.yaml", f"image: web:1 {WEB}\n")
    folder.write("other.yaml", f"image: api:1 {WEB.replace('web', 'api')}\n")
    folder.write("odd.yaml", text)
    ended = folder.edit({"flux-system:web": "web:2", "flux-system:api": "api:2"})
    assert ended.code == 1
    assert {folder.text(f"web{number}.yaml") for number in range(4)} == {f"image: web:1 {WEB}\n"}
    assert folder.text("odd.yaml") == text
    assert folder.text("other.yaml").startswith("image: api:2 ")
    assert "not set flux-system:web: odd.yaml:" in ended.out


def test_only_the_value_that_is_a_template_is_refused_and_not_its_file(folder: Folder) -> None:
    api = WEB.replace("web", "api")
    text = f"other: {{{{ .Values.other }}}}\nimage: web:1 {WEB}\nname: x-{{{{ .name }}}}\napi: {{{{ .api }}}} {api}\n"
    folder.write("a.yaml", text)
    ended = folder.edit({"flux-system:web": "web:2", "flux-system:api": "api:2"})
    assert folder.text("a.yaml") == text.replace("web:1", "web:2")
    assert "not set flux-system:api: a.yaml:4: the marker is ignored: its value is a template" in ended.out
    assert "not set flux-system:web" not in ended.out


def test_a_declared_field_that_is_found_and_refused_keeps_the_marked_ones_back(folder: Folder) -> None:
    folder.write(".fluxbridge.yaml", "fields:\n- {policy: flux-system/web, files: v.yaml, values: image}\n")
    folder.write("v.yaml", "image: {repository: web, tag: '{{ .tag }}'}\n")
    folder.write("web.yaml", f"image: web:1 {WEB}\ntag: '1' {TAG}\n")
    ended = folder.edit({"flux-system:web": "web:2"})
    assert ended.code == 1
    assert "not set flux-system:web: v.yaml:1: image.tag is not edited: its value is a template" in ended.out
    assert folder.text("web.yaml").startswith("image: web:1 ")


def test_what_a_declaration_does_not_find_is_told_and_the_rest_is_set(folder: Folder) -> None:
    folder.write(".fluxbridge.yaml", "fields:\n- {policy: flux-system/web, files: v.yaml, values: image.tag}\n")
    folder.write("v.yaml", "image: {repository: web}\n")
    folder.write("web.yaml", f"image: web:1 {WEB}\n")
    ended = folder.edit({"flux-system:web": "web:2"})
    assert ended.code == 0
    assert "report  v.yaml:1: fields.0 of .fluxbridge.yaml: nothing stands at image.tag" in ended.out
    assert folder.text("web.yaml").startswith("image: web:2 ")


TEMPLATED = f"kind: Deployment\nimage: {IMAGE}:{{{{ .tag }}}} {REFERENCE}\n"


def test_a_lane_proposes_all_fields_of_a_policy_in_a_stage_or_none(tmp_path: Path, database: Database) -> None:
    rules = "stages: {staging: {paths: [apps/staging]}, production: {paths: [apps/production]}}\n"
    files = {**fleet(), ".fluxbridge.yaml": rules, "apps/staging/odd.yaml": TEMPLATED}
    lane = lane_of(tmp_path, database, files)
    assert [pull.title for pull in lane.open_pulls()] == ["Promote app 1.0.0 to 1.1.0 in production"]
    why = "apps/staging/odd.yaml:2: the marker is ignored: its value is a template"
    assert why in plan_of(lane)
    assert '"standing":"stuck"' in plan_of(lane).replace(" ", "")
    assert f"nothing is set: {why}" in explained(lane)


def test_what_is_open_is_closed_when_a_field_can_no_longer_be_written(tmp_path: Path, database: Database) -> None:
    lane = lane_of(tmp_path, database, {"apps/app.yaml": deployment("1.0.0")})
    assert len(lane.open_pulls()) == 1
    lane.config.commit("main", {"apps/odd.yaml": TEMPLATED})
    lane.run()
    assert lane.open_pulls() == []
    lane.config.commit("main", {"apps/odd.yaml": "kind: Nothing\n"})
    lane.run()
    assert len(lane.open_pulls()) == 1


# E4

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
        top("patches: [{path: p.json, target: {kind: Deployment}}]\n", **{"p.json": JSON_PATCH.format(0, OLD)}),
        id="operation at another container",
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
    [line] = applied(lane, merge_all(lane))
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

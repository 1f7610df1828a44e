"""Trial C10: the fields of a policy in a stage are all set, or none."""

from pathlib import Path

import pytest

from app.db.database import Database
from tests.cli.folders import TAG, WEB, Folder
from tests.end_to_end.bridge import deployment, fleet
from tests.trials.lane_plans import explained, plan_text
from tests.trials.marked_fields import SOPS, TEMPLATED, lane_of

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


CHART = "name: a\ndependencies:\n- {name: web, version: 1.0.0, repository: 'oci://x.example/charts'}\n"
FOUND_AND_NOT_WRITTEN = [
    pytest.param("Chart.yaml", "dependency: web", CHART + SOPS, "web is not edited: SOPS guards it", id="sealed"),
    pytest.param(
        "Chart.yaml",
        "dependency: web",
        CHART.replace("version: 1.0.0", "version: 1.0.0, version: 1.0.0"),
        "web has no version of its own that can be set, or more than one",
        id="a version twice",
    ),
    pytest.param(
        ".env", "env: {key: TAG, pattern: 'v([0-9.]*)'}", "TAG=v\n", "matches nothing", id="nothing within a pattern"
    ),
]


@pytest.mark.parametrize(("path", "selector", "text", "why"), FOUND_AND_NOT_WRITTEN)
def test_what_is_found_and_cannot_be_written_keeps_the_marked_fields_back(
    folder: Folder, path: str, selector: str, text: str, why: str
) -> None:
    folder.write(".fluxbridge.yaml", f"fields:\n- {{policy: flux-system/web, files: {path}, {selector}}}\n")
    folder.write(path, text)
    folder.write("web.yaml", f"tag: 1.0.0 {TAG}\n")
    ended = folder.edit({"flux-system:web": "x.example/charts/web:1.1.0"})
    assert ended.code == 1
    assert f"not set flux-system:web: {path}:" in ended.out
    assert why in ended.out
    assert (folder.text(path), folder.text("web.yaml")) == (text, f"tag: 1.0.0 {TAG}\n")


def test_archives_that_would_be_left_behind_keep_the_marked_fields_back(folder: Folder) -> None:
    folder.write(".fluxbridge.yaml", "fields:\n- {policy: flux-system/web, files: Chart.yaml, dependency: web}\n")
    folder.write("Chart.yaml", CHART)
    folder.write("charts/web-1.0.0.tgz", "")
    folder.write("web.yaml", f"tag: 1.0.0 {TAG}\n")
    ended = folder.edit({"flux-system:web": "x.example/charts/web:1.1.0"})
    assert "not set flux-system:web: Chart.yaml:3: charts/web-1.0.0.tgz would be left behind" in ended.out
    assert folder.text("web.yaml") == f"tag: 1.0.0 {TAG}\n"


def test_a_text_without_what_a_pattern_means_is_told_and_the_rest_is_set(folder: Folder) -> None:
    rules = "fields:\n- {policy: flux-system/web, files: .env, env: {key: TAG, pattern: 'v(.*)'}}\n"
    folder.write(".fluxbridge.yaml", rules)
    folder.write(".env", "TAG=1.0.0\n")
    folder.write("web.yaml", f"tag: 1.0.0 {TAG}\n")
    ended = folder.edit({"flux-system:web": "x.example/web:1.1.0"})
    assert "TAG is not edited: the pattern 'v(.*)' is not found in the value" in ended.out
    assert folder.text("web.yaml") == f"tag: 1.1.0 {TAG}\n"


def test_what_a_declaration_does_not_find_is_told_and_the_rest_is_set(folder: Folder) -> None:
    folder.write(".fluxbridge.yaml", "fields:\n- {policy: flux-system/web, files: v.yaml, values: image.tag}\n")
    folder.write("v.yaml", "image: {repository: web}\n")
    folder.write("web.yaml", f"image: web:1 {WEB}\n")
    ended = folder.edit({"flux-system:web": "web:2"})
    assert ended.code == 0
    assert "report  v.yaml:1: fields.0 of .fluxbridge.yaml: nothing stands at image.tag" in ended.out
    assert folder.text("web.yaml").startswith("image: web:2 ")


def test_a_lane_proposes_all_fields_of_a_policy_in_a_stage_or_none(tmp_path: Path, database: Database) -> None:
    rules = "stages: {staging: {paths: [apps/staging]}, production: {paths: [apps/production]}}\n"
    files = {**fleet(), ".fluxbridge.yaml": rules, "apps/staging/odd.yaml": TEMPLATED}
    lane = lane_of(tmp_path, database, files)
    assert [pull.title for pull in lane.open_pulls()] == ["Promote app 1.0.0 to 1.1.0 in production"]
    why = "apps/staging/odd.yaml:2: the marker is ignored: its value is a template"
    assert why in plan_text(lane)
    assert '"standing":"stuck"' in plan_text(lane).replace(" ", "")
    assert f"nothing is set: {why}" in explained(lane).model_dump_json()


def test_what_is_open_is_closed_when_a_field_can_no_longer_be_written(tmp_path: Path, database: Database) -> None:
    lane = lane_of(tmp_path, database, {"apps/app.yaml": deployment("1.0.0")})
    assert len(lane.open_pulls()) == 1
    lane.config.commit("main", {"apps/odd.yaml": TEMPLATED})
    lane.run()
    assert lane.open_pulls() == []
    lane.config.commit("main", {"apps/odd.yaml": "kind: Nothing\n"})
    lane.run()
    assert len(lane.open_pulls()) == 1

"""`fluxbridge edit` sets the fields that the folder's own rules declare."""

from pathlib import Path

import pytest

from tests.cli.folders import WEB, Folder


def test_declared_fields_are_set_with_the_marked_ones(folder: Folder) -> None:
    folder.write(
        ".fluxbridge.yaml",
        "fields:\n"
        "  - {policy: flux-system/web, files: 'charts/*/values.yaml', values: image}\n"
        "  - {policy: flux-system/web, files: web.env, env: WEB_TAG}\n"
        "  - {policy: flux-system/web, files: 'apps/**', containers: true}\n",
    )
    folder.write("web.yaml", f"image: web:1 {WEB}\n")
    folder.write("charts/web/values.yaml", "image: {repository: web,  tag: '1'}\n")
    folder.write("web.env", "WEB_TAG=1\n")
    folder.write("apps/pod.yaml", "kind: Pod\nspec:\n  containers:\n  - {image: 'web:1'}\n  - {image: 'api:1'}\n")
    ended = folder.edit({"flux-system:web": "web:2"})
    assert (ended.code, ended.out.splitlines()[-1]) == (
        0,
        "4 fields in 4 files changed, 0 policies not set, 0 reports.",
    )
    assert folder.text("web.yaml") == f"image: web:2 {WEB}\n"
    assert folder.text("charts/web/values.yaml") == "image: {repository: web,  tag: '2'}\n"
    assert folder.text("web.env") == "WEB_TAG=2\n"
    assert "'web:2'}\n  - {image: 'api:1'}" in folder.text("apps/pod.yaml")


CHARTS = Path(__file__).parents[1] / "golden" / "charts" / "edits" / "exact-version"


def test_a_lock_file_changes_with_its_chart(folder: Folder) -> None:
    rules = "fields:\n  - {policy: ns/web, files: shop/Chart.yaml, dependency: web}\n"
    folder.write(".fluxbridge.yaml", rules)
    for name in ("Chart.yaml", "Chart.lock"):
        folder.write(f"shop/{name}", (CHARTS / "before" / name).read_text(encoding="utf-8"))
    assert folder.edit({"ns:web": "registry.acme.example/charts/web:1.5.0"}).code == 0
    for name in ("Chart.yaml", "Chart.lock"):
        assert folder.text(f"shop/{name}") == (CHARTS / "after" / name).read_text(encoding="utf-8")


def test_a_lock_file_is_declared_by_its_chart_only(folder: Folder) -> None:
    rules = "fields:\n  - {policy: ns/web, files: shop/Chart.*, dependency: web}\n"
    folder.write(".fluxbridge.yaml", rules)
    for name in ("Chart.yaml", "Chart.lock"):
        folder.write(f"shop/{name}", (CHARTS / "before" / name).read_text(encoding="utf-8"))
    ended = folder.edit({"ns:web": "registry.acme.example/charts/web:1.5.0"})
    assert "shop/Chart.lock:1: fields.0 of .fluxbridge.yaml: a lock file changes only with its chart" in ended.out
    for name in ("Chart.yaml", "Chart.lock"):
        assert folder.text(f"shop/{name}") == (CHARTS / "after" / name).read_text(encoding="utf-8")


def test_every_json_field_of_one_name_is_set(folder: Folder) -> None:
    folder.write(".fluxbridge.yaml", "fields:\n  - {policy: ns/web, files: a.json, json: 's[web].tag'}\n")
    text = '{"s":[{"name":"web","tag":"1.0.0"},{"name":"web","tag":"1.0.0"}]}'
    folder.write("a.json", text)
    assert folder.edit({"ns:web": "web:2.0.0"}).code == 0
    assert folder.text("a.json") == text.replace("1.0.0", "2.0.0")


def test_rules_that_cannot_be_read_are_bad_input(folder: Folder) -> None:
    folder.write(".fluxbridge.yaml", "fields: [{policy: ns/web}]\n")
    assert "fields.0" in folder.refused('"ns:web": "web:1"')


def test_a_place_of_two_policies_is_told_and_left(folder: Folder) -> None:
    folder.write(".fluxbridge.yaml", "fields:\n  - {policy: ns/other, files: web.yaml, yaml: image}\n")
    folder.write("web.yaml", f"image: web:1 {WEB}\n")
    ended = folder.edit({"flux-system:web": "web:2", "ns:other": "other:2"})
    assert ended.code == 1
    assert folder.text("web.yaml") == f"image: web:1 {WEB}\n"
    assert "web.yaml:1: set by" in ended.out


@pytest.mark.parametrize("beside", ["shop/Chart.lock", "shop/charts/web-1.4.2.tgz"])
def test_what_would_be_left_behind_keeps_a_dependency_as_it_is(folder: Folder, beside: str) -> None:
    folder.write(".fluxbridge.yaml", "fields:\n  - {policy: ns/web, files: shop/Chart.yaml, dependency: web}\n")
    chart = (CHARTS / "before" / "Chart.yaml").read_text(encoding="utf-8")
    folder.write("shop/Chart.yaml", chart)
    (folder.path / beside).parent.mkdir(parents=True, exist_ok=True)
    (folder.path / beside).symlink_to("elsewhere")
    ended = folder.edit({"ns:web": "registry.acme.example/charts/web:1.5.0"})
    assert ended.code == 1
    assert folder.text("shop/Chart.yaml") == chart
    assert "shop/Chart.yaml:1: fields.0" in ended.out or "would be left behind" in ended.out

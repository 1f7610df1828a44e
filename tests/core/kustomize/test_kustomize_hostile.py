"""Kustomizations that are made to take long are bounded, and said to be."""

import json
import time

import pytest

from app.core.flux.estate import Estate, read_estate
from app.core.flux.scanning import scan_file
from app.core.kustomize.building import Builder
from app.core.kustomize.selectors import InvalidSelector, selects

POLICY = {"apiVersion": "image.toolkit.fluxcd.io/v1", "kind": "ImagePolicy", "metadata": {"name": "app"}, "spec": {}}


def estate(files: dict[str, object]) -> Estate:
    return read_estate({path: scan_file(path, json.dumps(content).encode()) for path, content in files.items()})


def builder(files: dict[str, object]) -> Builder:
    return estate(files).builder


def test_bases_in_bases_are_followed_to_a_depth_and_no_further() -> None:
    files: dict[str, object] = {f"{n}/kustomization.yaml": {"resources": [f"../{n + 1}"]} for n in range(2_000)}
    files |= {"2000/kustomization.yaml": {"resources": ["app.yaml"]}, "2000/app.yaml": POLICY}
    build = builder(files).build("1950")
    assert [one.name for one in build.objects] == ["app"]
    assert build.problems == ()
    build = builder(files).build("0")
    assert not build.is_whole
    assert "more than 100 folders bring each other in" in build.problems[0][1]


def test_bases_that_are_brought_in_twice_do_not_multiply() -> None:
    files: dict[str, object] = {"0/kustomization.yaml": {"resources": ["app.yaml"]}, "0/app.yaml": POLICY}
    for number in range(1, 60):
        files[f"{number}/kustomization.yaml"] = {"resources": [f"../{number - 1}", f"../{number - 1}/"]}
    build = builder(files).build("59")
    assert len(build.objects) == 1
    assert "is there twice, from 0/app.yaml: kustomize builds nothing" in build.problems[0][1]


def test_copies_of_copies_end() -> None:
    copies = [{"op": "copy", "from": "/spec", "path": f"/spec/a{number}"} for number in range(200)]
    tests = [{"op": "test", "path": "/spec/a0", "value": "x"}]
    patch = {"target": {"kind": "ImagePolicy"}, "patch": json.dumps([*copies, *tests])}
    files = {"app/kustomization.yaml": {"resources": ["app.yaml"], "patches": [patch]}, "app/app.yaml": POLICY}
    build = builder(files).build("app")
    assert build.problems == (("app/kustomization.yaml", "patches[0]: it copies more than 20000 parts of objects"),)
    (one,) = build.objects
    assert "does not fit it" in (one.doubt or "")


@pytest.mark.parametrize(
    "selector", [" " * 200_000 + "(", "a" * 200_000 + "(", "a=b," * 50_000 + "(", "a in (" + "b," * 100_000]
)
def test_long_selectors_take_no_long_time(selector: str) -> None:
    start = time.process_time()
    with pytest.raises(InvalidSelector):
        selects(selector, {"a": "b"})
    assert time.process_time() - start < 1


def test_many_patches_of_many_objects_take_no_long_time() -> None:
    named = [{**POLICY, "metadata": {"name": f"app-{number}"}} for number in range(1_500)]
    merges = [{"patch": json.dumps({**one, "spec": {"a": "b"}}, indent=1)} for one in named]
    operations = [
        {
            "target": {"kind": "ImagePolicy", "name": f"app-{number}"},
            "patch": '[{"op": "add", "path": "/spec/c", "value": "d"}]',
        }
        for number in range(1_500)
    ]
    files: dict[str, object] = {
        "base/kustomization.yaml": {"resources": ["apps.yaml"], "namespace": "apps"},
        "base/apps.yaml": {"apiVersion": "v1", "kind": "List", "items": named},
        "top/kustomization.yaml": {"resources": ["../base"], "patches": [*merges, *operations]},
    }
    read = builder(files)
    start = time.process_time()
    build = read.build("top")
    assert time.process_time() - start < 5
    assert build.problems == ()
    assert {json.dumps(one.value["spec"]) for one in build.objects} == {'{"a": "b", "c": "d"}'}

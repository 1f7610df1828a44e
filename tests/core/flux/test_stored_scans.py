"""Scans as text: what is read back is what was scanned."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.flux.scanning import ScannedFile, scan_file
from app.core.flux.stored import NotStored, read_scan, write_scan
from app.core.flux.written import FluxPart, KustomizeFile
from app.core.manifests.kinds.markers import MarkerScan
from app.core.manifests.places import Problem
from app.core.manifests.text.documents import NotText

POLICY = """apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {{name: app, namespace: flux-system, labels: {{team: shop, stage: prod}}}}
spec:
  imageRepositoryRef: {{name: app, namespace: other}}
  policy: {choice}
  filterTags: {{pattern: "^é", extract: $1}}
"""
OBJECTS = """apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: {name: app}
spec: {image: registry.acme.example/app, exclusionList: [rc, beta]}
---
apiVersion: image.toolkit.fluxcd.io/v1beta2
kind: ImageUpdateAutomation
metadata: {name: all}
spec:
  suspend: true
  update: {path: ./apps}
  policySelector: {matchLabels: {team: shop}, matchExpressions: [{key: stage, operator: In, values: [prod, test]}]}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps}
spec: {path: ./apps, targetNamespace: web, sourceRef: {kind: GitRepository, name: fleet}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: fleet}
spec: {url: "https://git.acme.example/fleet"}
---
apiVersion: image.toolkit.fluxcd.io/v9
kind: ImagePolicy
"""
MARKED = """image: 'registry.acme.example/app:1.0.0' # {"$imagepolicy": "flux-system:app"}
tag: 1.0 # {"$imagepolicy": "flux-system:app:tag"}
digest: "" # {"$imagepolicy": "flux-system:app:digest"}
name: app # {"$imagepolicy": "nowhere"}
"""


@pytest.mark.parametrize(
    ("path", "content"),
    [
        pytest.param("a.yaml", "kind: ConfigMap", id="silent"),
        pytest.param("a.yaml", MARKED, id="markers"),
        pytest.param("a.yaml", POLICY.format(choice='{semver: {range: ">=1"}}'), id="semver"),
        pytest.param("a.yaml", POLICY.format(choice="{numerical: {order: asc}}"), id="numerical"),
        pytest.param("a.yaml", POLICY.format(choice="{alphabetical: {order: asc}}"), id="alphabetical"),
        pytest.param("a.yaml", POLICY.format(choice="{}"), id="policy-with-a-problem"),
        pytest.param("a.yaml", OBJECTS, id="objects"),
        pytest.param("kustomization.yaml", "namespace: web\nresources: [a.yaml, ../b]", id="kustomization"),
        pytest.param("kustomization.yaml", "a: [", id="unparsable"),
    ],
)
def test_a_scan_is_read_back_as_it_was(path: str, content: str) -> None:
    scan = scan_file(path, content.encode())
    text = write_scan(scan)
    assert read_scan(text) == scan
    assert text.isascii()
    assert "\n" not in text


PARTS = st.recursive(
    st.text() | st.builds(NotText, st.text()),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(), inside, max_size=3),
    max_leaves=6,
)
FLUX = st.builds(
    FluxPart,
    objects=st.lists(st.dictionaries(st.text(), PARTS, max_size=3), max_size=2).map(tuple),
    operations=st.lists(PARTS, max_size=2).map(tuple),
    kustomize=st.none() | st.builds(KustomizeFile, names=st.lists(st.text()).map(tuple), content=PARTS),
)


@given(st.builds(ScannedFile, markers=st.from_type(MarkerScan), flux=FLUX, problems=st.from_type(tuple[Problem, ...])))
def test_every_scan_that_there_can_be_is_read_back(scan: ScannedFile) -> None:
    assert read_scan(write_scan(scan)) == scan


def test_a_scan_that_json_would_change_is_not_written() -> None:
    halves = ScannedFile(markers=MarkerScan(problems=(Problem(1, "\ud83d" + "\ude00"),)))
    with pytest.raises(NotStored):
        write_scan(halves)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "{}",
        "[]",
        "[1]",
        '"text"',
        '["Path","/etc"]',
        '["ScannedFile"]',
        '["","a"]',
        '["Problem",1,"what"]',
        "[" * 100_000,
    ],
)
def test_what_is_no_scan_is_refused(text: str) -> None:
    with pytest.raises(NotStored):
        read_scan(text)


def test_a_scan_with_something_unknown_is_not_written() -> None:
    unknown: tuple[Problem, ...] = (NotAProblem(1, "what"),)
    with pytest.raises(NotStored, match="NotAProblem is not known"):
        write_scan(replace(ScannedFile(), problems=unknown))


class NotAProblem(Problem):
    """A kind of problem that the texts do not know."""

"""What a config repository gives away: markers and policies without each other, and a second writer."""

from collections.abc import Mapping

import pytest

from app.core.flux.scanning import scan_file
from app.core.flux.tree import FluxTree, assemble
from app.core.flux.warnings import warn_of_tree
from app.core.policies.telling.warnings import WarningKind
from tests.end_to_end.bridge import deployment, policy

FILES = {"images/app.yaml": policy(), "apps/app.yaml": deployment("1.0.0")}


def _tree(files: Mapping[str, str]) -> FluxTree:
    return assemble({path: scan_file(path, text.encode()) for path, text in files.items()})


def _warnings(files: Mapping[str, str]) -> list[tuple[WarningKind, str, str]]:
    return [(one.kind, one.place, one.message) for one in warn_of_tree(_tree({**FILES, **files}))]


def _automation(*, namespace: str = "flux-system", spec: str = "update: {path: ./apps}", version: str = "v1") -> str:
    return f"""\
apiVersion: image.toolkit.fluxcd.io/{version}
kind: ImageUpdateAutomation
metadata: {{name: all, namespace: {namespace}}}
spec: {{{spec}}}
"""


def test_a_repository_in_order_is_not_warned_of() -> None:
    assert _warnings({}) == []


@pytest.mark.parametrize(
    ("files", "kind", "place", "said"),
    [
        pytest.param(
            {"apps/other.yaml": deployment("1.0.0", name="other")},
            WarningKind.UNKNOWN_POLICY,
            "apps/other.yaml:6",
            "flux-system/other",
            id="a marker that names no policy",
        ),
        pytest.param(
            {"apps/other.yaml": "a: 1\n# {'$imagepolicy': 'flux-system:app'}\n"},
            WarningKind.NEAR_MISS_MARKER,
            "apps/other.yaml:2",
            "no marker that Flux reads",
            id="a marker in single quotes",
        ),
        pytest.param(
            {"apps/other.yaml": '# {"$imagepolicy": "flux-system:app"}\nimage: x:1\n'},
            WarningKind.NEAR_MISS_MARKER,
            "apps/other.yaml:1",
            "on the same line",
            id="a marker above its value",
        ),
        pytest.param(
            {"images/other.yaml": policy("other")},
            WarningKind.UNUSED_POLICY,
            "images/other.yaml",
            'nothing uses flux-system/other: put the comment # {"$imagepolicy": "flux-system:other"}',
            id="a policy that nothing uses",
        ),
        pytest.param(
            {"images/app.yaml": policy(choice="semver: {range: '^*'}")},
            WarningKind.WILDCARD_BOUND,
            "images/app.yaml",
            "0.0.0 only",
            id="a range",
        ),
        pytest.param(
            {"flux/auto.yaml": _automation()},
            WarningKind.SECOND_WRITER,
            "flux/auto.yaml",
            "flux-system/all is active and writes fields of flux-system/app too (apps/app.yaml:6)",
            id="an automation of its folder",
        ),
        pytest.param(
            {"flux/auto.yaml": _automation(spec="interval: 1m", version="v1beta2")},
            WarningKind.SECOND_WRITER,
            "flux/auto.yaml",
            "spec.suspend",
            id="an automation of the whole repository",
        ),
    ],
)
def test_what_is_odd_is_warned_of_in_its_place(
    files: Mapping[str, str], kind: WarningKind, place: str, said: str
) -> None:
    [(found, where, message)] = _warnings(files)
    assert (found, where) == (kind, place)
    assert said in message


@pytest.mark.parametrize(
    "automation",
    [
        pytest.param(_automation(spec="suspend: true"), id="suspended"),
        pytest.param(_automation(spec="update: {path: ./app}"), id="of another folder"),
        pytest.param(_automation(namespace="other"), id="of another namespace"),
        pytest.param(_automation(version="v9"), id="of a version that nobody knows"),
    ],
)
def test_an_automation_that_does_not_write_these_fields_is_not_warned_of(automation: str) -> None:
    assert _warnings({"flux/auto.yaml": automation}) == []


def test_an_automation_without_a_namespace_takes_that_of_its_folder() -> None:
    written = _automation().replace(", namespace: flux-system", "")
    assert _warnings({"flux/auto.yaml": written}) == []
    kustomize = "namespace: flux-system\nresources: [auto.yaml]\n"
    [(kind, _, _)] = _warnings({"flux/auto.yaml": written, "flux/kustomization.yaml": kustomize})
    assert kind is WarningKind.SECOND_WRITER


def test_several_fields_that_an_automation_writes_are_counted() -> None:
    files = {"flux/auto.yaml": _automation(), "apps/more.yaml": deployment("1.0.0")}
    [(_, _, message)] = _warnings(files)
    assert "(apps/app.yaml:6 and 1 more)" in message


def test_a_policy_that_cannot_be_used_is_left_to_its_problem() -> None:
    broken = policy(choice="semver: {range: '^*'}").replace("imageRepositoryRef: {name: app}", "imageRepositoryRef: {}")
    assert _warnings({"images/app.yaml": broken}) == []

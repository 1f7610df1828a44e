"""A tag and its digest in one text (`1.2.3@sha256:…`): set together, and never one of two tags beside each other."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from app.core.manifests.kinds.markers import find_markers
from app.core.manifests.places import Part
from app.core.promotion.field_texts import digest_in, tag_in
from app.core.promotion.plans import Plan, Standing
from tests.core.manifests.declared import IMAGE, edit, read_tree, rules_with
from tests.core.promotion.lanes import Lane, app_lane, policy_file, report, tag_state

OLD, NEW, NEXT = ("sha256:" + letter * 64 for letter in "abc")
SETS = "sha256:" + "1b" * 32


def values(text: str) -> bytes:
    return f'image:\n  tag: {text} # {{"$imagepolicy": "flux-system:app:tag"}}\n'.encode()


def lane(reflection: str, text: str, *, digests: Mapping[str, str | None], production: str | None = None) -> Lane:
    """An app whose tag stands in Helm values; `digests` are what its tags name now."""
    interval = "\n  interval: 10m" if reflection == "Always" else ""
    spec = f"spec:\n  digestReflectionPolicy: {reflection}{interval}\n  imageRepositoryRef"
    policy = policy_file("semver: {range: '>=1.0.0'}").replace(b"spec:\n  imageRepositoryRef", spec.encode())
    tags = [replace(tag_state(tag, report(tag)), digest=digest) for tag, digest in digests.items()]
    files = {
        "images/app.yaml": policy,
        "apps/staging/values.yaml": values(text),
        "apps/production/values.yaml": values(production or text),
    }
    return replace(app_lane(*tags), files=files)


def written(found: Plan) -> list[str]:
    return [change.new_text for one in found.proposals if one.stage == "staging" for change in one.changes]


@pytest.mark.parametrize(
    ("reflection", "present", "digests", "wanted"),
    [
        pytest.param("Never", f"1.0.0@{OLD}", {"1.1.0": NEXT}, [f"1.1.0@{NEXT}"], id="Never: both, as it is known"),
        pytest.param("Never", f"1.0.0@{OLD}", {"1.0.0": NEW}, [], id="Never: a re-pushed tag is nothing new"),
        pytest.param("Never", "1.0.0", {"1.1.0": NEXT}, ["1.1.0"], id="Never: a bare tag stays bare"),
        pytest.param("Always", "1.0.0", {"1.1.0": NEXT}, ["1.1.0"], id="Always: a bare tag stays bare"),
        pytest.param("Always", f"1.0.0@{OLD}", {"1.0.0": NEW}, [f"1.0.0@{NEW}"], id="Always: the tag was re-pushed"),
        pytest.param("Always", f"1.0.0@{OLD}", {"1.1.0": NEXT}, [f"1.1.0@{NEXT}"], id="Always: another tag"),
        pytest.param("IfNotPresent", f"1.0.0@{OLD}", {"1.0.0": NEW}, [], id="IfNotPresent: the tag was re-pushed"),
        pytest.param("IfNotPresent", f"1.0.0@{OLD}", {"1.1.0": NEXT}, [f"1.1.0@{NEXT}"], id="IfNotPresent: another"),
        pytest.param("Never", f"2.0.0@{OLD}", {"1.1.0": NEXT}, [], id="never backwards"),
    ],
)
def test_a_tag_moves_together_with_its_digest(
    reflection: str, present: str, digests: Mapping[str, str], wanted: list[str]
) -> None:
    assert written(lane(reflection, present, digests=digests).plan()) == wanted


@pytest.mark.parametrize("reflection", ["Never", "IfNotPresent", "Always"])
def test_a_tag_waits_for_its_digest(reflection: str) -> None:
    found = lane(reflection, f"1.0.0@{OLD}", digests={"1.1.0": None}).plan()
    assert written(found) == []
    [said] = [one for one in found.outcomes if one.stage == "staging"]
    assert said.standing is Standing.WAITING
    assert said.reason == "apps/staging/values.yaml:2 wants the digest of 1.1.0, which is not known yet"


def test_the_digest_that_another_stage_has_comes_with_the_tag() -> None:
    found = lane("Never", f"1.0.0@{OLD}", digests={"1.1.0": NEW}, production=f"1.1.0@{NEXT}").plan()
    assert written(found) == [f"1.1.0@{NEXT}"]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        pytest.param(f"1.0.0@{OLD}", Part.TAG_DIGEST, id="tag and digest"),
        pytest.param(f'"1.0.0@{OLD}"', Part.TAG_DIGEST, id="in quotes"),
        pytest.param(f"1.0.0@sha512:{'a' * 128}", Part.TAG_DIGEST, id="sha512"),
        pytest.param("1.0.0", Part.TAG, id="a tag"),
        pytest.param("1.0.0@sha256:abc", Part.TAG, id="half a digest"),
        pytest.param(f"app:1.0.0@{OLD}", Part.TAG, id="with a name"),
    ],
)
def test_what_is_a_tag_with_its_digest(text: str, part: Part) -> None:
    [field] = find_markers(values(text)).fields
    assert field.part is part


def test_what_the_text_says_is_read_from_both_its_halves() -> None:
    assert (tag_in(Part.TAG_DIGEST, f"1.0.0@{OLD}"), digest_in(Part.TAG_DIGEST, f"1.0.0@{OLD}")) == ("1.0.0", OLD)
    assert (tag_in(Part.TAG_DIGEST, "1.0.0"), digest_in(Part.TAG_DIGEST, "1.0.0")) == ("1.0.0", "")
    assert (tag_in(Part.TAG_DIGEST, "1.0.0@x"), digest_in(Part.TAG_DIGEST, "@x")) == (None, None)


@pytest.mark.parametrize(
    ("place", "before", "after"),
    [
        pytest.param("yaml: {path: v, part: tag_digest}", "v: 1.0.0 # x\n", f"v: 2.0.0@{SETS} # x\n", id="declared"),
        pytest.param("values: image.tag", f"image: {{tag: 1.0@{OLD}}}\n", f"image: {{tag: 2.0.0@{SETS}}}\n", id="kept"),
        pytest.param("values: image", f"image:\n  tag: 1.0@{OLD}\n", f"image:\n  tag: 2.0.0@{SETS}\n", id="a mapping"),
        pytest.param(
            "yaml: {path: a, pattern: '=(.*)'}", f"a: --v=1.0@{OLD}\n", f"a: --v=2.0.0@{SETS}\n", id="by a pattern"
        ),
        pytest.param("env: TAG", f"TAG=1.0@{OLD}\n", f"TAG=2.0.0@{SETS}\n", id="in an env file"),
        pytest.param("json: tag", f'{{"tag": "1.0@{OLD}"}}\n', f'{{"tag": "2.0.0@{SETS}"}}\n', id="in JSON"),
        pytest.param(
            "env: {key: TAG, part: tag_digest}", "TAG=1.0\n", f"TAG=2.0.0@{SETS}\n", id="declared in an env file"
        ),
        pytest.param(
            "kustomization: app",
            f"images:\n- name: app\n  newTag: 1.0@{OLD}\n",
            "images:\n- name: app\n  newTag: 2.0.0\n",
            id="kustomize has a key for the digest",
        ),
    ],
)
def test_a_declared_place_holds_both(place: str, before: str, after: str) -> None:
    rules = rules_with(f"fields: [{{policy: flux-system/app, files: f, {place}}}]")
    assert edit({"f": before.encode()}, rules) == ({"f": after.encode()}, [])


def test_a_digest_of_its_own_beside_the_tag_leaves_the_tag_alone() -> None:
    rules = rules_with("fields: [{policy: flux-system/pinned, files: f, values: image}]")
    before = f"image: {{repository: {IMAGE}, tag: 1.0@{OLD}, digest: {OLD}}}\n"
    assert {one.marked.part for one in read_tree({"f": before.encode()}, rules).fields} == {
        Part.NAME,
        Part.TAG,
        Part.DIGEST,
    }

"""How declared fields join the policies of a repository, and what is reported of them."""

import pytest

from app.core.flux.tree import FluxTree
from app.core.manifests.places import Part
from app.core.promotion.proposals import CannotWrite
from tests.core.manifests.declared import DIGEST, IMAGE, edit, new_text, read_tree, rules_with

MARKER = '# {"$imagepolicy": "flux-system:app:tag"}'
IMAGE_POLICY = """apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: {name: web, namespace: apps}
spec: {image: registry.acme.example/web}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {name: web, namespace: apps}
spec: {imageRepositoryRef: {name: web}, policy: {semver: {range: "*"}}}
"""


def _tree(fields: str, **files: str) -> FluxTree:
    contents = {f"{name}.yaml": text.encode() for name, text in files.items()}
    return read_tree(contents, rules_with(f"fields:\n{fields}"))


def _reports(tree: FluxTree) -> list[str]:
    return [f"{report.file}:{report.line} {report.what}" for report in tree.reports]


def test_a_declared_field_belongs_to_the_policy_object_of_the_repository() -> None:
    tree = _tree("  - {policy: apps/web, files: a.yaml, values: tag}", a="tag: v1\n", policy=IMAGE_POLICY)
    (field,) = tree.fields
    assert (str(field.policy), field.file, field.marked.part, field.marked.text) == (
        "apps/web",
        "a.yaml",
        Part.TAG,
        "v1",
    )
    assert tree.reports == ()


def test_a_marker_may_name_a_declared_policy() -> None:
    tree = read_tree({"a.yaml": f"tag: v1 {MARKER}\n".encode()}, rules_with(""))
    assert [str(field.policy) for field in tree.fields] == ["flux-system/app"]


def test_a_policy_that_is_declared_and_an_object_is_a_problem_of_it() -> None:
    policies = "policies:\n  - {name: web, namespace: apps, image: a, policy: {numerical: {}}}"
    (policy,) = read_tree({"policy.yaml": IMAGE_POLICY.encode()}, rules_with("", policies)).policies
    assert policy.problem is not None
    assert "in policy.yaml and .fluxbridge.yaml" in policy.problem


@pytest.mark.parametrize(
    ("fields", "content", "report"),
    [
        pytest.param(
            "  - {policy: flux-system/app, files: b/*.yaml, values: tag}",
            "tag: v1\n",
            ".fluxbridge.yaml:None fields.0: no file of the repository matches b/*.yaml",
            id="no file",
        ),
        pytest.param(
            "  - {policy: flux-system/app, files: a.yaml, values: image}",
            "\ntag: v1\n",
            "a.yaml:2 fields.0 of .fluxbridge.yaml: nothing stands at image",
            id="nothing in the file",
        ),
        pytest.param(
            "  - {policy: flux-system/ap, files: a.yaml, values: tag}",
            "tag: v1\n",
            "a.yaml:None fields.0 of .fluxbridge.yaml: the field names flux-system/ap, but no ImagePolicy of that name "
            "is in the repository",
            id="no such policy",
        ),
        pytest.param(
            "  - {policy: flux-system/app, files: a.yaml, containers: true}",
            "kind: Pod\nspec: {containers: [{image: other:1}]}\n",
            f"a.yaml:None fields.0 of .fluxbridge.yaml: no container has the image {IMAGE}",
            id="no container of the image",
        ),
        pytest.param(
            "  - {policy: flux-system/app, files: a.yaml, values: tag}\n"
            "  - {policy: flux-system/hub, files: a.yaml, values: tag}",
            "tag: v1\n",
            "a.yaml:1 set by flux-system/app (tag of tag in .fluxbridge.yaml) and flux-system/hub (tag of tag in "
            ".fluxbridge.yaml): not edited; keep one of them",
            id="two declarations",
        ),
        pytest.param(
            "  - {policy: flux-system/hub, files: a.yaml, values: tag}",
            f"tag: v1 {MARKER}\n",
            "a.yaml:1 set by flux-system/app (tag by its marker) and flux-system/hub (tag of tag in .fluxbridge.yaml): "
            "not edited; keep one of them",
            id="marker and declaration",
        ),
        pytest.param(
            "  - {policy: flux-system/app, files: a.yaml, values: {path: image, pattern: ':(.+)'}}",
            'image: a:v1 # {"$imagepolicy": "flux-system:app"}\n',
            "a.yaml:1 set by flux-system/app (reference by its marker) and flux-system/app (tag of image in "
            ".fluxbridge.yaml): not edited; keep one of them",
            id="a part of what a marker sets",
        ),
        pytest.param(
            "  - {policy: flux-system/app, files: a.yaml, kustomization: x}\n"
            "  - {policy: flux-system/hub, files: a.yaml, kustomization: x}",
            "resources: []\n",
            "a.yaml:1 set by flux-system/app (tag of images[x].newTag in .fluxbridge.yaml) and flux-system/hub (tag of "
            "images[x].newTag in .fluxbridge.yaml): not edited; keep one of them",
            id="two policies that would add one key",
        ),
    ],
)
def test_what_a_declaration_cannot_do_is_reported_and_not_edited(fields: str, content: str, report: str) -> None:
    tree = _tree(fields, a=content)
    assert _reports(tree) == [report]
    assert tree.fields == ()


IMAGE_AND_TAG = "image: {repository: old/app, tag: 1.0.0}\n"


@pytest.mark.parametrize(
    ("fields", "content", "who"),
    [
        pytest.param(
            "  - {policy: flux-system/app, files: a.yaml, values: image}\n"
            "  - {policy: flux-system/hub, files: a.yaml, values: image.tag}",
            IMAGE_AND_TAG,
            "flux-system/app (tag of image.tag in .fluxbridge.yaml) and flux-system/hub (tag of image.tag in "
            ".fluxbridge.yaml)",
            id="two declarations",
        ),
        pytest.param(
            "  - {policy: flux-system/hub, files: a.yaml, values: image}",
            f"image:\n  repository: old/app\n  tag: 1.0.0 {MARKER}\n",
            "flux-system/app (tag by its marker) and flux-system/hub (tag of image.tag in .fluxbridge.yaml)",
            id="marker and declaration",
        ),
        pytest.param(
            "  - {policy: flux-system/app, files: a.yaml, values: image}\n"
            "  - {policy: flux-system/app, files: a.yaml, values: image.repository}\n"
            "  - {policy: flux-system/hub, files: a.yaml, values: image.tag}",
            IMAGE_AND_TAG,
            "flux-system/app (tag of image.tag in .fluxbridge.yaml) and flux-system/hub (tag of image.tag in "
            ".fluxbridge.yaml)",
            id="a sibling that one more declaration has",
        ),
    ],
)
def test_an_image_is_not_set_in_part_where_part_of_it_is_claimed_twice(fields: str, content: str, who: str) -> None:
    tree = _tree(fields, a=content, b=IMAGE_AND_TAG)
    assert tree.fields == ()
    line = 3 if MARKER in content else 1
    assert _reports(tree) == [
        f"a.yaml:{line} set by {who}: not edited, nor what else they set in the file; keep one of them"
    ]


def test_declarations_that_meet_in_several_places_are_reported_once() -> None:
    fields = "".join(f"  - {{policy: flux-system/{name}, files: a.yaml, values: image}}\n" for name in ("app", "hub"))
    tree = _tree(fields, a=IMAGE_AND_TAG)
    assert tree.fields == ()
    assert len(tree.reports) == 1


def test_a_conflict_in_one_file_leaves_other_files_alone() -> None:
    fields = """  - {policy: flux-system/app, files: "*.yaml", values: image}
  - {policy: flux-system/hub, files: a.yaml, values: image.tag}"""
    tree = _tree(fields, a=IMAGE_AND_TAG, b=IMAGE_AND_TAG)
    assert [(field.file, field.marked.text) for field in tree.fields] == [("b.yaml", "old/app"), ("b.yaml", "1.0.0")]


POD = "kind: Pod\nspec: {containers: [{image: other:1}]}\n"


@pytest.mark.parametrize(
    ("kind", "report"),
    [
        pytest.param("containers: true", f"no container has the image {IMAGE}", id="containers"),
        pytest.param("values: image.tag", "nothing stands at image", id="path"),
        pytest.param(
            "yaml: {path: kind, pattern: '^v(.+)'}",
            "kind is not edited: the pattern '^v(.+)' is not found",
            id="pattern",
        ),
        pytest.param("helm_release: spec.values.a", "no HelmRelease is in the file", id="object"),
        pytest.param("source: {kind: OCIRepository, name: a}", "no OCIRepository named a", id="source"),
        pytest.param("kustomization: app", "the file is no kustomization", id="kustomization"),
    ],
)
def test_of_a_pattern_of_files_only_a_miss_in_all_is_reported(kind: str, report: str) -> None:
    declared = f"  - {{policy: flux-system/app, files: '?.yaml', {kind}}}"
    (only,) = _reports(_tree(declared, a=POD, b=POD))
    assert only.startswith(
        f".fluxbridge.yaml:None fields.0: no file that its pattern matches has anything to set: a.yaml: {report}"
    )


def test_a_pattern_of_files_may_match_files_that_have_no_such_field() -> None:
    declared = "  - {policy: flux-system/app, files: '?.yaml', containers: true}"
    tree = _tree(declared, a=POD, b=POD.replace("other:1", f"{IMAGE}:1"), c="x: 1\n")
    assert [field.file for field in tree.fields] == ["b.yaml"]
    assert tree.reports == ()


def test_a_place_that_one_policy_has_twice_is_one_field() -> None:
    twice = "  - {policy: flux-system/app, files: a.yaml, values: tag}\n" * 2
    tree = _tree(twice, a=f"tag: v1 {MARKER}\n")
    assert len(tree.fields) == 1
    assert tree.reports == ()


def test_a_digest_beside_a_tag_is_not_left_behind() -> None:
    """A newTag alone would change nothing: kustomize and Helm take the digest."""
    content = f"images: [{{name: a, newTag: v1, digest: sha256:{'0' * 64}}}]\n"
    tree = _tree("  - {policy: flux-system/app, files: a.yaml, kustomization: a}", a=content)
    (policy,) = [one for one in tree.policies if one.name.name == "app"]
    texts = [new_text(policy, field) for field in tree.fields]
    assert isinstance(texts[1], CannotWrite)
    assert "digestReflectionPolicy Never gives none" in texts[1].reason


def test_a_digest_that_was_asked_for_is_not_dropped_in_silence() -> None:
    rules = rules_with(
        "fields:\n  - {policy: flux-system/app, files: a.yaml, kustomization: {image: a, set: [newTag, digest]}}"
    )
    _, reports = edit({"a.yaml": b"images: [{name: a}]\n"}, rules)
    assert reports == [
        "a.yaml:1 wants the digest of 2.0.0, but digestReflectionPolicy Never gives none",
    ]


def test_markers_and_declarations_of_one_file_are_set_together() -> None:
    content = f"tag: v1 {MARKER}\nargs: [--version=v1]\nimages:\n- name: a\n"
    fields = """fields:
  - {policy: flux-system/app, files: a.yaml, yaml: {path: "args[0]", pattern: "=(.+)"}}
  - {policy: flux-system/pinned, files: a.yaml, kustomization: a}
"""
    edited, reports = edit({"a.yaml": content.encode()}, rules_with(fields))
    assert reports == []
    assert edited["a.yaml"].decode() == (
        f'tag: 2.0.0 {MARKER}\nargs: [--version=2.0.0]\nimages:\n- name: a\n  newTag: "1.10"\n  digest: {DIGEST}\n'
    )

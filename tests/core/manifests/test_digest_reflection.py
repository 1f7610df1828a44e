"""Which digest is written beside a tag: Never, IfNotPresent and Always as Flux reflects them."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from app.core.promotion.planning import plan
from app.core.promotion.plans import Plan
from tests.core.promotion.lanes import NOW, POLICY, Lane, app_lane, deployment, policy_file, pull, report, tag_state

OLD, NEW, NEXT = ("sha256:" + letter * 64 for letter in "abc")
IMAGE = "registry.acme.example/team/app"


def lane(
    reflection: str, *, digests: Mapping[str, str], staging: str, production: str = "1.0.0", choice: str = ">=1.0.0"
) -> Lane:
    """The app under a policy that reflects digests so; `digests` are what its tags name now."""
    interval = "\n  interval: 10m" if reflection == "Always" else ""
    spec = f"spec:\n  digestReflectionPolicy: {reflection}{interval}\n  imageRepositoryRef"
    policy = policy_file(f"semver: {{range: '{choice}'}}").replace(b"spec:\n  imageRepositoryRef", spec.encode())
    tags = [
        replace(tag_state(tag, replace(report(tag), digest=digest)), digest=digest) for tag, digest in digests.items()
    ]
    found = app_lane(*tags, staging=staging, production=production)
    return replace(found, files={**found.files, "images/app.yaml": policy})


def written(found: Plan, stage: str = "staging") -> list[str]:
    """The texts that a stage would get."""
    return [change.new_text for one in found.proposals if one.stage == stage for change in one.changes]


@pytest.mark.parametrize(
    ("reflection", "present", "digests", "wanted"),
    [
        pytest.param("Never", "1.0.0", {"1.0.0": NEW}, None, id="Never: a re-pushed tag is nothing new"),
        pytest.param("Never", "1.0.0", {"1.1.0": NEXT}, "1.1.0", id="Never: another tag comes without"),
        pytest.param("Always", f"1.0.0@{OLD}", {"1.0.0": NEW}, f"1.0.0@{NEW}", id="Always: the tag was re-pushed"),
        pytest.param("Always", f"1.0.0@{OLD}", {"1.0.0": OLD}, None, id="Always: nothing moved"),
        pytest.param("Always", f"1.0.0@{OLD}", {"1.1.0": NEXT}, f"1.1.0@{NEXT}", id="Always: another tag"),
        pytest.param("IfNotPresent", f"1.0.0@{OLD}", {"1.0.0": NEW}, None, id="IfNotPresent: the tag was re-pushed"),
        pytest.param("IfNotPresent", f"1.0.0@{OLD}", {"1.1.0": NEXT}, f"1.1.0@{NEXT}", id="IfNotPresent: another tag"),
        pytest.param("IfNotPresent", "1.0.0", {"1.0.0": NEW}, f"1.0.0@{NEW}", id="Never to IfNotPresent: filled"),
        pytest.param("Always", "1.0.0", {"1.0.0": NEW}, f"1.0.0@{NEW}", id="Never to Always: filled"),
        pytest.param("Never", f"1.0.0@{OLD}", {"1.0.0": NEW}, "1.0.0", id="Always or IfNotPresent to Never: cleared"),
        pytest.param("Always", f"1.0.0@{OLD}", {"1.0.0": NEW}, f"1.0.0@{NEW}", id="IfNotPresent to Always: refreshed"),
        pytest.param("IfNotPresent", f"1.0.0@{NEW}", {"1.0.0": NEW}, None, id="Always to IfNotPresent: untouched"),
    ],
)
def test_the_digest_follows_the_policy(
    reflection: str, present: str, digests: Mapping[str, str], wanted: str | None
) -> None:
    found = lane(reflection, digests=digests, staging=present, production=present).plan()
    assert written(found) == ([] if wanted is None else [f"{IMAGE}:{wanted}"])


@pytest.mark.parametrize("reflection", ["Always", "IfNotPresent"])
def test_another_range_that_chooses_the_same_tag_leaves_its_digest(reflection: str) -> None:
    asked = lane(reflection, digests={"1.0.0": OLD}, staging=f"1.0.0@{OLD}", production=f"1.0.0@{OLD}", choice="1.x")
    assert replace(asked, changed_spec=True).plan().proposals == ()


def test_a_tag_that_is_pushed_again_while_its_pull_request_is_open_keeps_its_first_digest() -> None:
    state = replace(
        lane("IfNotPresent", digests={"1.1.0": NEW}, staging=f"1.0.0@{OLD}"), pulls=(pull(7, "staging", "1.1.0"),)
    ).state()
    policies = tuple(replace(one, proposed_digests={"1.1.0": NEXT}) for one in state.policies)
    assert written(plan(replace(state, policies=policies), NOW)) == [f"{IMAGE}:1.1.0@{NEXT}"]


def test_under_always_the_open_pull_request_gets_the_digest_of_now() -> None:
    state = replace(
        lane("Always", digests={"1.1.0": NEW}, staging=f"1.0.0@{OLD}"), pulls=(pull(7, "staging", "1.1.0"),)
    ).state()
    policies = tuple(replace(one, proposed_digests={"1.1.0": NEXT}) for one in state.policies)
    assert written(plan(replace(state, policies=policies), NOW)) == [f"{IMAGE}:1.1.0@{NEW}"]


def test_a_later_stage_gets_the_digest_that_the_earlier_one_was_given() -> None:
    found = lane("IfNotPresent", digests={"1.1.0": NEW}, staging=f"1.1.0@{OLD}", production=f"1.0.0@{NEXT}")
    # The build that counts is the one that reported what is written, not what the tag names by now.
    tags = tuple(
        replace(one, reports=(replace(report(one.tag, number=1), digest=OLD), *one.reports)) for one in found.tags
    )
    assert written(replace(found, tags=tags).plan(), "production") == [f"{IMAGE}:1.1.0@{OLD}"]


SPLIT = """\
kind: Deployment
tag: %s # {"$imagepolicy": "flux-system:app:tag"}
digest: %s # {"$imagepolicy": "flux-system:app:digest"}
"""


def test_a_digest_in_a_field_of_its_own_is_kept_with_its_tag() -> None:
    found = lane("IfNotPresent", digests={"1.0.0": NEW, "1.1.0": NEXT}, staging="1.0.0", choice="1.0.x")
    files = {**found.files, "apps/staging/app.yaml": (SPLIT % ("1.0.0", OLD)).encode()}
    assert written(replace(found, files=files).plan()) == []
    files["apps/staging/app.yaml"] = (SPLIT % ("0.9.0", OLD)).encode()
    assert written(replace(found, files=files).plan()) == ["1.0.0", NEW]


def test_no_stage_goes_back_to_the_digest_of_another() -> None:
    found = lane("IfNotPresent", digests={"1.0.0": NEW}, staging=f"1.0.0@{NEW}", production=f"1.0.0@{OLD}")
    assert found.plan().proposals == ()


def test_a_digest_of_another_image_is_not_kept() -> None:
    found = lane("IfNotPresent", digests={"1.0.0": NEW}, staging="1.0.0")
    moved = f'kind: Deployment\nimage: old.example/app:1.0.0@{OLD} # {{"$imagepolicy": "flux-system:app"}}\n'
    files = {**found.files, "apps/staging/app.yaml": moved.encode(), "apps/production/app.yaml": deployment("1.0.0")}
    assert written(replace(found, files=files).plan()) == [f"{IMAGE}:1.0.0@{NEW}"]


def test_fields_of_tag_and_digest_move_together() -> None:
    marker = '# {"$imagepolicy": "flux-system:app%s"}'
    app = f"kind: Deployment\nname: {IMAGE} {marker % ':name'}\ntag: 1.0.0 {marker % ':tag'}\n"
    app += f"digest: {OLD} {marker % ':digest'}\n"
    found = lane("Always", digests={"1.1.0": NEXT}, staging="1.0.0")
    files = {**found.files, "apps/staging/app.yaml": app.encode(), "apps/production/app.yaml": deployment("1.0.0")}
    proposed = replace(found, files=files).plan()
    assert written(proposed) == ["1.1.0", NEXT]
    assert {one.group for one in proposed.proposals} == {POLICY}


def test_a_digest_field_under_never_is_told_and_not_emptied() -> None:
    app = 'kind: Deployment\ntag: 1.0.0 # {"$imagepolicy": "flux-system:app:tag"}\n'
    app += f'digest: {OLD} # {{"$imagepolicy": "flux-system:app:digest"}}\n'
    found = lane("Never", digests={"1.1.0": NEXT}, staging="1.0.0")
    planned = replace(found, files={**found.files, "apps/staging/app.yaml": app.encode()}).plan()
    assert [one for one in planned.proposals if one.stage == "staging"] == []
    [reason] = {one.reason for one in planned.outcomes if (one.stage, one.tag) == ("staging", "1.1.0")}
    assert "digestReflectionPolicy Never gives none" in reason

"""A policy that remembers what it was shown answers as one that does not."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.policies.placing import Memory, Placed
from app.core.policies.selection import Selection, compile_policy
from app.core.policies.spec import Numerical, PolicySpec, SemVer, TagFilter
from tests.core.policies.test_policies_laws import LISTS, SPECS


@given(spec=SPECS, lists=st.lists(LISTS, max_size=4))
def test_what_a_policy_saw_before_never_shows(spec: PolicySpec, lists: list[list[str]]) -> None:
    policy = compile_policy(spec)
    for tags in lists:
        assert policy.select(tags) == compile_policy(spec).select(tags)


@given(spec=SPECS, tags=LISTS, more=LISTS)
def test_a_list_that_grows_and_shrinks_is_evaluated_as_if_for_the_first_time(
    spec: PolicySpec, tags: list[str], more: list[str]
) -> None:
    policy = compile_policy(spec)
    policy.select(tags)
    policy.select(tags + more)
    assert policy.select(tags) == compile_policy(spec).select(tags)


def test_threads_may_share_a_policy() -> None:
    policy = compile_policy(PolicySpec(SemVer("*")))
    lists = [[f"{major}.{minor}.0" for minor in range(300)] for major in range(8)]

    def select(tags: list[str]) -> Selection:
        return [policy.select(tags[:length]) for length in range(280, 301)][-1]

    with ThreadPoolExecutor(max_workers=8) as threads:
        found = list(threads.map(select, lists))
    assert [one.tag for one in found] == [f"{major}.299.0" for major in range(8)]
    assert [one.ranked for one in found] == [tuple(reversed(tags)) for tags in lists]
    assert [set(one.verdicts) for one in found] == [set(tags) for tags in lists]


@pytest.mark.parametrize(
    "tags",
    [
        pytest.param(frozenset(map(str, range(200_001))), id="too-many"),
        pytest.param(frozenset(f"{number}" + "0" * 1_000 for number in range(6_000)), id="too-long"),
    ],
)
def test_what_is_too_much_to_remember_is_not(tags: frozenset[str]) -> None:
    memory = Memory()
    memory.keep(Placed(tags))
    assert memory.placed == Placed()


def test_keys_that_a_template_blows_up_are_not_remembered() -> None:
    policy = compile_policy(PolicySpec(Numerical(), TagFilter("(.*)", "$1" * 32)))
    policy.select(f"{number}" * 20 for number in range(3_000))
    assert policy.memory.placed == Placed()


def test_the_verdicts_of_an_earlier_selection_stay_as_they_were() -> None:
    policy = compile_policy(PolicySpec(SemVer("*")))
    earlier = policy.select(["1.0.0", "latest"])
    policy.select(["2.0.0", "1.0.0"])
    assert {tag: verdict.kind.value for tag, verdict in earlier.verdicts.items()} == {
        "1.0.0": "chosen",
        "latest": "not_a_version",
    }
    with pytest.raises(KeyError):
        earlier.verdicts["2.0.0"]
    assert (len(earlier.verdicts), "2.0.0" in earlier.verdicts) == (2, False)

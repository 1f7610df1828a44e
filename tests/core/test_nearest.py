"""What may have been meant by a name: by its last part first, and never by what is merely in the same folder."""

from collections.abc import Sequence

import pytest

from app.core.nearest import among, nearest

POLICIES = ["clusters/prod:flux-system/app", "clusters/prod:flux-system/web", "clusters/test:flux-system/web"]


@pytest.mark.parametrize(
    ("name", "known", "found"),
    [
        pytest.param("stagign", ["production", "staging"], ["staging"], id="letters in another order"),
        pytest.param("prod", ["production", "staging"], ["production"], id="the beginning"),
        pytest.param("clusters/test:flux-system/wbe", POLICIES, [POLICIES[2]], id="of those alike the nearest in full"),
        pytest.param("clusters/prod:flux-system/db", POLICIES, [], id="alike in their folder only"),
        pytest.param("b", ["web"], [], id="a letter"),
        pytest.param("", ["web"], [], id="nothing"),
        pytest.param("x", [], [], id="where there is none"),
        pytest.param("web/", ["web"], [], id="no last part"),
        pytest.param("w" * 100_000, ["web"], [], id="very long"),
    ],
)
def test_the_nearest_name_is_found(name: str, known: Sequence[str], found: Sequence[str]) -> None:
    assert nearest(name, known) == found


def test_of_many_names_only_the_first_are_told() -> None:
    told = among("zzz", [f"stage-{number:02}" for number in range(30)])
    assert told.startswith("there are: stage-00, stage-01")
    assert told.endswith("stage-19 and 10 more")

"""How builds end is remembered, but for those that did not end."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.core.ports import BuildCheck
from app.services.lane.check_builds import CheckedBuilds

OTHER = "0.5 s were not enough"


@dataclass
class Builder:
    """Is slow at first."""

    builds: int = 0

    def check_builds(self, before: str, after: str, paths: Sequence[str]) -> tuple[BuildCheck, ...]:
        assert before != after
        self.builds += 1
        if self.builds == 1:
            return (
                BuildCheck(paths[0], None, OTHER, has_ended=False),
                *(BuildCheck(path, None, None) for path in paths[1:]),
            )
        return tuple(BuildCheck(path, None, None) for path in paths)


def test_builds_that_did_not_end_are_tried_again_and_others_are_not() -> None:
    builder = Builder()
    checked = CheckedBuilds(builder)
    assert [one.is_broken_by_edit for one in checked.check_builds("a", "b", ["x", "y"])] == [True, False]
    assert [one.is_broken_by_edit for one in checked.check_builds("a", "b", ["x", "y"])] == [False, False]
    checked.check_builds("a", "b", ["x", "y"])
    assert builder.builds == 2

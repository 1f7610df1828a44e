"""What is wrong with the rules is told by line and key, with what to write."""

import pytest

from app.core.promotion.rules_document import InvalidRules
from app.core.promotion.rules_reading import read_rules

STAGES = b"stages:\n  staging:\n    paths: [apps/staging]\n"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (STAGES + b"  prod:\n    pathes: [x]\n", "line 4: stages.prod.paths: is missing"),
        (
            STAGES + b"  prod:\n    pathes: [x]\n",
            "line 5: stages.prod.pathes: is no key here, did you mean 'paths'?",
        ),
        (b"stages:\n  staging:\n    paths: apps\n", "line 3: stages.staging.paths: must be a list"),
        (b"limits:\n\n  open: many\n", "line 3: limits.open: must be a whole number"),
        (b"stages: [1]\n", "line 1: stages: must be a mapping of names to entries"),
        (b"- stages\n", "line 1: the file: must be a mapping of keys to values"),
        (b"zzz: 1\n", "line 1: zzz: is no key here: docs/concepts.md has them all"),
        (STAGES + b"    requires: {build: maybe}\n", "line 4: stages.staging.requires.build: must be 'success', or"),
        (b"stages:\n  Prod:\n    paths: [x]\n", "line 2: stages.Prod: must match pattern"),
        (b"fields:\n- policy: a/b\n  files: [x]\n- files: [y]\n", "line 4: fields.1.policy: is missing"),
    ],
)
def test_a_mistake_is_told_where_it_stands(content: bytes, told: str) -> None:
    with pytest.raises(InvalidRules) as wrong:
        read_rules(content)
    assert told in str(wrong.value)


def test_of_very_many_mistakes_the_first_are_told() -> None:
    with pytest.raises(InvalidRules) as wrong:
        read_rules(b"".join(b"key%d: 1\n" % number for number in range(500)))
    assert "line 20: key19: is no key here" in str(wrong.value)
    assert "and 480 more" in str(wrong.value)

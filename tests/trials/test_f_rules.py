"""Rules that would cost without end are refused before they do, and broken ones are told where a person looks (F4)."""

import time
from pathlib import Path

import httpx
import pytest

from app.core.promotion.rules_document import InvalidRules
from app.core.promotion.rules_reading import read_rules
from tests.cli.console import Console
from tests.end_to_end.bridge import ENVIRONMENT, fleet, running_bridge

_NESTED = b"a0: &a0 {x: 1}\n" + b"".join(b"a%d: &a%d {<<: [*a%d, *a%d]}\n" % (n, n, n - 1, n - 1) for n in range(1, 24))
_STAGES = b"stages:\n" + b"".join(b"  s%d: {paths: [apps/s%d]}\n" % (n, n) for n in range(7_000))
_PATTERNS = b"stages: {all: {paths: [" + b",".join(b"'**/%d.yaml'" % n for n in range(5_000)) + b"]}}\n"
# A bound on CPU of this process, with much room: any of them took half a minute, or had no end.
_MOST_S = 5.0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(_NESTED, "line 1: anchors, aliases and merge keys", id="nested merge keys"),
        pytest.param(b"stages: &s {a: {paths: [a]}}\nother: *s\n", "line 1: anchors, aliases", id="an alias"),
        pytest.param(b"stages: {a: {<<: {paths: [a]}}}\n", "line 1: anchors, aliases and merge keys", id="a merge key"),
        pytest.param(b"[" * 100_000, "nested more than 200 levels deep", id="a hundred thousand brackets"),
        pytest.param(
            b'- "\\ud800"\n- ' + b"[" * 4_000, "nested more than 200 levels deep", id="brackets after half a letter"
        ),
        pytest.param(_PATTERNS, "more than 1000 paths with", id="thousands of patterns"),
        pytest.param(b"".join(b"k%d: x\n" % n for n in range(14_000)), "and 13980 more", id="thousands of mistakes"),
        pytest.param(_STAGES, "it has more than 30000 values", id="thousands of stages"),
        pytest.param(
            b"".join(b"k%d: &n%d x\n" % (n, n) for n in range(9_000)), "line 1: anchors", id="thousands of anchors"
        ),
    ],
)
def test_rules_that_grow_are_refused_at_once(content: bytes, said: str) -> None:
    began = time.process_time()
    with pytest.raises(InvalidRules, match=said.replace("(", r"\(")):
        read_rules(content)
    assert time.process_time() - began < _MOST_S


def test_a_key_that_is_only_called_so_is_no_merge() -> None:
    with pytest.raises(InvalidRules, match="is no key here"):
        read_rules(b'"<<": 1\n')


def test_rules_that_are_broken_are_told_wherever_a_person_looks(
    tmp_path: Path, sqlite_url: str, console: Console
) -> None:
    told = "line 3: stages.staging.pathes: is no key here, did you mean 'paths'?"
    broken = b"stages:\n  staging:\n    pathes: [apps/staging]\n"
    with running_bridge(tmp_path, sqlite_url, files={**fleet(), ".fluxbridge.yaml": broken.decode()}) as bridge:
        console.use(tmp_path / "fluxbridge.yaml", ENVIRONMENT)
        for command in ("status", "plan"):
            assert told in console.run(command).out, command
        checked = console.run("check")
        assert (checked.code, told in checked.out) == (1, True)
        metrics = httpx.get(f"{bridge.url}/metrics", trust_env=False).text
        assert 'fluxbridge_lane_problem{lane="fleet:main"} 1.0' in metrics

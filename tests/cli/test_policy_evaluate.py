"""`fluxbridge policy evaluate` answers each line of a stream, whatever the others are."""

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.cli.commands import policy

CASES = Path(__file__).parents[1] / "conformance" / "image_policies.jsonl"
GOOD = b'{"kind": "semver", "range": "^1", "tags": ["1.0.0", "1.1.0", "2.0.0"]}'


def _evaluate(lines: Iterable[bytes]) -> Result:
    return CliRunner().invoke(policy, ["evaluate"], input=b"".join(line + b"\n" for line in lines))


def _answers(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def _written(**case: object) -> bytes:
    return json.dumps(case).encode()


def test_every_answer_of_flux_comes_out_in_order() -> None:
    lines = CASES.read_bytes().splitlines()
    result = _evaluate(lines)
    expected = [(case["expect"], case["error"]) for case in map(json.loads, lines)]
    assert [(one["tag"], one["error"]) for one in _answers(result)] == expected
    assert result.exit_code == 0


def test_an_answer_has_the_tag_and_why() -> None:
    result = _evaluate([GOOD])
    message = "'1.1.0' is the highest version in the range '^1' of 2 eligible tags"
    assert _answers(result) == [{"tag": "1.1.0", "error": None, "message": message}]


@pytest.mark.parametrize(
    ("case", "error", "words"),
    [
        pytest.param(
            {"kind": "semver", "range": "newest", "tags": ["1.0.0"]}, "invalid-policy", "'newest'", id="range"
        ),
        pytest.param({"kind": "semver", "tags": ["1.0.0"]}, "invalid-policy", "range ''", id="no-range"),
        pytest.param({"kind": "numerical", "order": "up"}, "invalid-policy", "write asc or desc", id="order"),
        pytest.param({"kind": "numerical", "pattern": "(?=1)"}, "invalid-policy", "(RE2)", id="pattern"),
        pytest.param({"kind": "numerical", "pattern": "\ud800"}, "invalid-policy", "Unicode", id="surrogate-pattern"),
        pytest.param({"kind": "numerical", "pattern": "(a{900}){900}"}, "invalid-policy", "RE2", id="huge-pattern"),
        pytest.param({"kind": "numerical", "pattern": "(" * 9_999}, "invalid-policy", "longer", id="long-pattern"),
        pytest.param({"kind": "numerical", "extract": "$1" * 99}, "invalid-policy", "32", id="huge-template"),
        pytest.param({"kind": "numerical", "tags": ["1", "\x1b[2J"]}, "invalid-tag", r"'\x1b[2J'", id="control"),
        pytest.param({"kind": "numerical", "tags": ["\ud800"]}, "invalid-tag", r"'\ud800'", id="surrogate-tag"),
        pytest.param({"kind": "alphabetical", "tags": []}, "no-match", "no tag is known", id="no-tags"),
        pytest.param({"kind": "alphabetical"}, "no-match", "no tag is known", id="tags-left-out"),
        pytest.param({"kind": "semver", "range": "*", "tags": ["9" * 128]}, "no-match", "1 not a version", id="digits"),
    ],
)
def test_what_chooses_nothing_says_why_and_is_no_bad_line(case: dict[str, object], error: str, words: str) -> None:
    result = _evaluate([_written(**case), GOOD])
    answer, good = _answers(result)
    assert (answer["tag"], answer["error"], words in answer["message"]) == (None, error, True)
    assert (good["tag"], result.exit_code) == ("1.1.0", 0)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        pytest.param(b"", "not JSON", id="empty"),
        pytest.param(b"\x00", "not JSON", id="nul"),
        pytest.param(b"kind: semver", "not JSON from character 1", id="yaml"),
        pytest.param(GOOD + GOOD, "Extra data", id="two-on-a-line"),
        pytest.param(b'{"kind": "semver\xff"}', "not UTF-8 at byte 16", id="not-utf-8"),
        pytest.param(GOOD.decode().encode("utf-16"), "not UTF-8", id="utf-16"),
        pytest.param(b"[" * 100_000, "nested too deep", id="nested"),
        pytest.param(b"9" * 10_000, "too long to read", id="long-number"),
        pytest.param(b"[]", "not an object", id="list"),
        pytest.param(b"null", "not an object", id="null"),
        pytest.param(b"{}", "no kind", id="no-kind"),
        pytest.param(b'{"kind": "calver"}', "'calver' is not known", id="unknown-kind"),
        pytest.param(b'{"kind": ["semver"]}', "the kind is no text", id="odd-kind"),
        pytest.param(b'{"kind": "semver", "range": 1}', "range is no text", id="odd-range"),
        pytest.param(b'{"kind": "numerical", "pattern": {}}', "pattern is no text", id="odd-pattern"),
        pytest.param(b'{"kind": "numerical", "tags": "1"}', "tags is no list", id="odd-tags"),
        pytest.param(b'{"kind": "numerical", "tags": ["1", 2]}', "tag 2 of 2 is no text", id="odd-tag"),
        pytest.param(b" " * (4 * 1024 * 1024 + 1), "longer than 4194304 bytes", id="long-line"),
        pytest.param(b'{"tags": ["' + b"a" * (9 * 1024 * 1024), "longer than", id="line-without-end"),
    ],
)
def test_a_bad_line_is_told_by_its_number_and_the_rest_goes_on(line: bytes, words: str) -> None:
    result = _evaluate([GOOD, line, GOOD])
    first, bad, last = _answers(result)
    assert (bad["tag"], bad["error"], bad["message"].startswith("line 2: ")) == (None, "invalid-line", True)
    assert words in bad["message"]
    assert (first["tag"], last["tag"], result.exit_code) == ("1.1.0", "1.1.0", 1)


def test_nothing_in_is_nothing_out() -> None:
    result = _evaluate([])
    assert (result.stdout, result.exit_code) == ("", 0)


def test_the_last_line_needs_no_end_and_lines_may_end_as_on_windows() -> None:
    result = CliRunner().invoke(policy, ["evaluate"], input=GOOD + b"\r\n" + GOOD)
    assert [one["tag"] for one in _answers(result)] == ["1.1.0", "1.1.0"]


def test_separators_of_unicode_end_no_line() -> None:
    case = '{"kind": "alphabetical", "tags": ["a\u2028b\u0085c"]}'.encode()
    assert [one["tag"] for one in _answers(_evaluate([case]))] == ["a\u2028b\u0085c"]


def test_absent_null_and_empty_mean_the_same_and_unknown_keys_nothing() -> None:
    written = {"kind": "alphabetical", "tags": ["a", "b"], "expect": 7, "exclude": [{}]}
    lines = [
        _written(**written),
        _written(**written, order=None, pattern=None, extract=None),
        _written(**written, order=""),
    ]
    assert [one["tag"] for one in _answers(_evaluate(lines))] == ["b", "b", "b"]


_HOSTILE = {
    "slow-pattern": {
        "kind": "alphabetical",
        "pattern": "(a?){495}b?",
        "extract": "$1",
        "tags": ["a" * 120 + f"{n}" for n in range(1_000)],
    },
    "many-states": {
        "kind": "numerical",
        "pattern": "(a|b)*a(a|b){300}$",
        "tags": [f"{n:0128b}".replace("0", "a").replace("1", "b") for n in range(9_000)],
    },
    "long-tag": {"kind": "alphabetical", "pattern": "(x+x+)+y", "tags": ["x" * 1_000_000]},
    "long-number": {"kind": "numerical", "tags": ["1" * 1_000_000]},
    "long-version": {"kind": "semver", "range": "*", "tags": ["1." * 500_000]},
    "long-range": {
        "kind": "semver",
        "range": ">=1 " * 99,
        "tags": ["1.0.0-" + "a." * 60 + f"{n}" for n in range(9_000)],
    },
    "long-key": {"kind": "alphabetical", "pattern": "(.*)", "extract": "$1" * 32, "tags": ["x" * 99_999]},
    "many-tags": {"kind": "semver", "range": "*", "tags": [f"1.{n}.0" for n in range(100_000)]},
    "one-key": {"kind": "alphabetical", "extract": "one", "tags": [f"{n}" for n in range(50_000)]},
    "one-value": {"kind": "numerical", "pattern": ".", "tags": [f"1.{'0' * n}" for n in range(1_000)]},
    "not-a-number": {"kind": "numerical", "pattern": ".", "tags": ["nan", *(f"{n}" for n in range(50_000))]},
}


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in _HOSTILE.items()])
def test_a_hostile_case_is_answered_and_stalls_nobody(case: dict[str, object]) -> None:
    began = time.process_time()
    result = _evaluate([_written(**case), GOOD])
    assert [one["tag"] for one in _answers(result)][1:] == ["1.1.0"]
    assert time.process_time() - began < 5


def test_ten_thousand_cases_take_less_than_five_seconds() -> None:
    tags = [f"main-{number:07x}-{1_700_000_000 + number}" for number in range(30)]
    numerical = {"kind": "numerical", "pattern": r"^main-[a-f0-9]+-(?P<ts>[0-9]+)$", "extract": "$ts", "tags": tags}
    semver = {"kind": "semver", "range": ">=1.0.0 <2.0.0-0", "tags": [f"1.{number}.0-rc.1" for number in range(30)]}
    lines = [_written(**numerical), _written(**semver)] * 5_000
    began = time.process_time()
    assert len(_answers(_evaluate(lines))) == 10_000
    assert time.process_time() - began < 5

"""`fluxbridge rollback`, `promote` and `request` ask through the running server, and follow what comes of it."""

import re

import pytest

from app.core.ports import PullRequestState
from tests.cli.console import Console
from tests.end_to_end.bridge import Bridge, deployment

BACK = ("rollback", "app", "--stage", "staging", "--why", "loses orders")


@pytest.fixture
def merged(proposed: Bridge) -> Bridge:
    """1.1.0 was merged in staging."""
    proposed.forge.merge(1, by="mira")
    proposed.wait_for_state("staging", "1.1.0", "merged")
    proposed.settle()
    return proposed


def test_one_command_goes_back_and_shows_what_comes_of_it(merged: Bridge, console: Console) -> None:
    dry = console.run(*BACK, "--dry-run")
    assert re.fullmatch(
        r"Nothing is asked for; this would be: rollback in staging of fleet\n"
        r"  images:flux-system/app 1\.1\.0 -> 1\.0\.0\n"
        r"  apps/staging/app\.yaml:6  \S+:1\.1\.0 -> \S+:1\.0\.0\n"
        r"unmerged it ends \w+ \S+ \S+ UTC\n"
        r"its pull request would be opened at once\n",
        dry.out,
    )
    assert console.run("request", "list", "--all").out == "Nothing yet.\n"
    assert console.run("hold", "list", "--all").out == "Nothing yet.\n"

    ended = console.run(*BACK)
    assert ended.code == 0
    assert "\npull request 2: local:fleet/pulls/2 (merge it, and it is done)\n" in ended.out
    request = ended.out.split(":")[0]
    pull = merged.wait_for_pull("staging", "1.0.0")
    assert merged.text("apps/staging/app.yaml", pull.head) == deployment("1.0.0")
    [row] = console.run("request", "list").out.splitlines()[1:]
    assert row.startswith(request)
    assert "pull request 2" in row
    again = console.run(*BACK)
    assert "the same was asked for before, by local" in again.out
    merged.forge.merge(pull.number, by="mira")
    merged.wait_for_state("staging", "1.1.0", "reverted")
    shown = console.run("request", "show", request).out
    assert "\n    takes back 1.1.0 in since " in shown
    assert re.search(r"\nmerged at \S+ \S+ by mira: pull request 2 was merged by mira\n$", shown)
    assert console.run("request", "list").out == "Nothing yet.\n"
    assert "all but 1.0.0 and what is above 1.1.0 of images:flux-system/app" in console.run("hold", "list").out


def test_what_is_asked_for_can_be_had_as_json_and_withdrawn(merged: Bridge, console: Console) -> None:
    asked = console.run(*BACK, "--hold", "--json").json
    assert (asked["state"], asked["pull_request"], asked["targets"][0]["tag"]) == ("open", 2, "1.0.0")
    assert [one["id"] for one in console.run("request", "list", "--json").json] == [asked["id"]]
    assert console.run("request", "show", asked["id"], "--json").json["who"] == "local"
    assert console.run("request", "withdraw", asked["id"], "--why", "mended", "--json").json["state"] == "withdrawn"
    merged.settle()
    assert merged.forge.pull_request(2).state is PullRequestState.CLOSED
    again = console.run("request", "withdraw", asked["id"], "--why", "mended")
    assert re.fullmatch(rf"{asked['id']} was withdrawn at \S+ \S+: rollback in staging of fleet\n", again.out)
    assert console.run("hold", "list").out == "Nothing yet.\n"


def test_a_promotion_that_waits_says_for_what_and_forced_it_does_not(merged: Bridge, console: Console) -> None:
    wanted = ("promote", "app", "1.1.0", "--stage", "production", "--why", "needed now")
    waiting = console.run(*wanted)
    assert (waiting.code, "no pull request yet: waiting: local asked for it" in waiting.out) == (0, True)
    assert "no build has reported digest" in waiting.out
    assert "it would wait: " in console.run(*wanted, "--dry-run").out
    forced = console.run(*wanted, "--force")
    assert "promotion in production of fleet, forced" in forced.out
    assert "(merge it, and it is done)" in forced.out
    pull = merged.wait_for_pull("production", "1.1.0")
    assert pull.title == "Promote app 1.0.0 to 1.1.0 in production (forced)"


def test_what_another_stage_runs_is_promoted_in_one_command(merged: Bridge, console: Console) -> None:
    ended = console.run("promote", "--from", "staging", "--to", "production", "--all", "--force", "--why", "release")
    assert ended.code == 0
    assert "(merge it, and it is done)" in ended.out
    pull = merged.wait_for_pull("production", "1.1.0")
    assert merged.text("apps/production/app.yaml", pull.head) == deployment("1.1.0")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(("rollback", "ap"), "did you mean 'flux-system/app'?", id="policy"),
        pytest.param(("rollback", "app", "--stage", "stagin"), "did you mean 'staging'?", id="stage"),
        pytest.param(("rollback", "app"), "has no field in a stage 'all': there are", id="no-stage"),
        pytest.param(("rollback", "app", "--stage", "staging", "--to", "1.1.00"), "did you mean '1.1.0'?", id="tag"),
        pytest.param(("rollback", "app", "--stage", "staging", "--to", "1.1.0"), "nothing would change", id="there"),
        pytest.param(("rollback", "app", "--stage", "production"), "nothing to go back to", id="nothing-before"),
        pytest.param(
            ("rollback", "app", "--stage", "staging", "--until", "2020-01-01T00:00:00Z"), "is not after now", id="past"
        ),
        pytest.param(("rollback", "app", "--stage", "staging", "--until", "soon"), "'soon' is no time", id="time"),
        pytest.param(("rollback", "app", "--stage", "staging", "--pull", "9"), "let in nothing for", id="pull"),
        pytest.param(
            ("rollback", "app", "--stage", "staging", "--pull", "1", "--to", "1.0.0"), "give one of", id="two"
        ),
        pytest.param(("rollback", "a\x1b[31m", "--stage", "staging"), "policy: ", id="control"),
        pytest.param(("promote",), "give a policy and a tag, or --from", id="nothing"),
        pytest.param(("promote", "app", "9.9.9", "--stage", "staging"), "nothing is known of such a tag", id="unknown"),
        pytest.param(("promote", "--from", "staging", "--to", "production"), "give --group or --all", id="what-of-it"),
    ],
)
def test_what_cannot_be_asked_for_is_told_in_one_line(asking: Console, arguments: tuple[str, ...], words: str) -> None:
    assert words in asking.refused(2, *arguments, "--why", "x")
    assert asking.run("request", "list", "--all").out == "Nothing yet.\n"
    assert asking.run("hold", "list", "--all").out == "Nothing yet.\n"


def test_a_request_that_there_is_not_is_not_shown_nor_withdrawn(asking: Console) -> None:
    assert "there is no request 'none'" in asking.refused(3, "request", "show", "none")
    assert "there is no request 'none'" in asking.refused(3, "request", "withdraw", "none", "--why", "x")

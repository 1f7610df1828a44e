"""`fluxbridge hold` stops something through the running server, shows what is stopped, and lets it go on."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from app.core.ports import PullRequestState
from tests.cli.console import Console
from tests.end_to_end.bridge import Bridge, deployment

IMAGE = "registry.acme.example/team/app"


def said_of_staging(console: Console) -> str:
    """What the plan says of the app in staging."""
    out = console.run("plan").out
    return next((line.strip() for line in out.splitlines() if line.strip().startswith("staging/")), "")


def added(console: Console, *options: str) -> str:
    """Hold something; returns its id."""
    ended = console.run("hold", "add", *options)
    assert ended.code == 0, ended
    return ended.out.split()[0]


def test_a_hold_keeps_what_is_open_until_it_is_lifted(proposed: Bridge, console: Console) -> None:
    hold = added(console, "--stage", "staging", "--why", "incident 4711")
    proposed.push_image("1.2.0")
    proposed.wait_for("the hold in the plan", lambda: "held" in said_of_staging(console))
    proposed.settle()
    assert said_of_staging(console).endswith(
        f"held: incident 4711, by local; what you can do: lift the hold: fluxbridge hold lift {hold}"
    )
    assert "held since" in console.run("explain", "flux-system/app").out
    [pull] = proposed.forge.list_pull_requests()
    assert proposed.text("apps/staging/app.yaml", pull.head) == deployment("1.1.0")
    lifted = console.run("hold", "lift", hold, "--why", "mended")
    assert re.fullmatch(rf"{hold} was lifted at \S+ \S+ by local: every policy in stage staging of .*\n", lifted.out)
    assert proposed.wait_for_pull("staging", "1.2.0").number == pull.number
    assert console.run("hold", "list").out == "Nothing yet.\n"
    assert "lifted" in console.run("hold", "list", "--all").out


def test_a_denied_tag_goes_from_its_pull_request_and_the_next_one_comes(proposed: Bridge, console: Console) -> None:
    proposed.push_image("1.2.0")
    pull = proposed.wait_for_pull("staging", "1.2.0")
    added(console, "--tag", f"{IMAGE}:1.2.0", "--why", "loses orders")
    assert proposed.wait_for_pull("staging", "1.1.0").number == pull.number
    refused = proposed.wait_for_state("staging", "1.2.0", "refused")
    assert refused["reason"] == "denied: loses orders, by local"
    added(console, "--digest", proposed.digest("1.1.0"), "--why", "the same")
    proposed.wait_for_state("staging", "1.1.0", "refused")
    proposed.settle()
    assert proposed.forge.pull_request(pull.number).state is PullRequestState.CLOSED
    assert "denied: the same, by local" in console.run("explain", f"{IMAGE}:1.1.0").out
    assert "denied" in console.run("history", f"{IMAGE}:1.2.0").out


def test_what_was_understood_of_a_time_is_said_back(proposed: Bridge, console: Console) -> None:
    del proposed
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date()
    wanted = ("--policy", "flux-system/*", "--until", f"{tomorrow} 23:59", "--zone", "UTC", "--why", "x")
    ended = console.run("hold", "add", *wanted)
    assert re.fullmatch(
        rf"\w+ holds flux-system/\* in every stage of every config repository, until \w+ {tomorrow} 23:59 UTC: "
        r"\d policies\n|.*: 1 policy\n",
        ended.out,
    )
    [row] = console.run("hold", "list", "--policy", "app").out.splitlines()[1:]
    assert f"{tomorrow} 23:59:00" in row
    berlin = console.run("hold", "add", "--policy", "*", "--until", "+1d", "--zone", "Europe/Berlin", "--why", "x").out
    assert "Europe/Berlin)" in berlin


def test_holds_can_be_had_as_json(proposed: Bridge, console: Console) -> None:
    del proposed
    one = console.run("hold", "add", "--stage", "staging", "--why", "x", "--json").json
    assert [one["id"]] == [each["id"] for each in console.run("hold", "list", "--json").json]
    assert console.run("hold", "lift", one["id"], "--why", "y", "--json").json["lifted_why"] == "y"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param((), "nothing is named to be held", id="nothing"),
        pytest.param(("--policy", "flux-system/ap"), "did you mean 'flux-system/app'?", id="policy"),
        pytest.param(("--stage", "stagin"), "did you mean 'staging'?", id="stage"),
        pytest.param(("--stage", "staging", "--until", "2020-01-01T00:00:00Z"), "is not after now", id="past"),
        pytest.param(("--stage", "staging", "--until", "soon"), "'soon' is no time", id="time"),
        pytest.param(("--tag", "registry.acme.example/team/apq:1.0"), "did you mean", id="image"),
        pytest.param(("--stage", "staging\x1b[31m"), "stage: ", id="control"),
    ],
)
def test_what_cannot_be_held_is_told_in_one_line(asking: Console, options: tuple[str, ...], words: str) -> None:
    assert words in asking.refused(2, "hold", "add", *options, "--why", "x")
    assert asking.run("hold", "list", "--all").out == "Nothing yet.\n"


def test_a_hold_that_there_is_not_is_not_lifted(asking: Console) -> None:
    assert "there is no hold 'none'" in asking.refused(3, "hold", "lift", "none", "--why", "x")

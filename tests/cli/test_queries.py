"""Questions to a running server, from the terminal."""

import subprocess
import sys

import httpx
import pytest

from app.db import measures
from tests.cli.console import Console
from tests.end_to_end.bridge import Bridge


def test_a_question_to_a_running_server_loads_none() -> None:
    """Its start is most of its time."""
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, app.cli.hold, app.cli.queries, app.cli.request; print(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert "app.cli.reach" in loaded
    assert not {"app.main", "app.web", "app.services", "app.db", "fastapi", "github", "alembic"} & set(loaded)


def test_stages_tell_what_is_where_and_who_let_it_in(asking: Console) -> None:
    ended = asking.run("stages", "--stage", "staging")
    assert ended.code == 0
    [row] = ended.rows
    assert row[0] == "staging"
    assert row[2] == "1.1.0"
    assert row[-3:] == ["#1", "mira", "staging"]


def test_stages_can_be_had_as_json(asking: Console) -> None:
    found = asking.run("stages", "--json").json
    assert {(one["stage"], one["tag"]) for one in found} == {("staging", "1.1.0"), ("production", "1.0.0")}


@pytest.mark.parametrize(
    ("filters", "stages"),
    [
        pytest.param((), {"staging", "production"}, id="all"),
        pytest.param(("--stage", "staging"), {"staging"}, id="stage"),
        pytest.param(("--state", "waiting"), {"production"}, id="state"),
        pytest.param(("--policy", "app"), {"staging", "production"}, id="policy"),
        pytest.param(("--image", "registry.acme.example/team/app"), {"staging", "production"}, id="image"),
        pytest.param(("--repo", "fleet"), {"staging", "production"}, id="repo"),
        pytest.param(("--since", "2000-01-01T00:00:00Z"), {"staging", "production"}, id="since"),
        pytest.param(("--until", "2000-01-01T00:00:00Z"), set(), id="until"),
    ],
)
def test_promotions_can_be_narrowed_down(asking: Console, filters: tuple[str, ...], stages: set[str]) -> None:
    ended = asking.run("promotions", "--json", *filters)
    assert ended.code == 0
    assert {one["stage"] for one in ended.json} == stages


def test_promotions_are_a_table_with_the_reason(asking: Console) -> None:
    ended = asking.run("promotions")
    assert "1.0.0 -> 1.1.0" in ended.out
    assert "no build has reported digest" in ended.out
    assert "merged by mira" in ended.out


def test_promotions_stop_at_the_limit(asking: Console) -> None:
    assert len(asking.run("promotions", "--json", "--limit", "1").json) == 1


def test_where_nothing_is_found_it_is_said(asking: Console) -> None:
    assert asking.run("promotions", "--state", "closed").out == "Nothing yet.\n"


@pytest.mark.parametrize("command", ["stages", "promotions"])
@pytest.mark.parametrize(
    ("filters", "words"),
    [
        (("--stage", "prod"), "no stage is called 'prod': did you mean 'production'? There are: production, staging"),
        (("--policy", "other"), "no policy is called 'other': there are: images:flux-system/app"),
        (("--repo", "flet"), "no repo is called 'flet': did you mean 'fleet'? There are: fleet"),
    ],
)
def test_a_filter_that_names_nothing_is_refused(
    asking: Console, command: str, filters: tuple[str, ...], words: str
) -> None:
    assert words in asking.refused(2, command, *filters)


def test_the_plan_tells_where_each_policy_stands(asking: Console) -> None:
    out = asking.run("plan").out
    assert "fleet:main at " in out
    assert "staging/images:flux-system/app: current 1.1.0" in out
    assert "production/images:flux-system/app: waiting 1.1.0: no build has reported" in out


def test_the_plan_as_json_names_its_lane(asking: Console) -> None:
    [plan] = asking.run("plan", "--repo", "fleet", "--branch", "main", "--json").json
    assert (plan["repo"], plan["branch"], plan["proposals"]) == ("fleet", "main", [])


def test_a_plan_shows_the_pull_requests_with_their_changes(proposed: Bridge, console: Console) -> None:
    out = console.run("plan").out
    assert "pull request: Promote app 1.0.0 to 1.1.0 in staging" in out
    assert "apps/staging/app.yaml:6" in out
    assert proposed.pull("staging", "1.1.0") is not None


def test_a_lane_that_is_not_there_is_told_with_those_that_are(asking: Console) -> None:
    assert "there are: fleet:main" in asking.refused(2, "plan", "--repo", "other")


def test_the_status_counts_deliveries_promotions_and_lanes(asking: Console) -> None:
    out = asking.run("status").out
    assert "deliveries     2 done" in out
    assert "1 waiting" in out
    assert "1 merged" in out
    assert "fleet:main" in out
    assert asking.run("status", "--json").json["promotions"]["merged"] == 1


def test_the_status_counts_how_clusters_stand(asking: Console) -> None:
    out = asking.run("status").out
    assert "applications   1 applied" in out
    assert "not applied" not in out


def test_the_status_says_what_bodies_take_and_of_which_there_was_no_room(proposed: Bridge, console: Console) -> None:
    assert "bodies         0.0 MiB kept\n" in console.run("status").out
    with proposed.server.database.transaction() as connection:
        measures.add(connection, "bodies_dropped", "ci", 12)
    assert "dropped beyond retention.bodies_day_bytes: 12 of source ci\n" in console.run("status").out


def test_the_status_says_how_many_invented_objects_of_flux_were_dropped(proposed: Bridge, console: Console) -> None:
    with proposed.server.database.transaction() as connection:
        measures.add(connection, "flux_dropped", "prod-eu", 7)
    told = "flux, dropped  prod-eu: 7 objects that count for nothing, beyond those that are kept\n"
    assert told in console.run("status").out


def test_promotions_say_where_they_were_applied(asking: Console) -> None:
    assert "merged by mira; clusters: staging" in asking.run("promotions", "--stage", "staging").out


def test_the_status_says_in_words_what_the_metrics_say(told: Bridge, asking: Console) -> None:
    lines = dict(line.split(None, 1) for line in asking.run("status").out.splitlines() if line)
    assert {"retries", "sweeps", "stalled"} <= lines.keys()
    assert lines["stalled"] == "none"
    assert lines["latency"].startswith("1 pull requests, opened ")
    metrics = httpx.get(f"{told.url}/metrics", trust_env=False).text
    assert "fluxbridge_webhook_to_pull_request_seconds_count 1.0" in metrics


def test_a_replayed_delivery_changes_nothing_that_is_known(told: Bridge, asking: Console) -> None:
    ids = [one["id"] for one in told.items("/deliveries")]
    before = len(told.items("/promotions"))
    ended = asking.run("replay", *ids)
    assert ended.code == 0
    assert ended.out.splitlines() == [f"{one} is interpreted again." for one in ids]
    told.settle()
    assert len(told.items("/promotions")) == before


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        pytest.param(("promotions", "--state", "gone"), 2, "state: ", id="no such state"),
        pytest.param(("promotions", "--since", "yesterday"), 2, "since: ", id="no time"),
        pytest.param(("replay", "nothing"), 3, "there is no delivery", id="no such delivery"),
        pytest.param(("replay", "../../stages"), 3, "", id="no id at all"),
    ],
)
def test_what_cannot_be_answered_ends_with_the_code_of_its_kind(
    asking: Console, arguments: tuple[str, ...], code: int, said: str
) -> None:
    assert said in asking.refused(code, *arguments)


def test_a_terminal_obeys_nothing_that_the_config_repository_says(proposed: Bridge, console: Console) -> None:
    proposed.config.commit("main", {".fluxbridge.yaml": 'stages: {staging: {paths: [apps, "apps\\x9b2J"]}}\n'})
    proposed.wait_for("the rules to be read", lambda: "x9b" in console.run("status").out)
    told = "".join(console.run(command).out for command in ("status", "plan"))
    assert told.count(r"apps\x9b2J") == 2
    assert "\x9b" not in told


def test_rules_that_stop_a_lane_are_told_once(proposed: Bridge, console: Console) -> None:
    proposed.config.commit("main", {".fluxbridge.yaml": "stages: {staging: {path: apps}}\n"})
    proposed.wait_for("the rules to be read", lambda: ".fluxbridge.yaml" in console.run("status").out)
    assert console.run("status").out.count(".fluxbridge.yaml") == 1


def test_the_history_of_a_tag_goes_from_push_to_cluster(asking: Console) -> None:
    ended = asking.run("history", "registry.acme.example/team/app:1.1.0")
    assert ended.code == 0
    told = [line.split() for line in ended.out.splitlines()[2:]]
    assert [row[4] for row in told if row[3] in {"-", "staging"}] == ["seen", "chosen", "proposed", "merged", "applied"]
    assert "merged by mira" in ended.out
    assert "local:fleet/pulls/1" in ended.out


def test_the_history_of_a_policy_tells_its_moves(asking: Console) -> None:
    found = asking.run("history", "flux-system/app", "--json").json
    assert {(one["tag"], one["stage"]) for one in found["happenings"]} >= {
        ("1.1.0", "staging"),
        ("1.1.0", "production"),
    }
    assert asking.run("history", "images:flux-system/app", "--json").json == found


def test_the_history_of_a_tag_is_of_every_policy(asking: Console) -> None:
    said = asking.refused(2, "history", "registry.acme.example/team/app:1.1.0", "--repo", "fleet")
    assert "leave out --repo and --root" in said


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("flux-system/ap", "saw a policy flux-system/ap: did you mean 'flux-system/app'?"),
        ("registry.acme.example/team/ap:1.1.0", "did you mean '"),
        ("registry.acme.example/team/app:1.1.1", "'1.1.1': did you mean '1.1.0'? There are: "),
        ("app", "names no policy"),
    ],
)
def test_a_history_of_what_there_is_not_names_the_nearest(asking: Console, name: str, words: str) -> None:
    assert words in asking.refused(2, "history", name)

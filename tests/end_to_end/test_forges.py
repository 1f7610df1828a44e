"""Forges over the web: pull requests by their APIs, git with their tokens, and their own webhooks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.bridge import deployment
from tests.end_to_end.databases import both_databases
from tests.end_to_end.forge_worlds import BOT, BOT_TOKEN, MIRA, ForgeWorld, Kind, forge_world
from tests.servers.rest_answers import Answer

every_kind = pytest.mark.parametrize("kind", ["bitbucket", "bitbucket-dc", "gitlab"])
PLACES = {"bitbucket": "/pullrequests", "bitbucket-dc": "/pull-requests", "gitlab": "/merge_requests"}
STAGING = "apps/staging/app.yaml"


@pytest.fixture
def world(tmp_path: Path, database_url: str, kind: Kind) -> Iterator[ForgeWorld]:
    """One app in two stages, all at 1.0.0, with everything settled."""
    with forge_world(tmp_path, database_url, kind) as running:
        yield running


@both_databases
@every_kind
def test_what_people_do_with_two_pull_requests_is_followed(world: ForgeWorld) -> None:
    bridge, server = world.bridge, world.server
    bridge.report_build("1.1.0", digest=bridge.push_image("1.1.0"))
    staging, production = (world.wait_for_pull(stage, "1.1.0") for stage in ("staging", "production"))
    assert (staging.title, staging.author, staging.base) == ("Promote app 1.0.0 to 1.1.0 in staging", BOT, "main")
    assert "<!--" not in (staging.body or "")
    assert bridge.text(STAGING, staging.head) == deployment("1.1.0")

    commit = server.merge(staging.number, by=MIRA, method="squash")
    merged = bridge.wait_for_state("staging", "1.1.0", "merged")
    assert (merged["merged_by"], merged["merge_commit"]) == (MIRA, commit)
    bridge.apply("staging", commit)
    bridge.wait_for("staging to be applied", lambda: bridge.applied_stages("1.1.0"))
    server.push("main", {STAGING: deployment("1.0.0")}, by=MIRA)
    bridge.wait_for_state("staging", "1.1.0", "reverted")

    server.close(production.number, by=MIRA)
    closed = bridge.wait_for_state("production", "1.1.0", "closed")
    assert closed["reason"] == f"pull request {production.number} was closed by {MIRA}"
    bridge.settle()
    assert not [one for one in server.every() if one.is_open], "what people took back or refused stays so"

    told = bridge.items("/deliveries", source="forge")
    assert {one["outcome"].partition(":")[0] for one in told} == {"facts"}
    assert {one["outcome"].rpartition(": ")[2] for one in told} == {"fleet:main"}

    world.lose_webhooks()
    bridge.push_image("1.2.0")
    pull = world.wait_for_pull("staging", "1.2.0")
    server.merge(pull.number, by=MIRA)
    assert bridge.wait_for_state("staging", "1.2.0", "merged")["merged_by"] == MIRA
    assert len(bridge.items("/deliveries", source="forge")) == len(told)


@every_kind
def test_whatever_goes_wrong_there_is_one_pull_request_in_the_end(world: ForgeWorld, kind: Kind) -> None:
    bridge, server = world.bridge, world.server
    server.break_next("lose", method="POST", path_ending=PLACES[kind])
    server.break_next(Answer(200, raw=b'{"values": ['), method="GET")
    server.break_next(Answer(429, {}, {"Retry-After": "1"}), method="GET")
    bridge.push_image("1.1.0")
    pull = world.wait_for_pull("staging", "1.1.0")
    bridge.settle()
    assert [one.number for one in server.every()] == [pull.number]

    server.accounts[BOT] = "revoked"
    bridge.push_image("1.2.0")
    refused = bridge.wait_for("an error", lambda: bridge.items("/lanes")[0]["last_error"])
    assert "the token for" in refused
    assert BOT_TOKEN not in bridge.told()
    server.accounts[BOT] = BOT_TOKEN
    assert world.wait_for_pull("staging", "1.2.0").number == pull.number
    bridge.settle()
    assert [one.title for one in server.every()] == ["Promote app 1.0.0 to 1.2.0 in staging"]

"""The whole way back: asked for over HTTP, proposed, merged, and nothing moves forward again but above all that was."""

import re
from typing import Any

from app.core.ports import PullRequest, PullRequestState
from tests.end_to_end.bridge import RULES, Bridge, deployment
from tests.end_to_end.databases import both_databases

pytestmark = both_databases


def asked(bridge: Bridge, **query: Any) -> Any:
    """Ask for something; returns what the API answers."""
    wanted = {"kind": "rollback", "stage": "staging", "policy": "app", "why": "loses orders", **query}
    answer = bridge.api.post("/api/v1/requests", params={name: text for name, text in wanted.items() if text})
    assert answer.status_code == 201, answer.text
    return answer.json()


def request(bridge: Bridge, request_id: str) -> Any:
    return bridge.get(f"/requests/{request_id}")


def wait_for_end(bridge: Bridge, request_id: str, state: str) -> Any:
    """Wait until a request ended so."""

    def look() -> Any | None:
        found = request(bridge, request_id)
        return found if found["state"] == state else None

    return bridge.wait_for(f"the request to be {state}", look)


def wait_for_its_pull(bridge: Bridge, request_id: str) -> PullRequest:
    """Wait until a request has its pull request."""

    def look() -> Any | None:
        return request(bridge, request_id)["pull_request"]

    return bridge.forge.pull_request(bridge.wait_for("its pull request", look))


def let_in(bridge: Bridge, *tags: str) -> None:
    """Push tags into staging, one after the other, and merge each."""
    for tag in tags:
        bridge.push_image(tag)
        pull = bridge.wait_for_pull("staging", tag)
        bridge.forge.merge(pull.number, by="mira")
        bridge.wait_for_state("staging", tag, "merged")
    bridge.settle()


def test_a_rollback_brings_back_what_was_there_before_and_stays_until_a_higher_tag(bridge: Bridge) -> None:
    let_in(bridge, "1.1.0", "1.2.0")
    found = asked(bridge)
    pull = wait_for_its_pull(bridge, found["id"])
    assert pull.title == "Roll back app 1.2.0 to 1.1.0 in staging"
    assert bridge.text("apps/staging/app.yaml", pull.head) == deployment("1.1.0")
    assert "**Rollback** by `local` at " in pull.body
    assert re.search(r"Takes back \| `1.2.0 in since \S+ \S+ UTC, let in by pull request 2, by mira`", pull.body)
    message = bridge.config.git("show", "-s", "--format=%B", pull.head_sha).decode()
    assert f"Fluxbridge-Request: {found['id']}\nRolled-Back-For: local\n" in message

    bridge.forge.merge(pull.number, by="mira")
    wait_for_end(bridge, found["id"], "merged")
    bridge.push_image("1.1.5")
    bridge.settle()
    assert bridge.text("apps/staging/app.yaml") == deployment("1.1.0")
    assert bridge.forge.list_pull_requests(state=PullRequestState.OPEN) == []
    [hold] = bridge.items("/holds", active="true")
    assert (hold["kind"], hold["who"], hold["why"]) == ("rolled back", "local", "rolled back to 1.1.0: loses orders")
    taken = bridge.promotion("staging", "1.2.0")
    assert taken is not None
    assert (taken["state"], "rolled it back: local asked" in taken["reason"]) == ("reverted", True)

    bridge.push_image("1.2.1")
    higher = bridge.wait_for_pull("staging", "1.2.1")
    assert bridge.text("apps/staging/app.yaml", higher.head) == deployment("1.2.1")


def test_lifting_its_hold_brings_the_newer_tag_again(bridge: Bridge) -> None:
    let_in(bridge, "1.1.0", "1.2.0")
    found = asked(bridge)
    bridge.forge.merge(wait_for_its_pull(bridge, found["id"]).number, by="mira")
    wait_for_end(bridge, found["id"], "merged")
    [hold] = bridge.items("/holds", active="true")
    assert bridge.api.post(f"/api/v1/holds/{hold['id']}/lift", params={"why": "mended"}).status_code == 200
    assert bridge.wait_for_pull("staging", "1.2.0")


def test_its_closing_and_reopening_end_and_revive_it(bridge: Bridge) -> None:
    let_in(bridge, "1.1.0")
    found = asked(bridge, hold="true")
    pull = wait_for_its_pull(bridge, found["id"])
    bridge.forge.close(pull.number, by="mira")
    ended = wait_for_end(bridge, found["id"], "closed")
    assert (ended["ended_by"], ended["ended_why"]) == ("mira", f"pull request {pull.number} was closed by mira")
    assert bridge.items("/holds", active="true") == []
    bridge.forge.reopen(pull.number, by="mira")
    wait_for_end(bridge, found["id"], "open")
    bridge.settle()
    assert len(bridge.items("/holds", active="true")) == 2
    bridge.forge.merge(pull.number, by="mira")
    wait_for_end(bridge, found["id"], "merged")
    assert bridge.text("apps/staging/app.yaml") == deployment("1.0.0")


def test_asked_during_a_freeze_and_while_a_newer_tag_is_open_it_takes_its_pull_request(bridge: Bridge) -> None:
    let_in(bridge, "1.1.0", "1.2.0")
    bridge.push_image("1.3.0")
    newer = bridge.wait_for_pull("staging", "1.3.0")
    bridge.config.commit("main", {".fluxbridge.yaml": f"{RULES}\nholds: [{{stage: staging, why: holidays}}]\n"})
    bridge.wait_for("the hold", lambda: bridge.items("/holds"))
    bridge.settle()
    found = asked(bridge)
    assert found["notes"] == ["rolled back in spite of a hold: holidays, by the config repository"]
    pull = wait_for_its_pull(bridge, found["id"])
    assert pull.number == newer.number
    bridge.settle()
    assert bridge.text("apps/staging/app.yaml", pull.head) == deployment("1.1.0")
    bridge.forge.merge(pull.number, by="mira")
    wait_for_end(bridge, found["id"], "merged")
    bridge.settle()
    assert bridge.forge.list_pull_requests(state=PullRequestState.OPEN) == []


def test_withdrawn_its_pull_request_is_closed_with_a_word(bridge: Bridge) -> None:
    let_in(bridge, "1.1.0")
    found = asked(bridge)
    pull = wait_for_its_pull(bridge, found["id"])
    withdrawn = bridge.api.post(f"/api/v1/requests/{found['id']}/withdraw", params={"why": "mended"})
    assert withdrawn.json()["state"] == "withdrawn"
    bridge.settle()
    assert bridge.forge.pull_request(pull.number).state is PullRequestState.CLOSED
    [comment] = bridge.forge.comments(pull.number)
    assert "local asked for a rollback: loses orders; that ended: withdrawn by local: mended" in comment.text
    assert bridge.items("/holds", active="true") == []

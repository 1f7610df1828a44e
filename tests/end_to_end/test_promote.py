"""The whole way forward by asking: what another stage runs, during a freeze, forced; and a release back as one."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.core.ports import PullRequestState
from tests.end_to_end.bridge import Bridge, build_report, deployment, policy, running_bridge, signed
from tests.end_to_end.databases import both_databases
from tests.end_to_end.test_rollback import asked, let_in, request, wait_for_end, wait_for_its_pull

pytestmark = both_databases
NAMES = ("api", "job", "web")
SHOP = 'groups: {shop: {policies: ["flux-system/*"], together: same-build}}\n'


def test_what_staging_runs_goes_to_production_when_its_freeze_is_lifted(bridge: Bridge) -> None:
    let_in(bridge, "1.1.0")
    bridge.report_build("1.1.0")
    production = bridge.wait_for_pull("production", "1.1.0")
    bridge.forge.close(production.number, by="mira")
    bridge.wait_for_state("production", "1.1.0", "closed")
    freeze = bridge.api.post("/api/v1/holds", params={"stage": "production", "why": "holidays"}).json()
    found = asked(bridge, kind="promotion", stage="production", policy="", from_stage="staging", everything="true")
    assert found["waits_for"] == "held: holidays, by local"
    bridge.settle()
    waiting = request(bridge, found["id"])
    assert (waiting["state"], waiting["pull_request"]) == ("open", None)
    assert waiting["waits_for"].endswith("held: holidays, by local")
    bridge.api.post(f"/api/v1/holds/{freeze['id']}/lift", params={"why": "over"})
    pull = wait_for_its_pull(bridge, found["id"])
    assert bridge.text("apps/production/app.yaml", pull.head) == deployment("1.1.0")
    bridge.forge.merge(pull.number, by="mira")
    wait_for_end(bridge, found["id"], "merged")
    bridge.settle()
    assert bridge.forge.list_pull_requests(state=PullRequestState.OPEN) == []


def test_a_freeze_that_ends_by_itself_lets_the_request_go_on(bridge: Bridge) -> None:
    until = datetime.now(UTC) + timedelta(seconds=4)
    wanted = {"stage": "staging", "why": "a moment", "until": until.isoformat()}
    assert bridge.api.post("/api/v1/holds", params=wanted).status_code == 201
    bridge.push_image("1.1.0")
    bridge.settle()
    found = asked(bridge, kind="promotion", tag="1.1.0")
    assert found["waits_for"].startswith("held: a moment, by local, until ")
    assert wait_for_its_pull(bridge, found["id"]).title == "Promote app 1.0.0 to 1.1.0 in staging"


def test_forced_it_says_so_in_its_title_body_trailers_and_history(bridge: Bridge) -> None:
    bridge.push_image("1.1.0")
    bridge.wait_for_state("production", "1.1.0", "waiting")
    found = asked(bridge, kind="promotion", stage="production", tag="1.1.0", force="true")
    pull = wait_for_its_pull(bridge, found["id"])
    assert pull.title == "Promote app 1.0.0 to 1.1.0 in production (forced)"
    assert "**Forced** by `local`: the gates of entering were not asked." in pull.body
    assert "Forced-By: local\n" in bridge.config.git("show", "-s", "--format=%B", pull.head_sha).decode()
    promotion = bridge.wait_for_state("production", "1.1.0", "proposed")
    assert "forced by local: the gates of entering were not asked" in promotion["reason"]
    bridge.forge.merge(pull.number, by="mira")
    wait_for_end(bridge, found["id"], "merged")


def test_the_hotfix_of_an_older_line_goes_in_after_a_rollback_and_stays(bridge: Bridge) -> None:
    let_in(bridge, "1.1.0", "1.2.0")
    back = asked(bridge)
    bridge.forge.merge(wait_for_its_pull(bridge, back["id"]).number, by="mira")
    wait_for_end(bridge, back["id"], "merged")
    bridge.push_image("1.1.1")
    bridge.settle()
    found = asked(bridge, kind="promotion", tag="1.1.1")
    pull = wait_for_its_pull(bridge, found["id"])
    assert bridge.text("apps/staging/app.yaml", pull.head) == deployment("1.1.1")
    bridge.forge.merge(pull.number, by="mira")
    wait_for_end(bridge, found["id"], "merged")
    bridge.settle()
    [hold] = bridge.items("/holds", active="true")
    assert (hold["request"], hold["ceiling"], hold["tags"]) == (found["id"], "1.2.0", ["1.1.1"])
    assert bridge.forge.list_pull_requests(state=PullRequestState.OPEN) == []
    bridge.push_image("1.2.1")
    assert bridge.wait_for_pull("staging", "1.2.1")


def in_two_files(tags: dict[str, str]) -> dict[str, str]:
    """Two of the images in one file, the third in another."""
    text = {name: deployment(tag, name=name, path=f"team/{name}") for name, tag in tags.items()}
    return {"apps/shop.yaml": f"{text['api']}---\n{text['web']}", "apps/jobs.yaml": text["job"]}


def release(bridge: Bridge, number: int, tag: str) -> None:
    """One build pushes all three images and reports them; what comes of it is merged."""
    images = [
        {
            "repository": f"registry.acme.example/team/{name}",
            "tag": tag,
            "digest": bridge.push_image(tag, path=f"team/{name}"),
        }
        for name in NAMES
    ]
    body = build_report(tag, digest=None, number=number, images=images)
    assert bridge.post("ci", body, signed(body)).status_code == 202
    pull = bridge.wait_for_pull("all", tag)
    bridge.forge.merge(pull.number, by="mira")
    bridge.wait_for_state("all", tag, "merged")
    bridge.settle()


def test_a_release_of_three_images_in_two_files_goes_back_in_one_pull_request(
    tmp_path: Path, database_url: str
) -> None:
    files = {f"images/{name}.yaml": policy(name, path=f"team/{name}") for name in NAMES}
    files |= {".fluxbridge.yaml": SHOP, **in_two_files(dict.fromkeys(NAMES, "1.0.0"))}
    with running_bridge(tmp_path, database_url, files=files) as bridge:
        for number, tag in enumerate(("1.1.0", "1.2.0"), start=1):
            release(bridge, number, tag)
        found = asked(bridge, policy="web", stage="all")
        pull = wait_for_its_pull(bridge, found["id"])
        first = in_two_files(dict.fromkeys(NAMES, "1.1.0"))
        assert {file: bridge.text(file, pull.head) for file in first} == first
        assert pull.title == "Roll back shop: api 1.1.0, job 1.1.0, web 1.1.0"
        bridge.forge.merge(pull.number, by="mira")
        wait_for_end(bridge, found["id"], "merged")
        bridge.settle()
        assert {file: bridge.text(file) for file in first} == first
        assert bridge.forge.list_pull_requests(state=PullRequestState.OPEN) == []
        release(bridge, 3, "1.3.0")

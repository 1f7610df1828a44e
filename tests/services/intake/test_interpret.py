"""What a delivery says becomes facts once, whoever tells it and in whatever order, and makes due whom it concerns."""

import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from app.core.images import ImageName
from app.core.promotion.tags import TagState, is_admissible
from app.db import lanes, pushed_heads, revisions
from app.db.deliveries import DeliveryState
from app.db.pushed_heads import PushedHead
from app.services.catalogue.ready_policies import ReadyPolicies
from app.services.intake.interpret import Interpreter
from tests.db.facts import reports_of
from tests.servers.jenkins import JenkinsServer, build_body
from tests.services.broken_database import BrokenDatabase
from tests.services.intake.webhooks import (
    ALIAS,
    COMMIT,
    MAIN,
    NEXT,
    NOW,
    OTHER,
    Site,
    branch_event,
    build_report,
    delete_event,
    digest_of,
    envelope,
    flux_event,
    github,
    notification,
    pull_request_event,
    push_event,
)

TAG = "1.1.0"
QUIET_LANES = {MAIN: 0, NEXT: 0, OTHER: 0}
PARAMETERS = {"IMAGE": f"{ALIAS}/team/app", "IMAGE_TAG": TAG, "IMAGE_DIGEST": digest_of(TAG)}


def send_push(site: Site) -> None:
    site.send("registry", envelope(push_event(TAG, digest_of(TAG))))


def send_report(site: Site) -> None:
    site.send("ci", build_report(site.image, TAG, digest_of(TAG)))


def send_notification(site: Site) -> None:
    site.jenkins.put_build("team/app/main", build_body(1, commit=COMMIT, parameters=PARAMETERS))
    site.send("plugin", notification(1))


TELLERS: dict[str, Callable[[Site], None]] = {
    "push": send_push,
    "report": send_report,
    "notification": send_notification,
}


def one_of_each(site: Site) -> dict[str, object]:
    """The facts of one build that pushed one image."""
    image, digest = str(site.image), digest_of(TAG)
    return {
        "builds": [("main", "team/app/main", 1, "SUCCESS", COMMIT, False)],
        "artifacts": {("team/app/main", 1, image, TAG, digest)},
        "tags": {(image, TAG, digest, False)},
        "pushes": [(image, TAG, digest)],
    }


@pytest.mark.parametrize(
    "order",
    [pytest.param(order, id=" then ".join(order)) for order in itertools.permutations(TELLERS)],
)
def test_who_tells_first_of_a_build_and_its_push_does_not_matter(site: Site, order: tuple[str, ...]) -> None:
    site.put_image(TAG)
    for teller in order:
        TELLERS[teller](site)
    assert site.facts() == one_of_each(site)


def test_the_same_told_over_and_over_is_one_fact(site: Site) -> None:
    site.put_image(TAG)
    for minutes in range(3):
        site.now = NOW + timedelta(minutes=minutes)
        for teller in TELLERS.values():
            teller(site)
    assert site.facts() == one_of_each(site)
    known = site.tag(TAG)
    assert known is not None
    assert known.first_seen_at == NOW


def test_the_same_image_twice_in_one_delivery_is_one_fact(site: Site) -> None:
    digest = site.put_image(TAG)
    twice = [{"repository": name, "tag": TAG, "digest": digest} for name in (str(site.image), f"{ALIAS}/team/app")]
    site.send("ci", build_report(site.image, TAG, digest, images=twice))
    assert site.facts() == one_of_each(site)


@pytest.mark.parametrize("teller", TELLERS)
def test_every_name_of_a_registry_is_the_same_registry(site: Site, teller: str) -> None:
    site.put_image(TAG)
    site.send("ci", build_report(f"{ALIAS}/team/app", TAG, digest_of(TAG), number=2))
    TELLERS[teller](site)
    known = site.facts()
    assert known["tags"] == {(str(site.image), TAG, digest_of(TAG), False)}
    assert site.tag(TAG, ImageName(ALIAS, "team/app")) is None


def test_a_source_that_may_not_speak_for_a_job_leaves_nothing(site: Site) -> None:
    site.put_image(TAG)
    ended = site.send("ci", build_report(site.image, TAG, digest_of(TAG), job="payroll/main"))
    assert ended.state is DeliveryState.DONE
    assert ended.outcome is not None
    assert ended.outcome.startswith("ignored: source ci may not speak for job payroll/main")
    assert site.facts() == {"builds": [], "artifacts": set(), "tags": set(), "pushes": []}
    assert site.wanted() == QUIET_LANES


@pytest.mark.parametrize("result", ["SUCCESS", None], ids=["ended", "running"])
def test_jenkins_is_not_asked_for_a_job_that_the_source_may_not_speak_for(site: Site, result: str | None) -> None:
    site.jenkins.put_build("payroll/main", build_body(1, result=result))
    ended = site.send("plugin", notification(1, job="payroll/main"))
    assert ended.outcome == "ignored: source plugin may not speak for job payroll/main. no facts"
    assert site.jenkins.requests == []


def test_a_build_counts_without_the_image_that_its_source_may_not_speak_for(site: Site) -> None:
    digest = site.put_image(TAG)
    foreign = {"repository": f"{site.registry.host}/payroll/app", "tag": TAG, "digest": digest}
    own = {"repository": str(site.image), "tag": TAG, "digest": digest}
    ended = site.send("ci", build_report(site.image, TAG, digest, images=[foreign, own]))
    assert ended.outcome is not None
    assert f"ignored: source ci may not speak for image {site.registry.host}/payroll/app" in ended.outcome
    assert site.facts() == one_of_each(site)


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(push_event(TAG, digest_of(TAG), path="payroll/app"), id="push"),
        pytest.param(delete_event(path="payroll/app", tag=TAG), id="deletion of a tag"),
        pytest.param(delete_event(path="payroll/app", digest=digest_of(TAG)), id="deletion of a digest"),
    ],
)
def test_a_registry_event_of_an_image_beyond_the_source_is_ignored(site: Site, event: Any) -> None:
    site.registry.put("payroll/app", TAG, b"{}")
    ended = site.send("registry", envelope(event))
    reason = f"source registry may not speak for image {site.registry.host}/payroll/app"
    assert ended.outcome is not None
    assert ended.outcome.startswith(f"ignored: {reason}")
    assert site.facts()["tags"] == set()


def test_hosts_that_only_a_payload_names_are_never_contacted(site: Site) -> None:
    site.put_image(TAG)
    site.change_source("ci", images=())
    with JenkinsServer() as stranger:
        host, url = stranger.url.removeprefix("http://"), stranger.url
        everywhere: dict[str, Any] = {"build_url": f"{url}/job/1/", "git": {"url": f"{url}/team/app.git"}}
        everywhere["images"] = [{"repository": f"{host}/team/app", "tag": TAG, "digest": digest_of(TAG)}]
        everywhere["charts"] = [{"repository": f"oci://{host}/charts/app", "version": TAG}]
        site.send("ci", build_report(site.image, TAG, None, **everywhere))
        site.send("plugin", notification(1, full_url=f"{url}/job/team/job/app/1/"))
        where = {"url": f"{url}/v2/team/app/manifests/{digest_of(TAG)}"}
        event = push_event(TAG, digest_of(TAG), **where) | {"request": {"host": host}, "source": {"addr": host}}
        site.send("registry", envelope(event))
        assert stranger.requests == []
    assert site.tag(TAG) is not None


def test_a_digest_that_is_told_is_history_and_the_registry_says_what_is(site: Site) -> None:
    told, present = digest_of("what was pushed first"), site.put_image(TAG, "what is there now")
    site.send("registry", envelope(push_event(TAG, told)))
    known = site.tag(TAG)
    assert known is not None
    assert (known.digest, known.asked_at) == (present, NOW)
    assert site.facts()["pushes"] == [(str(site.image), TAG, told)]


def test_an_old_push_that_is_told_late_does_not_bring_its_digest_back(site: Site) -> None:
    old = site.put_image(TAG, "old")
    site.send("registry", envelope(push_event(TAG, old)))
    new = site.put_image(TAG, "new")
    site.send("registry", envelope(push_event(TAG, new)))
    site.send("registry", envelope(push_event(TAG, old)))
    known = site.tag(TAG)
    assert known is not None
    assert known.digest == new


def test_a_push_whose_tag_the_registry_no_longer_has_is_gone(site: Site) -> None:
    site.put_image("1.0.0")
    site.send("registry", envelope(push_event(TAG, digest_of(TAG))))
    known = site.tag(TAG)
    assert known is not None
    assert known.is_gone


def test_a_tag_that_the_registry_has_shown_is_not_gone_for_one_answer_without_it(site: Site) -> None:
    site.put_image(TAG)
    send_push(site)
    site.swap_registry(EmptiedRegistry())
    send_push(site)
    known = site.tag(TAG)
    assert known is not None
    assert (known.is_gone, known.digest) == (False, digest_of(TAG))


class EmptiedRegistry:
    """A registry from which everything was deleted."""

    def tags(self, path: str) -> list[str]:
        del path
        return []

    def digest(self, path: str, reference: str) -> None:
        del path, reference


@pytest.mark.parametrize(
    "target",
    [
        pytest.param({"tag": TAG}, id="the tag"),
        pytest.param({"digest": digest_of(TAG)}, id="its digest"),
        pytest.param({}, id="the repository"),
    ],
)
def test_a_deletion_counts_once_the_registry_confirms_it(site: Site, target: dict[str, str]) -> None:
    site.put_image(TAG)
    send_push(site)
    site.send("registry", envelope(delete_event(**target)))
    known = site.tag(TAG)
    assert known is not None
    assert not known.is_gone, "the registry still has it"
    site.swap_registry(EmptiedRegistry())
    before = site.wanted()[MAIN]
    site.send("registry", envelope(delete_event(**target)))
    known = site.tag(TAG)
    assert known is not None
    assert known.is_gone
    assert site.wanted()[MAIN] == before + 1


def test_a_deleted_digest_takes_no_tag_of_another_along(site: Site) -> None:
    site.put_image(TAG)
    send_push(site)
    site.swap_registry(EmptiedRegistry())
    site.send("registry", envelope(delete_event(digest=digest_of("another"))))
    known = site.tag(TAG)
    assert known is not None
    assert not known.is_gone


BARRED = [
    pytest.param({"git": {"branch": "fluxbridge/main/all/app"}}, True, False, id="a branch of ours"),
    pytest.param({"job": "team/app/fluxbridge%2Fmain%2Fall%2Fapp"}, True, False, id="the job of a branch of ours"),
    pytest.param({"git": {"commit": "b" * 40}}, True, False, id="a commit that we pushed"),
    pytest.param({"git": {"change_id": "17"}}, False, False, id="a change request"),
    pytest.param({"git": {"branch": "fluxbridge-docs"}}, False, True, id="a branch that only looks like ours"),
]


def test_a_build_of_our_own_work_takes_every_tag_of_its_digest_out_of_the_choice(site: Site) -> None:
    for tag in (TAG, f"{TAG}-again"):
        site.put_image(tag, TAG)
        site.send("registry", envelope(push_event(tag, digest_of(TAG))))
    site.send("ci", build_report(site.image, TAG, digest_of(TAG), git={"branch": "fluxbridge/main/all/app"}))


@pytest.mark.parametrize("later", [{"git": {"change_id": "17"}}, {"result": "FAILURE"}], ids=["barred", "failed"])
def test_what_a_later_report_says_without_its_images_counts_for_those_it_named_before(
    site: Site, later: dict[str, Any]
) -> None:
    site.put_image(TAG)
    site.send("ci", build_report(site.image, TAG, digest_of(TAG)))
    before = site.wanted()[MAIN]
    site.send("ci", build_report(site.image, TAG, digest_of(TAG), images=[], **later))
    assert site.wanted()[MAIN] > before


@pytest.mark.parametrize(("changes", "is_ours", "is_admitted"), BARRED)
def test_builds_of_our_own_work_and_of_change_requests_make_no_candidate(
    site: Site, changes: dict[str, Any], *, is_ours: bool, is_admitted: bool
) -> None:
    head = PushedHead(
        lane=MAIN, branch="fluxbridge/main/all/app", sha="b" * 40, base_sha="c" * 40, tags={}, recorded_at=NOW
    )
    with site.database.transaction() as connection:
        pushed_heads.record(connection, head)
    site.put_image(TAG)
    send_push(site)
    site.send("ci", build_report(site.image, TAG, digest_of(TAG), **changes))
    assert [one.is_ours for one in site.builds()] == [is_ours]
    with site.database.transaction() as connection:
        reports = tuple(reports_of(connection, site.image))
    tag = TagState(tag=TAG, digest=digest_of(TAG), first_seen_at=NOW, reports=reports)
    assert is_admissible(tag) is is_admitted


def test_a_build_that_jenkins_shows_on_our_branch_is_ours(site: Site) -> None:
    job = "team/app/fluxbridge%2Fmain%2Fall%2Fapp"
    site.jenkins.put_build(job, build_body(1, branch="fluxbridge/main/all/app", parameters=PARAMETERS))
    site.send("plugin", notification(1, job=job))
    assert [one.is_ours for one in site.builds()] == [True]


@pytest.mark.parametrize("teller", TELLERS)
def test_only_the_lanes_that_use_an_image_are_wanted(site: Site, teller: str) -> None:
    site.put_image(TAG)
    TELLERS[teller](site)
    assert site.wanted() == {MAIN: 1, NEXT: 0, OTHER: 0}
    assert site.wakes == 1


def test_an_image_that_no_lane_uses_wakes_nobody(site: Site) -> None:
    site.registry.put("team/other", TAG, b"{}")
    ended = site.send("registry", envelope(push_event(TAG, None, path="team/other")))
    assert ended.outcome == "facts: ImagePushed"
    assert (site.wanted(), site.wakes) == (QUIET_LANES, 0)


def test_facts_and_the_lanes_they_concern_are_written_together_or_not_at_all(site: Site) -> None:
    site.put_image(TAG)
    site.keep("registry", envelope(push_event(TAG, digest_of(TAG))))
    claim, broken = site.claim(), BrokenDatabase(site.database, lost_commits=1)
    view: Any = broken
    Interpreter(view, site.systems, lambda: NOW, ReadyPolicies()).interpret(claim)
    assert site.facts()["tags"] == set()
    assert site.wanted() == QUIET_LANES
    row = site.delivery(claim.id)
    assert (row.state, row.attempts) == (DeliveryState.WAITING, 0)
    site.now = row.due_at
    assert site.interpret().state is DeliveryState.DONE
    assert site.wanted()[MAIN] == 1


GITHUB = [
    pytest.param("push", branch_event("main"), {MAIN}, id="a base branch"),
    pytest.param("push", branch_event("next", after="0" * 40), {NEXT}, id="a base branch that is deleted"),
    pytest.param("push", branch_event("fluxbridge/main/all/app"), {MAIN, NEXT}, id="a branch of ours"),
    pytest.param("push", branch_event("feature/x"), set(), id="anybody's branch"),
    pytest.param("push", branch_event("fluxbridge"), set(), id="a branch named like our prefix"),
    pytest.param("push", branch_event("main", repository="ACME/Fleet"), {MAIN}, id="in other letters"),
    pytest.param("push", branch_event("main", repository="acme/other"), {OTHER}, id="the other repository"),
    pytest.param("push", branch_event("main", repository="mallory/fleet"), set(), id="a fork"),
    pytest.param("pull_request", pull_request_event("main"), {MAIN}, id="a pull request"),
    pytest.param("pull_request", pull_request_event("feature/x", head="y"), set(), id="a pull request elsewhere"),
    pytest.param("pull_request", pull_request_event("feature/x"), {MAIN}, id="one of ours that goes elsewhere now"),
    pytest.param("pull_request", pull_request_event("main", repository="mallory/fleet"), set(), id="one in a fork"),
]


@pytest.mark.parametrize(("event", "body", "wanted"), GITHUB)
def test_what_moves_in_a_repository_concerns_its_own_lanes(
    site: Site, event: str, body: bytes, wanted: set[str]
) -> None:
    ended = site.send("github", body, github(event))
    assert ended.state is DeliveryState.DONE
    assert {key for key, times in site.wanted().items() if times} == wanted
    assert ended.outcome is not None
    assert ended.outcome.partition("lanes: ")[2] == ", ".join(sorted(wanted))


def test_flux_makes_the_lanes_of_its_repository_due_once_for_each_news(site: Site) -> None:
    first, later = NOW - timedelta(minutes=1), NOW
    for body, news in (
        (flux_event(at=first), 1),
        (flux_event(at=first), 1),
        (flux_event(at=later), 1),
        (flux_event(at=later, is_failure=True), 2),
    ):
        site.send("prod-eu", body)
        assert site.wanted() == {MAIN: news, NEXT: news, OTHER: 0}


def test_an_older_event_of_flux_never_wins(site: Site) -> None:
    old, new = "1" * 40, "2" * 40
    site.now = NOW + timedelta(minutes=20)
    site.send("prod-eu", flux_event(new, at=NOW))
    site.send("prod-eu", flux_event(new, at=NOW + timedelta(minutes=10)))
    site.send("prod-eu", flux_event(old, at=NOW + timedelta(minutes=5)))
    with site.database.transaction() as connection:
        [held] = revisions.of_cluster(connection, "prod-eu")
    assert (held.cluster, held.commit, held.at) == ("prod-eu", new, NOW + timedelta(minutes=10))


def test_a_lane_that_is_not_known_yet_costs_no_fact(site: Site) -> None:
    with site.database.transaction() as connection:
        lanes.replace_images(connection, "fleet:later", [site.image])
    site.put_image(TAG)
    send_push(site)
    assert site.facts()["tags"] == {(str(site.image), TAG, digest_of(TAG), False)}

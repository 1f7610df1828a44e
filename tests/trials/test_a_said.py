"""What is left out is said where a person looks first, and one rule says which names of jobs are taken."""

import pytest

from app.clients.jenkins.paths import InvalidJobName, job_path
from app.core.builds.job_names import job_name_problem
from app.senders.jenkins.notification import JENKINS_NOTIFICATION
from app.senders.jenkins.report import JENKINS
from app.senders.sender import Origin, Unusable, WebhookRequest
from app.services.reading.status import read_status
from tests.servers.jenkins import build_body
from tests.services.intake.webhooks import Site, build_report, envelope, notification, push_event
from tests.services.sweeps.sweeping import schedule, sweep
from tests.trials.reports import report

ORIGIN = Origin("ci", jenkins="main")


@pytest.mark.parametrize(
    ("source", "limit"), [("job", "jobs"), ("image", "images"), ("hint", "jobs"), ("push", "images")]
)
def test_what_a_source_may_not_speak_for_is_told_first_and_counted(site: Site, source: str, limit: str) -> None:
    body = {
        "job": report(site, "1.1.0", job="payroll/main"),
        "image": build_report(f"{site.registry.host}/payroll/app", "1.1.0", None),
        "hint": notification(1, job="payroll/main"),
        "push": envelope(push_event("1.1.0", None, path="payroll/app")),
    }[source]
    name = {"hint": "plugin", "push": "registry"}.get(source, "ci")
    outcome = site.send(name, body).outcome
    assert outcome is not None
    assert outcome.startswith(f"ignored: source {name} may not speak for ")
    assert read_status(site.database, lambda: site.now).ignored == {f"{name}:{limit}": 1}


@pytest.mark.parametrize("odd", ["\u3000", "\u00a0", "\u2003", "\u200d", "\u200c", "\u2060", "\u00e9", "\U0001f680"])
def test_spaces_and_joiners_of_unicode_are_part_of_a_jobs_name(site: Site, odd: str) -> None:
    job = f"team/a{odd}b"
    site.jenkins.put_build(job, build_body(7))
    site.jenkins.put_build(job, build_body(8))
    site.send("ci", report(site, "1.1.0", job=job, number=6))
    read = JENKINS_NOTIFICATION.parse(WebhookRequest(headers={}, body=notification(7, job=job)), ORIGIN)
    assert [getattr(fact, "job", "") for fact in read.facts] == [job]
    assert sweep(site, "builds", jobs={"main": ("team/*",)}).left_out == []
    assert {(build.job, build.number) for build in site.builds()} == {(job, number) for number in (6, 7, 8)}


@pytest.mark.parametrize("bad", ["a\u202eb", "a\u2066b", "a\u0085b", "a\u2028b", "a\x1bb"])
def test_a_name_that_is_not_taken_is_refused_with_the_reason_in_all_ways_in(site: Site, bad: str) -> None:
    job, problem = f"team/{bad}", job_name_problem(f"team/{bad}")
    assert problem is not None
    with pytest.raises(InvalidJobName, match=problem.replace("+", r"\+")):
        job_path(job)
    for sender, body in ((JENKINS, report(site, "1.1.0", job=job)), (JENKINS_NOTIFICATION, notification(1, job=job))):
        with pytest.raises(Unusable, match=r"it holds|one line"):
            sender.parse(WebhookRequest(headers={}, body=body), ORIGIN)
    site.jenkins.put_build(job, build_body(7))
    look = sweep(site, "builds", jobs={"main": ("team/*",)})
    assert look.left_out == [f"jenkins.main {job!a}: {problem}"]
    assert (schedule(site, "builds").last_error, look.error) == (f"1 left out: {look.left_out[0]}", None)

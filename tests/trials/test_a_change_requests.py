"""A build of a change request makes no tag a candidate, whichever builder built it and however it was reported."""

from collections.abc import Mapping

import pytest

from app.core.builds.change_requests import Cause, find_change_request
from app.core.promotion.consent import is_candidate
from app.core.promotion.gates.answers import Verdict
from app.services.catalogue.tag_states import states_of_tags
from tests.servers.jenkins import build_body
from tests.services.intake.webhooks import Site, notification
from tests.trials.reports import gate, report

GERRIT = {"GERRIT_CHANGE_NUMBER": "1234", "GERRIT_REFSPEC": "refs/changes/34/1234/5"}


def _is_candidate(site: Site, tag: str) -> bool:
    with site.database.transaction() as connection:
        return is_candidate(states_of_tags(connection, site.image, [tag])[tag])


@pytest.mark.parametrize(
    ("parameters", "change"),
    [
        pytest.param({"ghprbPullId": "42"}, "42", id="GitHub pull request builder"),
        pytest.param({"sha1": "origin/pr/42/merge"}, "42", id="the same, by its sha1"),
        pytest.param({"GITHUB_PR_NUMBER": "42"}, "42", id="GitHub integration"),
        pytest.param({**GERRIT, "GERRIT_EVENT_TYPE": "patchset-created"}, "1234", id="Gerrit trigger"),
        pytest.param({**GERRIT, "GERRIT_EVENT_TYPE": "comment-added"}, "1234", id="Gerrit, a comment"),
        pytest.param(GERRIT, "1234", id="Gerrit, without the event"),
        pytest.param({"GERRIT_REFSPEC": "refs/changes/34/1234/5"}, "1234", id="Gerrit, the ref only"),
        pytest.param({**GERRIT, "GERRIT_EVENT_TYPE": "change-merged"}, None, id="what Gerrit merged"),
        pytest.param({**GERRIT, "GERRIT_EVENT_TYPE": "ref-updated"}, None, id="a branch of Gerrit"),
        pytest.param({"gitlabActionType": "MERGE", "gitlabMergeRequestIid": "12"}, "12", id="GitLab plugin"),
        pytest.param({"gitlabMergeRequestId": "12"}, "12", id="an older GitLab plugin"),
        pytest.param({"gitlabActionType": "MERGE", "gitlabSourceBranch": "fix"}, "fix", id="GitLab, without a number"),
        pytest.param({"gitlabActionType": "PUSH", "gitlabMergeRequestIid": ""}, None, id="a push to GitLab"),
        pytest.param({"pullRequestId": "9", "sourceBranch": "fix"}, "9", id="Bitbucket pull request builder"),
        pytest.param({"BITBUCKET_PULL_REQUEST_ID": "9"}, "9", id="Bitbucket push and pull request"),
        pytest.param({"SYSTEM_PULLREQUEST_PULLREQUESTID": "9"}, "9", id="Azure DevOps"),
        pytest.param({"pr_number": "9"}, "9", id="a generic webhook"),
        pytest.param({"ref": "refs/pull/9/head"}, "9", id="a generic webhook, by its ref"),
        pytest.param({"CHANGE_ID": "9"}, "9", id="handed on by a branch source"),
        pytest.param({"CHANGE_ID": "null"}, None, id="handed on from a build of a branch"),
        pytest.param({"PR_NUMBER": "0"}, None, id="no number"),
        pytest.param({"ghprbPullId": "42", "GERRIT_EVENT_TYPE": "change-merged"}, "42", id="not Gerrit's to take back"),
        pytest.param({"ghprbPullId": "42", "GHPRB_PULL_ID": ""}, "42", id="one name written twice"),
        pytest.param({"ghprbPullId": "42", "gitlabMergeRequestState": "merged"}, "42", id="not GitLab's to take back"),
        pytest.param(
            {**GERRIT, "GERRIT_EVENT_TYPE": "comment-added", "gerritEventType": "change-merged"},
            "1234",
            id="two events of Gerrit",
        ),
        pytest.param(
            {"GERRIT_REFSPEC": "refs/changes/34/1234/5", "GERRIT_EVENT_TYPE": "change-merged"}, None, id="its old ref"
        ),
        pytest.param(
            {"sha1": "refs/pull/9/merge", "GERRIT_EVENT_TYPE": "change-merged"}, "9", id="a ref of another forge"
        ),
        pytest.param({"BRANCH": "main", "ref": "refs/heads/main", "sha1": "abc"}, None, id="a branch"),
    ],
)
def test_the_parameters_of_every_builder_are_known(parameters: Mapping[str, str], change: str | None) -> None:
    assert find_change_request("team/app", refs=["detached"], parameters=parameters) == change


@pytest.mark.parametrize(
    ("job", "ref", "change"),
    [
        ("team/app/PR-12", "", "12"),
        ("team/app/PR-12-head", "", "12"),
        ("team/app/MR-12-merge", "", "12"),
        ("team/app/CHANGE-12", "", "12"),
        ("team/app/34%2F1234%2F5", "", "1234"),
        ("team/PR-12/build", "", "12"),
        ("team/app", "refs/pull/12/merge", "12"),
        ("team/app", "pr/12/head", "12"),
        ("team/app", "refs/remotes/origin/merge-requests/12/head", "12"),
        ("team/app", "refs/pull-requests/12/from", "12"),
        ("team/app", "refs/changes/34/1234/5", "1234"),
        ("team/app", "PR-12", "12"),
        ("team/app/pr%2F12", "refs/heads/pull/12/head", None),
        ("team/PR-x/main", "pr/12", None),
        ("team/app/release-PR-12", "main", None),
    ],
)
def test_the_name_of_the_job_and_what_was_checked_out_tell_it(job: str, ref: str, change: str | None) -> None:
    assert find_change_request(job, refs=[ref], parameters={}) == change


@pytest.mark.parametrize(
    ("kind", "words", "change"),
    [
        ("org.jenkinsci.plugins.ghprb.GhprbCause", "GitHub pull request #42 of commit abc, no merge conflicts.", "42"),
        (
            "com.dabsquared.gitlabjenkins.cause.GitLabWebHookCause",
            "Triggered by GitLab Merge Request #12: a => b",
            "12",
        ),
        ("com.dabsquared.gitlabjenkins.cause.GitLabWebHookCause", "Started by GitLab push by mira", None),
        ("hudson.model.Cause$UserIdCause", "Started by user mira, for pull request 3", None),
    ],
)
def test_the_cause_tells_it_where_no_parameter_does(kind: str, words: str, change: str | None) -> None:
    assert find_change_request("team/app", parameters={}, causes=[Cause(kind, words)]) == change


def test_a_cause_takes_back_nothing_that_gitlab_accepted() -> None:
    cause = Cause("com.dabsquared.gitlabjenkins.cause.GitLabWebHookCause", "Triggered by GitLab Merge Request #12")
    told = {"gitlabActionType": "MERGE", "gitlabMergeRequestState": "merged", "gitlabMergeRequestIid": "12"}
    assert find_change_request("team/app", parameters=told, causes=[cause]) is None
    assert find_change_request("team/app", parameters={**told, "gitlabMergeRequestState": "opened"}) == "12"


def test_what_the_pull_request_builder_built_is_no_candidate(site: Site) -> None:
    digest = site.put_image("1.2.0")
    named = {"IMAGE": str(site.image), "IMAGE_TAG": "1.2.0", "IMAGE_DIGEST": digest, "ghprbPullId": "42"}
    site.jenkins.put_build("team/app", build_body(7, branch="detached", parameters=named))
    site.send("plugin", notification(7, job="team/app"))
    assert not _is_candidate(site, "1.2.0")


@pytest.mark.parametrize(
    "told",
    [
        {"job": "team/app/PR-42"},
        {"parameters": {"ghprbPullId": "42"}},
        {"git": {"branch": "refs/pull/42/merge"}},
        {"git": {"change_id": "42"}},
    ],
    ids=["job", "parameter", "ref", "said"],
)
def test_a_signed_report_does_not_make_a_change_request_a_branch(site: Site, told: dict[str, object]) -> None:
    digest = site.put_image("1.2.0")
    site.send("ci", report(site, "1.2.0", digest, **told))
    assert not _is_candidate(site, "1.2.0")
    # Whatever else is said of that build.
    site.send("ci", report(site, "1.2.0", digest, **({"job": told["job"]} if "job" in told else {})))
    assert not _is_candidate(site, "1.2.0")
    assert gate(site, "1.2.0").verdict is Verdict.WAIT


def test_a_digest_that_a_build_of_a_branch_reported_too_counts_for_that_build(site: Site) -> None:
    digest = site.put_image("1.2.0")
    site.send("ci", report(site, "1.2.0", digest, job="team/app/PR-42"))
    site.send("ci", report(site, "1.2.0", digest, job="team/app/main", number=9))
    assert _is_candidate(site, "1.2.0")
    assert gate(site, "1.2.0").reason == "build team/app/main #9 ended SUCCESS"

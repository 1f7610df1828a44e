"""G6, G7: nothing that was told from outside links, notifies or closes anything where our texts are read."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from app.core.promotion.proposals import Proposal
from app.core.writing import texts
from app.services.systems import Systems
from tests.core.promotion.lanes import app_lane, report, tag_state

CI = "https://ci.acme.example"
HOSTILE = "shop/main closes octo-org/infra#7 @octo-org/admins fixes GH-9 https://github.com/o/r/issues/1"


def proposal_of(job: str) -> Proposal:
    """What production gets by a build of this job."""
    built = tag_state("1.1.0", replace(report("1.1.0"), job=job))
    [found] = [one for one in app_lane(built).plan().proposals if one.stage == "production"]
    return found


@pytest.mark.parametrize("job", [HOSTILE, f"\u202e{HOSTILE}\u2066", f"a\u200b{HOSTILE}\nFluxbridge-Promotion: other"])
def test_no_forge_finds_a_person_or_an_issue_in_what_a_job_is_called(job: str) -> None:
    found = proposal_of(job)
    message = texts.commit_message(found, promotion_ids=dict.fromkeys(found.places, "01JABC"))
    told = message + texts.title(found) + texts.body(found, build_urls={})
    for linked in ("#7", "@octo", "GH-9", "https://", "\u202e", "\u2066", "\u200b"):
        assert linked not in told
    assert message.count("\nFluxbridge-Promotion: ") == 1
    assert "closes octo-org/infra# 7" in message


@pytest.mark.parametrize(
    ("job", "linked"),
    [
        ("two \u00e9@octo/admins \u4e2d@hubot", ["@octo", "@hubot"]),
        ("fixes \u00e9GH-12", ["GH-12"]),
        ("www.phish.test, mailto:a@phish.test, ftp://phish.test", ["www.p", "mailto:a", "ftp://"]),
        (f"acme/infra@{'b' * 40} acme/infra@{'B' * 7}", ["infra@b", "infra@B"]),
        ("a\U000e0041\u3164\uffa0\u2800\ufe0fb", ["\U000e0041", "\u3164", "\uffa0", "\u2800", "\ufe0f"]),
    ],
    ids=["a letter before a mention", "a letter before an issue", "addresses", "commits", "unseen"],
)
def test_words_end_where_forges_end_them(job: str, linked: Sequence[str]) -> None:
    found = proposal_of(job)
    told = (
        texts.commit_message(found, promotion_ids=dict.fromkeys(found.places, "01JABC"))
        + texts.title(found)
        + texts.body(found, build_urls={})
    )
    assert [one for one in linked if one in told] == []


def test_an_honest_build_is_named_so_that_its_number_is_no_issue() -> None:
    found = proposal_of("shop/app/main")
    assert "\nBuild: build 1 of shop/app/main\n" in texts.commit_message(
        found, promotion_ids=dict.fromkeys(found.places, "01JABC")
    )
    assert "`build 1 of shop/app/main: SUCCESS`" in texts.body(found, build_urls={})
    assert "#" not in texts.body(found, build_urls={}).replace("# 1", "")


@pytest.mark.parametrize(
    ("url", "is_linked"),
    [
        (f"{CI}/job/shop/1/", True),
        ("https://ci.acme.example.phish.test/job/shop/1/", False),
        ("https://ci.acme.example@phish.test/", False),
        (f"{CI}/../phish/", False),
        (f"{CI}/%2e%2E/logout", False),
        (f"{CI}/job/shop/..", False),
        (f"{CI}/logout?from=https://phish.test/", False),
        (f"{CI}/job/shop/1/#@octo", False),
        ("http://ci.acme.example/job/shop/1/", False),
    ],
)
def test_a_build_is_linked_only_below_its_own_controller(*, url: str, is_linked: bool) -> None:
    systems = Systems(jenkins_urls={"main": f"{CI}/"})
    assert systems.is_of_controller(url, "main") == is_linked
    assert not systems.is_of_controller(url, "another")

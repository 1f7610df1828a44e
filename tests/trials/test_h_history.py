"""What people did to a tag on its way is in its history: opened, updated, closed, reopened, set by hand."""

from app.services.reading.timeline import HappeningView, timeline_of_tag
from tests.end_to_end.bridge import deployment
from tests.services.lanes import IMAGE
from tests.trials.crews import ADA, MIRA, Crew, Open


def history(here: Crew, tag: str) -> list[HappeningView]:
    with here.lane.database.transaction() as connection:
        return timeline_of_tag(connection, here.lane.systems, f"{IMAGE}:{tag}", now=here.lane.now).happenings


def told(here: Crew, tag: str) -> list[tuple[str, str]]:
    return [(one.what, one.who) for one in history(here, tag)]


def test_a_pull_request_is_opened_and_updated_and_merged(crew: Open) -> None:
    here = crew()
    here.build("1.1.0")
    pull = here.propose("1.1.0")
    here.lane.push("1.2.0")
    here.run()
    here.host.merge(pull.number)
    here.run()
    first, second = history(here, "1.1.0"), history(here, "1.2.0")
    [opened] = [one for one in first if one.what == "proposed"]
    [updated] = [one for one in second if one.what == "proposed"]
    assert opened.words.startswith(f"pull request {pull.number} opened: ")
    assert updated.words.startswith(f"pull request {pull.number} updated: ")
    assert opened.link == updated.link
    assert (first[-1].what, first[-1].words) == ("superseded", "1.2.0 took its place")
    assert (second[-1].what, second[-1].who) == ("merged", MIRA)


def test_a_no_and_its_end_are_told(crew: Open) -> None:
    here = crew()
    pull = here.propose("1.1.0")
    here.host.close(pull.number)
    here.run()
    here.host.reopen(pull.number)
    here.run()
    after = [one for one in told(here, "1.1.0") if one[0] not in {"seen", "chosen", "proposed"}]
    assert sorted(after) == [("closed", MIRA), ("held", MIRA), ("hold ended", "fluxbridge")]


def test_a_tag_that_others_set_in_git_is_told_as_theirs(crew: Open) -> None:
    here = crew()
    here.run()
    here.push_to("main", {"apps/app.yaml": deployment("1.1.0")})
    here.run()
    [theirs] = [one for one in history(here, "1.1.0") if one.what == "set"]
    assert (theirs.who, theirs.words) == (ADA, f"instead of 1.0.0: changed in Git by {ADA}")
    assert ("merged", ADA) in told(here, "1.1.0")

"""What people do to our pull requests and to the base branch is followed exactly, whatever was done behind our back."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from app.core.promotion.leaving import MOVED, PUSHED
from app.db.promotions import PromotionState
from app.services.lane.reconcile import NoBaseBranch
from tests.end_to_end.bridge import deployment, policy
from tests.services.interruptions import Interrupted
from tests.trials.crews import ADA, MIRA, Crew, GitHubHost, GitMergeKind, Open, Shown

MERGED, SUPERSEDED, CLOSED = PromotionState.MERGED, PromotionState.SUPERSEDED, PromotionState.CLOSED


# D1: merged by git
@pytest.mark.parametrize(("how", "by"), [("no-ff", ADA), ("ff", "unknown"), ("squash", ADA)])
def test_a_branch_of_ours_that_somebody_merged_with_git_is_merged(crew: Open, how: GitMergeKind, by: str) -> None:
    here = crew()
    pull = here.propose("1.1.0")
    commit = here.merge_by_git(pull.head, how, is_noticed=isinstance(here.host, GitHubHost) and how != "squash")
    here.run()
    promotion = here.promotion("1.1.0")
    who = MIRA if isinstance(here.host, GitHubHost) and how != "squash" else by
    assert (promotion.state, promotion.merged_by, promotion.merge_commit) == (MERGED, who, commit)
    assert (promotion.pull_request, here.open_ones()) == (pull.number, [])
    assert here.held() == []


def test_a_branch_that_was_merged_with_git_and_deleted_is_merged_and_no_refusal(crew: Open) -> None:
    here = crew()
    pull = here.propose("1.1.0")
    here.merge_by_git(pull.head, "no-ff")
    here.delete(pull.head)
    here.run()
    assert (here.promotion("1.1.0").state, here.held(), here.open_ones()) == (MERGED, [], [])


def merged_before_github_notices(github_crew: Open) -> tuple[Crew, Shown, Callable[[], None]]:
    """A pull request that was merged with git, and what makes GitHub notice."""
    here = github_crew()
    assert isinstance(here.host, GitHubHost)
    pull = here.propose("1.1.0")
    before = here.config.head("main")
    here.merge_by_git(pull.head, "no-ff", is_noticed=False)
    here.run()
    return here, pull, partial(here.host.server.notice, "main", before, by=MIRA)


def test_a_merge_that_github_does_not_show_yet_is_known_by_its_author_and_then_by_who_did_it(github_crew: Open) -> None:
    here, pull, notice = merged_before_github_notices(github_crew)
    assert (here.promotion("1.1.0").state, here.promotion("1.1.0").merged_by) == (MERGED, ADA)
    assert here.find(pull.number).state == "open"
    assert here.config.head(pull.head) is not None, "deleted now, GitHub would call it closed"
    notice()
    here.run()
    assert (here.promotion("1.1.0").state, here.promotion("1.1.0").merged_by) == (MERGED, MIRA)
    assert here.events("1.1.0")[-2:] == [("merged", ADA), ("merged", MIRA)]
    assert here.config.head(pull.head) is None
    count = len(here.events("1.1.0"))
    here.run()
    assert len(here.events("1.1.0")) == count


def test_the_forge_is_looked_at_again_while_only_git_shows_a_merge(github_crew: Open) -> None:
    here, _, notice = merged_before_github_notices(github_crew)
    assert here.lane_row().next_look_at is not None
    notice()
    here.run()
    assert here.lane_row().next_look_at is None


@pytest.mark.parametrize("how", ["no-ff", "ff"])
def test_a_branch_that_a_person_pushed_to_and_merged_with_git_is_merged_too(crew: Open, how: GitMergeKind) -> None:
    here = crew()
    pull = here.propose("1.1.0")
    here.push_to(pull.head, {"mine.yaml": "a: 1\n"})
    here.merge_by_git(pull.head, how)
    here.run()
    assert (here.promotion("1.1.0").state, here.promotion("1.1.0").pull_request) == (MERGED, pull.number)
    assert (here.open_ones(), here.held()) == ([], [])


# D2
def test_however_many_were_closed_a_reopened_one_is_noticed(crew: Open) -> None:
    names = [f"app-{number:02}" for number in range(22)]
    files = {f"images/{name}.yaml": policy(name) for name in names}
    files |= {f"apps/{name}.yaml": deployment("1.0.0", name=name) for name in names}
    files[".fluxbridge.yaml"] = "limits: {open: 50}\n"
    here = crew(files)
    here.propose("1.1.0")
    oldest, *others = sorted(one.number for one in here.open_ones())
    for number in (oldest, *others):
        here.host.close(number)
    here.run()
    assert len(here.held()) == len(names)
    here.host.reopen(oldest)
    here.run()
    assert [one.number for one in here.open_ones()] == [oldest]
    assert len(here.held()) == len(names) - 1


# D3, H5
@pytest.mark.parametrize(
    "what", ["its tag is gone", "its policy is gone", "a newer tag comes", "its tag is set by hand"]
)
def test_a_branch_that_a_person_pushed_to_is_left_alone_whatever_happens(crew: Open, what: str) -> None:
    here = crew()
    pull = here.propose("1.1.0")
    theirs = here.push_to(pull.head, {"mine.yaml": "a: 1\n"})
    match what:
        case "its tag is gone":
            here.lose("1.1.0")
        case "its policy is gone":
            here.push_to("main", {"images/app.yaml": ""})
        case "its tag is set by hand":
            here.push_to("main", {"apps/app.yaml": deployment("1.1.0", replicas=2)})
        case _:
            here.lane.push("1.2.0")
    here.run(3)
    assert here.find(pull.number).state == "open"
    assert here.config.head(pull.head) == theirs
    told = [] if what == "its tag is set by hand" else [True]
    assert [text.startswith(PUSHED) for text in here.host.comments(pull.number)] == told
    assert (here.plan().proposals, here.plan().closures) == ([], [])


def test_the_plan_says_that_a_branch_is_left_to_people(crew: Open) -> None:
    here = crew()
    pull = here.propose("1.1.0")
    here.push_to(pull.head, {"mine.yaml": "a: 1\n"})
    here.propose("1.5.0")
    said = {one.tag: (one.standing, one.reason) for one in here.plan().outcomes}
    assert said["1.5.0"] == ("left to people", PUSHED)
    assert here.plan().proposals == []
    assert here.states() == {"1.1.0": PromotionState.PROPOSED, "1.5.0": PromotionState.WAITING}


def test_one_that_was_reopened_after_its_policy_went_is_told_of_once(crew: Open) -> None:
    here = crew()
    pull = here.propose("1.1.0")
    here.host.close(pull.number)
    here.run()
    here.push_to("main", {"images/app.yaml": ""})
    here.push_to(pull.head, {"mine.yaml": "a: 1\n"})
    here.host.reopen(pull.number)
    here.run(3)
    assert sum(text.startswith(PUSHED) for text in here.host.comments(pull.number)) == 1


def test_after_a_lost_data_folder_the_plan_says_what_will_not_be_done(crew: Open) -> None:
    here = crew()
    pull = here.propose("1.1.0")
    here.forget()
    here.lane.push("1.2.0")
    here.run(3)
    assert here.tag_on(pull.head) == "1.1.0"
    assert [(one.standing, one.tag) for one in here.plan().outcomes] == [("left to people", "1.2.0")]
    assert len(here.host.comments(pull.number)) == 1


def test_what_a_person_added_to_ours_is_let_in_as_they_merge_it(crew: Open) -> None:
    here = crew()
    pull = here.propose("1.1.0")
    here.push_to(pull.head, {"apps/app.yaml": deployment("1.2.0")})
    here.lane.push("1.2.0")
    here.run()
    here.host.merge(pull.number)
    here.run()
    promotion = here.promotion("1.2.0")
    assert (promotion.state, promotion.merged_by, promotion.pull_request) == (MERGED, MIRA, pull.number)
    assert here.states()["1.1.0"] is SUPERSEDED


# D4
def test_a_pull_request_that_was_given_another_base_is_theirs_and_the_lane_gets_a_new_one(crew: Open) -> None:
    here = crew()
    here.push_to("other", {"README": "of other"})
    pull = here.propose("1.1.0")
    head = here.config.head(pull.head)
    here.host.retarget(pull.number, "other")
    ours = here.propose("1.2.0")
    assert here.config.head(pull.head) == head
    assert (ours.number != pull.number, ours.base, ours.head != pull.head) == (True, "main", True)
    assert (here.tag_on(ours.head), len(here.open_ones())) == ("1.2.0", 1)
    assert [text.startswith(MOVED) for text in here.host.comments(pull.number)] == [True]
    again = here.propose("1.3.0")
    assert (again.number, here.tag_on(again.head)) == (ours.number, "1.3.0")


@pytest.mark.parametrize("act", ["merge", "close", "back"])
def test_what_becomes_of_one_with_another_base_changes_nothing_in_ours(crew: Open, act: str) -> None:
    here = crew()
    here.push_to("other", {"README": "of other"})
    pull = here.propose("1.1.0")
    here.host.retarget(pull.number, "other")
    here.run()
    [ours] = here.open_ones()
    if act == "back":
        here.host.retarget(pull.number, "main")
    else:
        getattr(here.host, act)(pull.number)
    here.lane.push("1.2.0")
    here.run(3)
    assert (here.held(), here.find(ours.number).state, here.tag_on(ours.head)) == ([], "open", "1.2.0")
    assert here.tag_on(pull.head) == "1.1.0"
    assert here.promotion("1.2.0").pull_request == ours.number
    here.host.merge(ours.number)
    here.run()
    assert (here.promotion("1.2.0").state, here.promotion("1.2.0").merged_by) == (MERGED, MIRA)


def test_given_another_base_and_back_before_anybody_looked_it_is_ours(crew: Open) -> None:
    here = crew()
    here.push_to("other", {"README": "of other"})
    pull = here.propose("1.1.0")
    here.host.retarget(pull.number, "other")
    here.host.retarget(pull.number, "main")
    assert here.propose("1.2.0").number == pull.number
    assert (here.tag_on(pull.head), here.host.comments(pull.number)) == ("1.2.0", [])


# D6
def test_a_squash_merge_that_git_shows_first_is_corrected_when_the_forge_tells(github_crew: Open) -> None:
    here = github_crew()
    assert isinstance(here.host, GitHubHost)
    pull = here.propose("1.1.0")
    seen = here.config.head("main") or ""
    here.host.server.merge(pull.number, by=MIRA, method="squash")
    merged = here.host.shown()[-1]
    squash = here.config.head("main")
    page = here.host.server.shown(pull.number)
    page.is_open, told = True, (page.merged_at, page.merged_by, page.merge_commit)
    page.merged_at = page.merged_by = page.merge_commit = page.closed_by = None
    here.run(1)
    assert (here.promotion("1.1.0").state, here.promotion("1.1.0").merged_by) == (MERGED, ADA)
    page.is_open, page.merged_at, page.merged_by, page.merge_commit = False, *told
    here.run()
    promotion = here.promotion("1.1.0")
    assert (promotion.merged_by, promotion.merge_commit, promotion.pull_request) == (MIRA, squash, pull.number)
    assert here.events("1.1.0")[-2:] == [("merged", ADA), ("merged", MIRA)]
    assert (merged.state, here.find(pull.number).state, seen != squash) == ("merged", "merged", True)


def test_a_tag_that_was_refused_in_one_stage_is_proposed_in_the_others(crew: Open) -> None:
    stages = "stages:\n  a: {paths: [apps/a]}\n  b: {paths: [apps/b]}\n"
    here = crew({"images/app.yaml": policy(), ".fluxbridge.yaml": stages, "apps/a/app.yaml": deployment("1.0.0")})
    here.lane.push("1.1.0")
    here.run()
    [pull] = here.open_ones()
    here.host.close(pull.number)
    here.run()
    here.push_to("main", {"apps/b/app.yaml": deployment("1.0.0")})
    here.run()
    assert [one.head.split("/")[2] for one in here.open_ones()] == ["b"]
    assert here.held() == [(MIRA, "a", ("1.1.0",))]


def test_a_merged_one_that_is_not_shown_as_merged_yet_is_never_closed(crew: Open) -> None:
    here = crew()
    pull = here.propose("1.1.0")
    here.merge_by_git(pull.head, "no-ff", is_noticed=False)
    here.lose("1.1.0")
    here.run(3)
    assert here.find(pull.number).state in {"open", "merged"}
    assert here.promotion("1.1.0").state is MERGED


# Whatever else people do
def test_closed_and_its_branch_deleted_is_a_refusal_that_holds(crew: Open) -> None:
    here = crew()
    pull = here.propose("1.1.0")
    here.host.close(pull.number)
    here.delete(pull.head)
    here.run()
    assert (here.open_ones(), here.held()) == ([], [(MIRA, "all", ("1.1.0",))])
    assert here.propose("1.2.0").number != pull.number


def test_a_branch_that_was_deleted_while_open_is_a_refusal_too(crew: Open) -> None:
    here = crew()
    pull = here.propose("1.1.0")
    here.delete(pull.head)
    here.run()
    assert (here.open_ones(), [tags for _, _, tags in here.held()]) == ([], [("1.1.0",)])


def test_one_of_ours_that_was_merged_into_another_branch_leaves_main_as_it_was(crew: Open) -> None:
    here = crew()
    here.push_to("other", {"README": "of other"})
    pull = here.propose("1.1.0")
    here.host.retarget(pull.number, "other")
    here.host.merge(pull.number)
    here.run()
    [ours] = here.open_ones()
    assert (ours.number != pull.number, here.held()) == (True, [])
    assert here.promotion("1.1.0").state is PromotionState.PROPOSED


def test_a_title_that_a_person_wrote_stays_until_there_is_news(crew: Open) -> None:
    here = crew()
    pull = here.propose("1.1.0")
    here.host.edit(pull.number, title="Wait for Monday", body="We look at it then.")
    here.run()
    assert here.find(pull.number).title == "Wait for Monday"
    assert here.propose("1.2.0").title == "Promote app 1.0.0 to 1.2.0"


def test_while_the_base_branch_has_another_name_nothing_is_touched(crew: Open) -> None:
    here = crew()
    pull = here.propose("1.1.0")
    main = here.config.head("main") or ""
    here.config.git("update-ref", "refs/heads/trunk", main)
    here.host.retarget(pull.number, "trunk")
    here.config.delete_branch("main")
    with pytest.raises(NoBaseBranch):
        here.lane.run()
    assert here.host.comments(pull.number) == []
    here.config.git("update-ref", "refs/heads/main", main)
    here.host.retarget(pull.number, "main")
    here.lane.now += timedelta(hours=1)
    here.lane.push("1.2.0")
    here.run()
    assert [(one.number, here.tag_on(one.head)) for one in here.open_ones()] == [(pull.number, "1.2.0")]


def test_a_branch_that_a_person_set_back_to_main_is_left_alone(crew: Open) -> None:
    here = crew()
    pull = here.propose("1.1.0")
    here.move(pull.head, here.config.head("main") or "")
    here.run()
    assert here.config.head(pull.head) == here.config.head("main")
    assert here.promotion("1.1.0").state is not MERGED


def test_a_merge_while_we_push_is_a_merge_of_what_was_there(crew: Open) -> None:
    here = crew()
    pull = here.propose("1.1.0")
    here.lane.push("1.2.0")
    here.lane.repository = Interrupted(here.lane.repository, "push", lambda: here.host.merge(pull.number))
    here.run(3)
    assert here.promotion("1.1.0").state is MERGED
    [left] = here.open_ones()
    assert (left.number != pull.number, here.tag_on(left.head)) == (True, "1.2.0")


def test_closed_and_then_merged_by_git_all_the_same_is_let_in_with_its_number(crew: Open) -> None:
    here = crew()
    pull = here.propose("1.1.0")
    here.host.close(pull.number)
    here.run()
    here.merge_by_git(pull.head, "no-ff")
    here.run()
    promotion = here.promotion("1.1.0")
    assert (promotion.state, promotion.merged_by, promotion.pull_request) == (MERGED, ADA, pull.number)
    assert here.open_ones() == []


def test_one_that_was_reopened_and_merged_between_two_looks_is_known_by_who_merged_it(crew: Open) -> None:
    here = crew()
    pull = here.propose("1.1.0")
    here.host.close(pull.number)
    here.run()
    assert here.held() != []
    here.host.reopen(pull.number)
    here.host.merge(pull.number)
    here.run(1)
    assert here.lane_row().next_look_at is not None
    here.run()
    promotion = here.promotion("1.1.0")
    assert (promotion.state, promotion.merged_by, promotion.pull_request) == (MERGED, MIRA, pull.number)
    assert (here.held(), here.lane_row().next_look_at) == ([], None)

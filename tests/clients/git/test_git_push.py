"""Pushing: many branches at once, each only from where it is expected."""

from datetime import UTC, datetime

import pytest

from app.clients.git.mirror import Mirror
from app.core.errors import Invalid, NotFound
from app.core.ports import BranchUpdate, CommitDraft, PushOutcome, PushResult
from tests.clients.git.git_worlds import OURS, GitWorld
from tests.servers.git_http import GitServer

AT = datetime(2026, 5, 4, 12, 30, 7, tzinfo=UTC)
DONE = PushResult(PushOutcome.DONE)


def written(mirror: Mirror, content: str) -> str:
    base = mirror.fetch()["main"]
    return mirror.write_commit(CommitDraft(base, {"app.yaml": content.encode()}, f"Set {content}", AT))


def test_a_branch_is_made_moved_and_deleted(git_world: GitWorld) -> None:
    mirror = git_world.mirror()
    first, second = written(mirror, "1"), written(mirror, "2")
    assert mirror.push([BranchUpdate(OURS, first, None)]) == {OURS: DONE}
    assert git_world.repository.head(OURS) == first
    assert mirror.push([BranchUpdate(OURS, second, first)]) == {OURS: DONE}
    assert git_world.repository.head(OURS) == second
    assert mirror.push([BranchUpdate(OURS, None, second)]) == {OURS: DONE}
    assert git_world.repository.head(OURS) is None


def test_what_is_there_already_is_done(git_world: GitWorld) -> None:
    mirror = git_world.mirror()
    first = written(mirror, "1")
    mirror.push([BranchUpdate(OURS, first, None)])
    assert mirror.push([BranchUpdate(OURS, first, None)]) == {OURS: DONE}


def test_deleting_what_is_gone_is_done(git_world: GitWorld) -> None:
    mirror = git_world.mirror()
    first = written(mirror, "1")
    other = BranchUpdate(f"{OURS}-2", first, None)
    assert mirror.push([BranchUpdate(OURS, None, first), other]) == {OURS: DONE, f"{OURS}-2": DONE}


def test_a_branch_that_somebody_moved_is_stale_and_stays_theirs(git_world: GitWorld) -> None:
    mirror = git_world.mirror()
    first, second = written(mirror, "1"), written(mirror, "2")
    mirror.push([BranchUpdate(OURS, first, None)])
    theirs = git_world.repository.commit(OURS, {"app.yaml": "theirs"})
    for update in (
        BranchUpdate(OURS, second, first),
        BranchUpdate(OURS, second, None),
        BranchUpdate(OURS, None, first),
    ):
        assert mirror.push([update])[OURS].outcome is PushOutcome.STALE
    assert git_world.repository.head(OURS) == theirs


def test_a_branch_that_somebody_deleted_is_stale(git_world: GitWorld) -> None:
    mirror = git_world.mirror()
    first, second = written(mirror, "1"), written(mirror, "2")
    assert mirror.push([BranchUpdate(OURS, second, first)])[OURS].outcome is PushOutcome.STALE
    assert git_world.repository.head(OURS) is None


def test_each_of_many_branches_has_its_own_outcome(git_world: GitWorld) -> None:
    mirror = git_world.mirror()
    names = [f"fluxbridge/main/staging/app-{number}" for number in range(12)]
    base = mirror.fetch()["main"]
    commits = {
        name: mirror.write_commit(CommitDraft(base, {"app.yaml": name.encode()}, f"Set {name}", AT)) for name in names
    }
    git_world.repository.commit(names[3], {"app.yaml": "theirs"})
    results = mirror.push(
        [
            *(BranchUpdate(name, commit, None) for name, commit in commits.items()),
            BranchUpdate("main", commits[names[0]], base),
        ]
    )
    assert {name for name, result in results.items() if result == DONE} == set(names) - {names[3]}
    assert results[names[3]].outcome is PushOutcome.STALE
    assert results["main"].outcome is PushOutcome.REFUSED
    assert git_world.repository.head("main") == base
    assert git_world.repository.head(names[11]) == commits[names[11]]


def test_a_refusal_comes_with_the_servers_words(git_world: GitWorld) -> None:
    mirror = git_world.mirror()
    base = mirror.fetch()["main"]
    result = mirror.push([BranchUpdate("main", written(mirror, "1"), base)])["main"]
    assert result.outcome is PushOutcome.REFUSED
    assert "pre-receive hook declined" in result.reason
    assert "GH006: Protected branch update failed for refs/heads/main" in result.reason


def test_a_branch_in_whose_place_another_stands_is_refused(git_world: GitWorld) -> None:
    mirror = git_world.mirror()
    git_world.repository.commit("fluxbridge", {"app.yaml": "tag: 1"})
    result = mirror.push([BranchUpdate(OURS, written(mirror, "1"), None)])[OURS]
    assert result.outcome is PushOutcome.REFUSED
    assert "refs/heads/fluxbridge" in result.reason


def test_many_branches_go_in_one_push(git_world: GitWorld, git_host: GitServer) -> None:
    mirror = git_world.mirror()
    updates = [BranchUpdate(f"fluxbridge/main/staging/app-{n}", written(mirror, str(n)), None) for n in range(5)]
    mirror.push(updates)
    posts = [
        each
        for each in git_host.requests
        if each.method == "POST" and each.path.endswith("git-receive-pack") and each.user
    ]
    assert len(posts) == (1 if git_world.remote.url.startswith("http") else 0)


def test_a_large_file_is_pushed_whole(git_world: GitWorld) -> None:
    mirror = git_world.mirror()
    text = "".join(f"{number * 7919 % 1000003} " for number in range(500_000))
    mirror.push([BranchUpdate(OURS, written(mirror, text), None)])
    assert git_world.repository.text(OURS, "app.yaml") == text


def test_nothing_to_push_asks_nobody(git_world: GitWorld, git_host: GitServer) -> None:
    assert git_world.mirror().push([]) == {}
    assert git_host.requests == []


@pytest.mark.parametrize(
    "branch",
    ["", "-d", "--mirror", "a:b", "+a", "a..b", "a b", "a/", "/a", "a//b", ".a", "a.lock", "a@{1}", "@", "a*", "ä"],
)
def test_a_name_that_git_could_misread_is_never_pushed(path_world: GitWorld, branch: str) -> None:
    mirror = path_world.mirror()
    first = written(mirror, "1")
    if branch == "+a":
        assert mirror.push([BranchUpdate(branch, first, None)]) == {branch: DONE}
        return
    with pytest.raises(Invalid, match="cannot be used as a branch name"):
        mirror.push([BranchUpdate(branch, first, None)])


def test_a_commit_that_is_not_here_cannot_be_pushed(path_world: GitWorld) -> None:
    with pytest.raises(NotFound):
        path_world.mirror().push([BranchUpdate(OURS, "ab" * 20, None)])

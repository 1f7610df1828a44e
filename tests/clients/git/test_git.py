"""The mirror of a config repository: fetching, reading, writing."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.clients.git.remote import Remote
from app.core.errors import Invalid, NotFound
from app.core.ports import CommitDraft, ConfigRepository
from tests.clients.git.git_worlds import OURS, GitWorld, open_mirror
from tests.servers.bare_repository import BareRepository

AT = datetime(2026, 5, 4, 12, 30, 7, tzinfo=UTC)
ABSENT = "ab" * 20


def draft(parent: str, path: str = "app.yaml", content: bytes = b"tag: 1.2.0\n") -> CommitDraft:
    return CommitDraft(parent=parent, files={path: content}, message="Set web to 1.2.0", at=AT)


def test_the_mirror_is_a_config_repository(git_world: GitWorld) -> None:
    repository: ConfigRepository = git_world.mirror()
    assert repository.fetch()


def test_only_base_branches_and_our_prefix_are_fetched(git_world: GitWorld) -> None:
    ours = git_world.repository.commit(OURS, {"a": "1"})
    theirs = git_world.repository.commit("feature/x", {"a": "2"})
    mirror = git_world.mirror()
    assert mirror.fetch() == {"main": git_world.repository.head("main"), OURS: ours}
    assert not mirror.has_commit(theirs)
    assert mirror.remote_branches()["feature/x"] == theirs


def test_a_fetch_follows_what_people_do(git_world: GitWorld) -> None:
    mirror = git_world.mirror()
    git_world.repository.commit(OURS, {"a": "1"})
    mirror.fetch()
    git_world.repository.delete_branch(OURS)
    git_world.repository.git("update-ref", "refs/heads/main", git_world.repository.commit("rewritten", {"b": "1"}))
    git_world.repository.delete_branch("main")
    assert mirror.fetch() == {}
    again = git_world.repository.commit("main", {"app.yaml": "tag: 3\n"})
    assert mirror.fetch() == {"main": again}
    assert git_world.mirror().fetch() == {"main": again}


def test_an_empty_repository_has_no_branches(tmp_path: Path) -> None:
    empty = BareRepository.create(tmp_path / "empty.git")
    mirror = open_mirror(Remote(url=str(empty.path)), tmp_path / "mirror.git")
    assert mirror.fetch() == {}
    assert mirror.remote_branches() == {}


def test_a_commit_that_is_cut_short_is_told_whole_where_it_is_here(git_world: GitWorld) -> None:
    theirs = git_world.repository.commit("feature/x", {"a": "2"})
    mirror = git_world.mirror()
    main = mirror.fetch()["main"]
    assert mirror.full_id(main[:12]) == mirror.full_id(main[:39]) == mirror.full_id(main) == main
    for unknown in (theirs[:12], main[:11], mirror.commit(main).tree[:12], "main", "--all", ABSENT):
        assert mirror.full_id(unknown) == unknown


def test_a_branch_that_is_called_as_a_commit_is_no_commit(git_world: GitWorld) -> None:
    main = git_world.repository.head("main") or ""
    other = git_world.repository.commit(OURS, {"a": "1"})
    mirror = git_world.mirror()
    mirror.fetch()
    BareRepository(git_world.folder / "mirror.git").git("update-ref", f"refs/heads/{main[:12]}", other)
    assert mirror.full_id(main[:12]) == main[:12]


def test_files_are_read_byte_by_byte(git_world: GitWorld) -> None:
    git_world.repository.commit("main", {"héllo wörld.yaml": "a\r\nb", "empty": ""})
    git_world.repository.commit("main", {"run.sh": "#!/bin/sh\n"}, mode="100755")
    mirror = git_world.mirror()
    tree = mirror.tree(mirror.fetch()["main"])
    assert sorted(tree) == ["app.yaml", "deep/er/web.yaml", "empty", "héllo wörld.yaml", "run.sh"]
    assert tree["run.sh"].mode == "100755"
    contents = mirror.blobs(entry.blob for entry in tree.values())
    assert contents[tree["héllo wörld.yaml"].blob] == b"a\r\nb"
    assert contents[tree["empty"].blob] == b""


def test_a_commit_tells_who_when_and_what(path_world: GitWorld) -> None:
    mirror = path_world.mirror()
    base = mirror.fetch()["main"]
    shown = mirror.commit(mirror.write_commit(draft(base)))
    assert (shown.parents, shown.author, shown.committed_at) == ((base,), "Fluxbridge <fluxbridge@localhost>", AT)
    assert shown.message == "Set web to 1.2.0\n"
    assert mirror.commit(base).parents == ()


def test_the_same_draft_is_the_same_commit_everywhere(path_world: GitWorld) -> None:
    one, other = path_world.mirror("one.git"), path_world.mirror("other.git")
    base = one.fetch()["main"]
    other.fetch()
    assert one.write_commit(draft(base)) == other.write_commit(draft(base)) == one.write_commit(draft(base))
    assert one.write_commit(draft(base)) != one.write_commit(draft(base, content=b"tag: 1.3.0\n"))


@pytest.mark.parametrize("mode", ["100644", "100755", "120000"])
def test_an_edited_file_keeps_its_mode_and_the_rest_its_content(path_world: GitWorld, mode: str) -> None:
    path_world.repository.commit("main", {"bin/run": "old"}, mode=mode)
    mirror = path_world.mirror()
    base = mirror.fetch()["main"]
    before, after = mirror.tree(base), mirror.tree(mirror.write_commit(draft(base, "bin/run", b"new\xff")))
    assert after["bin/run"].mode == mode
    assert mirror.blobs([after["bin/run"].blob])[after["bin/run"].blob] == b"new\xff"
    assert {**after, "bin/run": before["bin/run"]} == before


def test_a_new_file_in_a_new_folder_is_plain(path_world: GitWorld) -> None:
    mirror = path_world.mirror()
    tree = mirror.tree(mirror.write_commit(draft(mirror.fetch()["main"], "new/ünder/x\n.yaml")))
    assert tree["new/ünder/x\n.yaml"].mode == "100644"
    assert len(tree) == 3


@pytest.mark.parametrize(
    "path", ["", "/etc/passwd", "../x", "a//b", "a/./b", ".git/config", "deep/.GIT/hooks", "deep", "app.yaml/x"]
)
def test_a_path_that_is_no_file_of_the_repository_is_refused(path_world: GitWorld, path: str) -> None:
    mirror = path_world.mirror()
    base = mirror.fetch()["main"]
    with pytest.raises(Invalid, match="cannot be a file"):
        mirror.write_commit(draft(base, path))


def test_ancestry_and_the_commits_between(path_world: GitWorld) -> None:
    repository = path_world.repository
    first = repository.head("main")
    assert first is not None
    second = repository.commit("main", {"app.yaml": "tag: 2\n"}, message="Two")
    third = repository.commit("main", {"other.yaml": "x"}, message="Three")
    mirror = path_world.mirror()
    mirror.fetch()
    assert mirror.is_ancestor(first, third)
    assert mirror.is_ancestor(third, third)
    assert not mirror.is_ancestor(third, second)
    assert {each.sha for each in mirror.commits_between(first, third)} == {second, third}
    assert [each.message for each in mirror.commits_between(first, third, paths=["app.yaml"])] == ["Two\n"]
    assert mirror.commits_between(first, third, paths=["*.yaml", ":(glob)**"]) == []
    assert len(mirror.commits_between(first, third, limit=1)) == 1


@pytest.mark.parametrize("sha", [ABSENT, "main", "--all", "HEAD^{tree}", ABSENT[:12]])
def test_what_is_no_commit_here_is_not_found(path_world: GitWorld, sha: str) -> None:
    mirror = path_world.mirror()
    base = mirror.fetch()["main"]
    assert not mirror.has_commit(sha)
    for ask in (
        lambda: mirror.commit(sha),
        lambda: mirror.tree(sha),
        lambda: mirror.is_ancestor(base, sha),
        lambda: mirror.commits_between(sha, base),
        lambda: mirror.write_commit(draft(sha)),
    ):
        with pytest.raises(NotFound):
            ask()


def test_mirrors_opened_at_once_in_one_folder_all_work(git_world: GitWorld) -> None:
    start = threading.Barrier(4)

    def use(number: int) -> str:
        start.wait(10)
        mirror = git_world.mirror()
        return mirror.write_commit(draft(mirror.fetch()["main"], f"file-{number}"))

    with ThreadPoolExecutor(4) as pool:
        written = list(pool.map(use, range(4)))
    assert all(git_world.mirror().has_commit(each) for each in written)


def test_garbage_collection_keeps_what_was_written(path_world: GitWorld) -> None:
    mirror = path_world.mirror()
    written = mirror.write_commit(draft(mirror.fetch()["main"]))
    mirror.collect_garbage()
    assert mirror.has_commit(written)

"""A folder at a revision of its own repository, which names nothing but a revision."""

from pathlib import Path

import pytest

from app.clients.git.revision import Revision, RevisionUnreadable
from tests.servers.checkout import check_out, commit_all, run_git, write

FILES = {"apps/web.yaml": "a: 1\n", "top.yaml": "b: 1\n"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = check_out(tmp_path / "fleet", FILES)
    write(folder, {"apps/web.yaml": "a: 2\n"})
    commit_all(folder)
    return folder


def contents(revision: Revision) -> dict[str, str]:
    found = revision.blobs(entry.blob for entry in revision.entries.values())
    return {path: found[entry.blob].decode() for path, entry in revision.entries.items()}


@pytest.mark.parametrize("name", ["HEAD~1", "main^", "main~1"])
def test_branches_tags_and_commits_are_revisions(folder: Path, name: str) -> None:
    assert contents(Revision.read(folder, name)) == FILES


def test_a_folder_of_a_repository_has_its_own_files_only(folder: Path) -> None:
    assert contents(Revision.read(folder / "apps", "HEAD")) == {"web.yaml": "a: 2\n"}


def test_a_folder_that_was_not_there_yet_had_nothing(folder: Path) -> None:
    write(folder, {"new/app.yaml": "a: 1\n", ".apps/web.yaml": "a: 1\n"})
    assert contents(Revision.read(folder / "new", "HEAD")) == {}
    assert contents(Revision.read(folder / ".apps", "HEAD")) == {}


def test_a_second_working_tree_of_a_repository_is_one_too(folder: Path) -> None:
    run_git(folder, "worktree", "add", "--quiet", "../second", "HEAD~1")
    assert contents(Revision.read(folder.parent / "second", "HEAD")) == FILES


@pytest.mark.parametrize(
    "name",
    [
        "",
        "--all",
        "-q",
        "HEAD:apps",
        ":/A change",
        ":apps/web.yaml",
        "HEAD\nHEAD",
        "gone",
        "HEAD..main",
        "^HEAD",
        "HEAD^{tree}",
    ],
)
def test_what_is_no_revision_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(RevisionUnreadable) as refused:
        Revision.read(folder, name)
    assert f"cannot be compared with {name!r}" in str(refused.value)


def test_a_folder_without_git_has_no_revisions(tmp_path: Path) -> None:
    with pytest.raises(RevisionUnreadable, match="it is in no git repository"):
        Revision.read(tmp_path, "HEAD")


def test_a_repository_with_longer_ids_is_told_as_one(tmp_path: Path) -> None:
    run_git(tmp_path, "init", "--quiet", "--object-format=sha256")
    write(tmp_path, FILES)
    commit_all(tmp_path)
    with pytest.raises(RevisionUnreadable, match="SHA-256"):
        Revision.read(tmp_path, "HEAD")


def test_a_repository_that_is_none_is_told_in_words_of_git(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    with pytest.raises(RevisionUnreadable, match="not a git repository"):
        Revision.read(tmp_path, "HEAD")


def test_what_a_clone_lacks_is_never_fetched(folder: Path, tmp_path: Path) -> None:
    run_git(folder, "config", "uploadpack.allowFilter", "true")
    run_git(tmp_path, "clone", "--quiet", "--filter=blob:none", "--no-checkout", folder.as_uri(), "partial")
    revision = Revision.read(tmp_path / "partial", "HEAD")
    with pytest.raises(RevisionUnreadable, match="clone"):
        contents(revision)

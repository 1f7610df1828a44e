"""A working directory is read as a commit of it would be."""

import os
from pathlib import Path

import pytest

from app.clients.git.working_folder import NotAFolder
from app.clients.git.working_tree import WorkingTree


def test_manifests_links_and_other_files_have_their_content(tmp_path: Path) -> None:
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps" / "web.yaml").write_bytes(b"a: 1\n")
    (tmp_path / "apps" / "web.env").write_bytes(b"A=1\n")
    (tmp_path / "apps" / "link.yaml").symlink_to("web.yaml")
    tree = WorkingTree.read(tmp_path)
    contents = tree.blobs(entry.blob for entry in tree.entries.values())
    assert {path: contents[entry.blob] for path, entry in tree.entries.items()} == {
        "apps/web.yaml": b"a: 1\n",
        "apps/web.env": b"A=1\n",
        "apps/link.yaml": b"web.yaml",
    }
    assert tree.entries["apps/link.yaml"].is_link
    # `printf 'a: 1\n' | git hash-object --stdin`
    assert tree.entries["apps/web.yaml"].blob == "a8926a52d8dcba5c4386945476ab6a2ad008afd4"


def test_what_git_keeps_for_itself_is_not_read(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config.yaml").write_text("a: 1\n")
    assert WorkingTree.read(tmp_path).entries == {}


def test_what_is_no_file_is_left_out_and_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    os.mkfifo(tmp_path / "pipe.txt")
    tree = WorkingTree.read(tmp_path)
    assert tree.entries == {}
    [(path, why)] = tree.unread
    assert (path, "no regular file" in why) == ("pipe.yaml", True)


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotAFolder):
        WorkingTree.read(tmp_path / "gone")

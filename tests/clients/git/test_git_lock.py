"""Every git that works in a mirror holds the mirror's lock itself: should we die, it stays locked until git ends."""

import shutil

import pytest

from tests.clients.git.git_worlds import GitWorld

TELLING = """#!/bin/sh
for open in /proc/$$/fd/*; do
  printf "%s %s\\n" "$1" "$(readlink "$open")" >>'{told}'
done
exec '{git}' "$@"
"""


def test_the_git_that_fetches_holds_the_lock_of_the_mirror(
    path_world: GitWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror, told = path_world.mirror(), path_world.folder / "told"
    assert mirror.fetch()
    programs = path_world.folder / "programs"
    programs.mkdir()
    fake = programs / "git"
    fake.write_text(TELLING.format(told=told, git=shutil.which("git")))
    fake.chmod(0o755)
    path_world.repository.commit("main", {"app.yaml": "tag: 2\n"})
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    assert mirror.fetch()
    lock = path_world.folder / "mirror.git.lock"
    assert f"fetch {lock}" in told.read_text().splitlines()

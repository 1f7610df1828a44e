"""A working directory with a git repository of its own, as people have it."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

_ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    **{
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in (("NAME", "Ada"), ("EMAIL", "a@b.c"))
    },
}


def run_git(folder: Path, *arguments: str) -> str:
    """Run git in a folder, whatever the settings of whoever runs the tests."""
    environment = {**os.environ, **_ENVIRONMENT}
    done = subprocess.run(["git", *arguments], cwd=folder, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def check_out(folder: Path, files: Mapping[str, str]) -> Path:
    """Make a folder with these files, all of them committed."""
    folder.mkdir(parents=True, exist_ok=True)
    run_git(folder, "init", "--quiet", "-b", "main")
    write(folder, files)
    commit_all(folder)
    return folder


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write files, with the folders above them."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def commit_all(folder: Path) -> str:
    """Commit whatever lies there; returns the commit."""
    run_git(folder, "add", "--all")
    run_git(folder, "commit", "--quiet", "--message", "A change")
    return run_git(folder, "rev-parse", "HEAD")

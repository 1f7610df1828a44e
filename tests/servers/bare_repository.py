"""A real bare git repository that tests fill and read with the git program itself."""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@acme.example",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@acme.example",
    "LC_ALL": "C",
}


@dataclass(frozen=True, slots=True)
class BareRepository:
    """What people do to the config repository, written straight into its objects and refs."""

    path: Path

    @classmethod
    def create(cls, path: Path) -> "BareRepository":
        """Make an empty one that takes pushes over HTTP."""
        subprocess.run(["git", "init", "--quiet", "--bare", "-b", "main", "--", path], check=True, env=_environment())
        repository = cls(path)
        repository.git("config", "http.receivepack", "true")
        return repository

    def git(self, *arguments: str, stdin: bytes = b"", index: str | None = None) -> bytes:
        """Run git in the repository; a failure is an error with git's words."""
        environment = _environment() | ({"GIT_INDEX_FILE": index} if index else {})
        done = subprocess.run(
            ["git", "--git-dir", self.path, *arguments], input=stdin, capture_output=True, check=False, env=environment
        )
        if done.returncode:
            raise AssertionError(f"git {arguments}: {done.stderr.decode()}")
        return done.stdout

    def head(self, branch: str) -> str | None:
        """The commit of a branch; None: there is no such branch."""
        line = self.git("for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}").decode().strip()
        return line or None

    def commit(
        self,
        branch: str,
        files: Mapping[str, str],
        *,
        message: str = "A change",
        mode: str = "100644",
    ) -> str:
        """Commit `files` on top of `branch` (of main where it is new) and return the commit."""
        parent = self.head(branch) or self.head("main")
        with tempfile.TemporaryDirectory() as folder:
            index = str(Path(folder) / "index")
            if parent:
                self.git("read-tree", parent, index=index)
            for path, text in files.items():
                blob = self.git("hash-object", "-w", "--stdin", stdin=text.encode()).decode().strip()
                self.git("update-index", "--add", "--cacheinfo", f"{mode},{blob},{path}", index=index)
            tree = self.git("write-tree", index=index).decode().strip()
        parents = ["-p", parent] if parent else []
        commit = self.git("commit-tree", tree, *parents, stdin=f"{message}\n".encode()).decode().strip()
        self.git("update-ref", f"refs/heads/{branch}", commit)
        return commit

    def delete_branch(self, branch: str) -> None:
        """Delete a branch."""
        self.git("update-ref", "-d", f"refs/heads/{branch}")

    def text(self, commit: str, path: str) -> str:
        """The contents of a file at a commit or branch."""
        return self.git("cat-file", "blob", f"{commit}:{path}").decode()


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | _ENVIRONMENT

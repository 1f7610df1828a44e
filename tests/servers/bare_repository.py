"""A real bare git repository that tests fill and read with the git program itself."""

import os
import subprocess
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
_ADA = b"Ada <ada@acme.example>"


@dataclass(frozen=True, slots=True)
class BareRepository:
    """What people do to the config repository, written straight into its objects and refs."""

    path: Path

    @classmethod
    def create(cls, path: Path) -> "BareRepository":
        """Make an empty one that takes pushes over HTTP."""
        # Hooks that nobody wants are not copied: hundreds of tests make a repository.
        command: list[str | Path] = ["git", "init", "--quiet", "--bare", "--template=", "-b", "main", "--", path]
        subprocess.run(command, check=True, env=_environment())
        with (path / "config").open("a", encoding="utf-8") as config:
            config.write("[http]\n\treceivepack = true\n")
        return cls(path)

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
        return self._heads(branch).get(branch)

    def _heads(self, *branches: str) -> dict[str, str]:
        names = [f"refs/heads/{branch}" for branch in branches]
        lines = self.git("for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", *names).decode().splitlines()
        return dict(line.rsplit(" ", 1) for line in lines)

    def commit(
        self,
        branch: str,
        files: Mapping[str, str],
        *,
        message: str = "A change",
        mode: str = "100644",
    ) -> str:
        """Commit `files` on top of `branch` (of main where it is new) and return the commit."""
        heads = self._heads(branch, "main")
        parent = heads.get(branch) or heads.get("main")
        parents = [b"from %b\n" % parent.encode()] if parent else []
        changes = [b"M %b inline %b\n" % (mode.encode(), _quoted(path)) + _data(text) for path, text in files.items()]
        start = b"commit refs/heads/%b\nmark :1\ncommitter %b now\n" % (branch.encode(), _ADA)
        stream = b"".join([start, _data(f"{message}\n"), *parents, *changes, b"get-mark :1\n"])
        return self.git("fast-import", "--quiet", "--date-format=now", stdin=stream).decode().strip()

    def delete_branch(self, branch: str) -> None:
        """Delete a branch."""
        self.git("update-ref", "-d", f"refs/heads/{branch}")

    def text(self, commit: str, path: str) -> str:
        """The contents of a file at a commit or branch."""
        return self.git("cat-file", "blob", f"{commit}:{path}").decode()


def _data(text: str) -> bytes:
    content = text.encode()
    return b"data %d\n%b\n" % (len(content), content)


def _quoted(path: str) -> bytes:
    for character, written in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n")):
        path = path.replace(character, written)
    return os.fsencode(f'"{path}"')


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | _ENVIRONMENT

"""Runs the git program in one bare repository: argument lists, a deadline, nothing of the caller's environment.

Plain subprocess, for GitPython's runner always passes the whole environment on (GIT_DIR, GIT_TRACE, GIT_CONFIG_…) and
finds the children that a timeout must kill with `ps` or `pgrep`, which slim images lack.
"""

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from app.clients.deadline import seconds_left
from app.core.errors import Invalid, NotFound, Refused, Unavailable

OLDEST_GIT = (2, 38)
ALLOWED_PROTOCOL = "GIT_ALLOW_PROTOCOL"
"""The variable that names the one way out. Unlike settings, git passes it on to what it starts in a local remote."""

_KEPT_VARIABLES = ("PATH", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "SSH_AUTH_SOCK")
_SETTINGS = (
    ("core.hooksPath", os.devnull),
    ("core.filesRefLockTimeout", "1000"),
    ("core.packedRefsTimeout", "1000"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("credential.helper", ""),
    # A repository that moved is somebody else's until the settings say otherwise.
    ("http.followRedirects", "false"),
    # A server that has gone silent is given up long before the deadline of a clone.
    ("http.lowSpeedLimit", "1"),
    ("http.lowSpeedTime", "60"),
)
_SHA = re.compile(r"[0-9a-f]{40}")
_BRANCH = re.compile(r"(?!-)[A-Za-z0-9_+#@=%,.-]+(/[A-Za-z0-9_+#@=%,.-]+)*")
_NOT_IN_A_BRANCH = re.compile(r"\.\.|@\{|(^|/)\.|\.(/|$)|\.lock(/|$)|^@$")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_UNWRITABLE = re.compile(
    r"(?!remote:).*(No space left on device|Out of diskspace|Disk quota exceeded|Read-only file system)"
)
_LONGEST_WORDS = 2000
_held_open: ContextVar[tuple[int, ...]] = ContextVar("held_open", default=())


class GitMissing(Refused):
    """The git program is absent or too old."""

    def __init__(self, found: str) -> None:
        oldest = ".".join(map(str, OLDEST_GIT))
        super().__init__(f"git {oldest} or newer is needed, found {found}; install it and see that it is on the PATH")


class GitTimedOut(Unavailable):
    """A git command did not end in time and was killed with its children."""

    def __init__(self, command: str, *, timeout_s: float) -> None:
        super().__init__(f"git {command} did not end within {timeout_s:.3g} s and was stopped; it is tried again later")


class GitFailed(Unavailable):
    """A git command ended with an error that nothing else explains."""

    def __init__(self, command: str, words: str) -> None:
        super().__init__(f"git {command} failed: {words or 'it gave no reason'}")
        self.command, self.words = command, words


class DiskUnwritable(Unavailable):
    """Git could not write on our own disk: it is full, over a quota, or read-only."""

    def __init__(self, place: str, words: str) -> None:
        super().__init__(f"nothing can be written at {place} ({words}): make room on this disk, or make it writable")
        self.words = words


class BadBranchName(Invalid):
    """A branch name that is never given to git."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} cannot be used as a branch name; use letters, digits and -_./+#@=%, only")


class UnknownCommit(NotFound):
    """A commit that the repository does not hold."""

    def __init__(self, sha: str) -> None:
        super().__init__(f"the repository holds no commit {sha!r}; fetch, then ask again")
        self.sha = sha


@dataclass(frozen=True, slots=True)
class GitRun:
    """How a git command ended. `words` is what it said on stderr, secrets and control characters taken out."""

    code: int
    output: bytes
    words: str

    @property
    def text(self) -> str:
        """The output as text without the last line break; bytes that are no UTF-8 survive a round trip."""
        return self.output.decode("utf-8", "surrogateescape").removesuffix("\n")


@dataclass(frozen=True, slots=True)
class GitSetup:
    """What one run gets beside its arguments; `secrets` are taken out of everything that it says.

    `writes_into` is a shared repository on this machine, other than the command's own, that it puts objects into.
    """

    settings: Sequence[tuple[str, str]] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Sequence[str] = ()
    writes_into: Path | None = None


_PLAIN = GitSetup()


@dataclass(frozen=True, slots=True)
class GitCommand:
    """The git program, bound to one bare repository and to a time limit for each command.

    What it makes there is for us alone; where `is_shared`, for those who may read what is there. It asks no other
    repository for anything, unless its setup has `ALLOWED_PROTOCOL` among its variables.
    """

    path: Path
    timeout_s: float
    is_shared: bool = False

    def run(
        self, *arguments: str, stdin: bytes = b"", setup: GitSetup = _PLAIN, accept: Container[int] = (0,)
    ) -> GitRun:
        """Run one command.

        Raises DiskUnwritable and GitFailed for any exit code outside `accept`, GitTimedOut, GitMissing.
        """
        done = self._finish(arguments, stdin, setup)
        if done.code in accept:
            return done
        # What the other side says of its own disk begins with "remote:".
        unwritable = next((line for line in done.words.splitlines() if _UNWRITABLE.match(line)), None)
        if unwritable is not None:
            raise DiskUnwritable(str(self.path), unwritable.strip()[:300])
        raise GitFailed(arguments[0], done.words)

    def _finish(self, arguments: Sequence[str], stdin: bytes, setup: GitSetup) -> GitRun:
        timeout_s = seconds_left(self.timeout_s)
        process = self._start(arguments, setup)
        try:
            output, errors = process.communicate(stdin, timeout_s)
        except subprocess.TimeoutExpired as error:
            raise GitTimedOut(arguments[0], timeout_s=timeout_s) from error
        finally:
            _stop(process)
        return GitRun(process.returncode, output, readable(errors, setup.secrets))

    def _start(self, arguments: Sequence[str], setup: GitSetup) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                ["git", *arguments],  # noqa: S607 - found on the PATH, as people install it
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self.path if self.path.is_dir() else None,
                env=_environment(self.path, setup),
                start_new_session=True,
                pass_fds=_held_open.get(),
                umask=_umask_in(setup.writes_into or (self.path if self.is_shared else None)),
            )
        except FileNotFoundError as error:
            raise GitMissing("none") from error


@contextmanager
def holding_open(descriptor: int) -> Iterator[None]:
    """Let every git that this thread starts inherit a file: a lock on it lasts until git ends, also after our death."""
    token = _held_open.set((*_held_open.get(), descriptor))
    try:
        yield
    finally:
        _held_open.reset(token)


def check_git() -> tuple[int, int]:
    """Return the version of the installed git. Raises GitMissing where there is none or it is too old."""
    words = GitCommand(Path(os.devnull), timeout_s=10).run("version").text
    found = re.search(r"(\d+)\.(\d+)", words)
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    if version < OLDEST_GIT:
        raise GitMissing(words)
    return version


def checked_branch(name: str) -> str:
    """Return the name if it can stand in a refspec and never be taken for an option; raises BadBranchName."""
    if not _BRANCH.fullmatch(name) or _NOT_IN_A_BRANCH.search(name):
        raise BadBranchName(name)
    return name


def checked_sha(sha: str) -> str:
    """Return the id if it is 40 hex digits; anything else is no commit. Raises UnknownCommit."""
    if not is_sha(sha):
        raise UnknownCommit(sha)
    return sha


def is_sha(text: str) -> bool:
    """Tell whether a text is 40 hex digits."""
    return _SHA.fullmatch(text) is not None


def readable(words: bytes, secrets: Sequence[str] = ()) -> str:
    """What git said, fit for logs and errors: no secrets, no control characters, not endless."""
    text = words.decode("utf-8", "replace")
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    return _CONTROL.sub(" ", text).strip()[:_LONGEST_WORDS]


def _environment(path: Path, setup: GitSetup) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    # HOME is the repository: else libcurl would read the user's ~/.netrc, a second source of passwords.
    fixed = {
        "HOME": str(path),
        "GIT_DIR": str(path),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        ALLOWED_PROTOCOL: "",
        # A repository that lacks objects would fetch them, by what its own settings say.
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_LITERAL_PATHSPECS": "1",
        "LC_ALL": "C",
    }
    return kept | fixed | _as_variables((*_SETTINGS, *setup.settings)) | dict(setup.variables)


def _umask_in(shared: Path | None) -> int:
    """The umask by which who sees the objects of a shared repository sees new ones too; -1: our own."""
    try:
        return -1 if shared is None else 0o077 & ~(shared / "objects").stat().st_mode
    except OSError:
        return -1


def _as_variables(settings: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Settings as variables: unlike `git -c`, these show in no list of processes."""
    variables = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings):
        variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return variables


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the command's session (git's helpers too), close its pipes and reap it."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    process.wait()

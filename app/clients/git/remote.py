"""How the remote repository is reached: its URL, credentials that only the environment carries, and its refusals."""

import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from app.clients.git.command import ALLOWED_PROTOCOL, DiskUnwritable, GitCommand, GitFailed, GitRun, GitSetup
from app.core.errors import Refused, Unavailable

_SCHEMES = frozenset({"http", "https", "ssh", "file"})
_SCP_LIKE = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.@-]*:(?!:)[^:].*")
_HAS_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/?/|[A-Za-z0-9+.-]+::")
_USER_VARIABLE = "FLUXBRIDGE_GIT_USER"
_PASSWORD_VARIABLE = "FLUXBRIDGE_GIT_PASSWORD"  # noqa: S105 - a variable's name
# A helper in git's own protocol. The text is fixed and names variables; their values never meet a shell's parser.
_CREDENTIAL_HELPER = (
    f"!f() {{ test \"$1\" = get && printf 'username=%s\\npassword=%s\\n' "
    f'"${_USER_VARIABLE}" "${_PASSWORD_VARIABLE}"; }}; f'
)
_IN_A_HEADER = re.compile(r"[\x21-\x7e]+")
_ACCESS_REFUSED = re.compile(
    r"Authentication failed|could not read (Username|Password)|Permission denied|Host key verification failed"
    r"|returned error: 4(?!08|29)\d\d|(?i:repository .*not found)|does not appear to be a git repository"
    r"|certificate|dubious ownership|transport '.*' not allowed|unable to update url base from redirection"
    r"|returned error: 3\d\d|aborted by hook"
)
_CREDENTIALS = "check the URL, the credentials and their rights"
_ADVICE = (
    (
        re.compile("dubious ownership"),
        "it belongs to another account: give it to the one that runs Fluxbridge, or run Fluxbridge as its owner",
    ),
    (re.compile("aborted by hook"), "a hook of that repository decides so"),
    (
        re.compile("Host key verification failed"),
        "its host key is not among those of ssh.known_hosts: ask its operators for the fingerprint before you add it",
    ),
    (re.compile("error in libcrypto|invalid format"), "the key is none that ssh reads: give it as OpenSSH has it"),
    (
        re.compile(r"returned error: 3\d\d|from redirection"),
        "it redirects elsewhere, which is not followed: set the url to where it really is",
    ),
)
# Advice for who runs git by hand: the settings that it names do not reach ours.
_FOR_OTHERS = re.compile(r"To add an exception|git config|Please make sure you have|and the repository exists")


class BadRemoteUrl(Refused):
    """The configured URL of a config repository cannot be used."""

    def __init__(self, shown: str, why: str) -> None:
        super().__init__(f"the config repository's URL {shown} {why}")


class KnownHostsUnusable(Refused):
    """The file of host keys that a remote over SSH is believed by is not there."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} should hold the host keys of the git server: make it with `ssh-keyscan HOST`, compare the "
            "fingerprints with those that its operators tell, and name it by ssh.known_hosts"
        )
        self.path = path


class TokenUnusable(Refused):
    """The token for git cannot stand in a header."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"the token for {url} is empty or holds spaces, line ends or other odd characters; put a new one there"
        )
        self.url = url


class RemoteRefused(Refused):
    """The remote does not let us in, or has no such repository."""

    def __init__(self, url: str, words: str) -> None:
        what_to_do = next((advice for seen, advice in _ADVICE if seen.search(words)), _CREDENTIALS)
        super().__init__(f"{url} refused: {_cause(words)}; {what_to_do}")
        self.url, self.words = url, words


class RemoteUnavailable(Unavailable):
    """The remote cannot be reached just now, or broke off."""

    def __init__(self, url: str, words: str) -> None:
        super().__init__(f"{url} cannot be reached: {_cause(words)}; it is tried again later")
        self.url, self.words = url, words


@dataclass(frozen=True, slots=True)
class SshKey:
    """The key that we show over SSH, read anew for each command, and the file of host keys that we believe.

    The key lies on this disk for as long as a command runs, where only our account can read it: ssh takes no other.
    """

    read_private_key: Callable[[], str] = field(repr=False)
    known_hosts: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """One remote repository: a URL without credentials, or a path on this machine.

    `credentials` is asked anew for each command and gives (user, password or token), used over HTTP only; without a
    user the token is shown as Bearer, as some tokens of Bitbucket Data Center must be. Raises BadRemoteUrl.
    """

    url: str
    credentials: Callable[[], tuple[str | None, str] | None] = lambda: None
    ca_file: Path | None = None
    proxy: str | None = None
    ssh: SshKey | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", _checked_url(self.url))

    def ask(self, git: GitCommand, *arguments: str, accept: tuple[int, ...] = (0,)) -> GitRun:
        """Run a command that talks to the remote.

        Raises RemoteRefused, RemoteUnavailable, DiskUnwritable, TokenUnusable.
        """
        is_push = arguments[0] == "push"
        try:
            with self._key_file() as key_file:
                return git.run(*arguments, setup=self._setup(key_file, is_push=is_push), accept=accept)
        except GitFailed as error:
            raise self.failure(error) from error
        except DiskUnwritable as error:
            if not is_push or self._path is None:
                raise
            # A push into a folder runs its own git here, whose words do not begin with "remote:".
            raise DiskUnwritable(f"{git.path} or {self.url}", error.words) from error

    def failure(self, error: GitFailed) -> RemoteRefused | RemoteUnavailable:
        """What a failed command means: an operator must act, or it may pass."""
        kind = RemoteRefused if _ACCESS_REFUSED.search(error.words) else RemoteUnavailable
        return kind(self.url, error.words)

    @property
    def _path(self) -> Path | None:
        """Where it is, if it is a folder of this machine."""
        path = Path(self.url.removeprefix("file://"))
        return path if path.is_absolute() else None

    @contextmanager
    def _key_file(self) -> Iterator[Path | None]:
        """The private key as ssh wants it; None where there is none of our own."""
        if self.ssh is None:
            yield None
            return
        if not self.ssh.known_hosts.is_file():
            raise KnownHostsUnusable(self.ssh.known_hosts)
        key = self.ssh.read_private_key()
        with TemporaryDirectory(prefix="fluxbridge-ssh-") as folder:
            path = Path(folder, "key")
            path.touch(mode=0o600)
            # The last line end, which ssh needs, is not part of a secret in a file.
            path.write_text(f"{key}\n", encoding="utf-8")
            yield path

    def _setup(self, key_file: Path | None, *, is_push: bool) -> GitSetup:
        settings: list[tuple[str, str]] = []
        variables = {ALLOWED_PROTOCOL: _protocol(self.url)}
        secrets: list[str] = []
        given = self.credentials() if self.url.startswith(("http://", "https://")) else None
        if given is not None:
            user, secret = given
            # Both are scoped to the origin: a redirect to another host gets no secret.
            if user is None:
                settings.append((f"http.{_origin(self.url)}/.extraHeader", self._bearer(secret)))
            else:
                settings.append((f"credential.{_origin(self.url)}.helper", _CREDENTIAL_HELPER))
                variables |= {_USER_VARIABLE: user, _PASSWORD_VARIABLE: secret}
            secrets.append(secret)
        if self.ca_file is not None:
            settings.append(("http.sslCAInfo", str(self.ca_file)))
        if self.proxy is not None:
            settings.append(("http.proxy", self.proxy))
            secrets.append(urlsplit(self.proxy).password or "")
        if self.ssh is not None and key_file is not None:
            variables["GIT_SSH_COMMAND"] = _ssh_command(key_file, self.ssh.known_hosts)
        return GitSetup(settings, variables, secrets, writes_into=self._path if is_push else None)

    def _bearer(self, token: str) -> str:
        if not _IN_A_HEADER.fullmatch(token):
            raise TokenUnusable(self.url)
        return f"Authorization: Bearer {token}"


def _checked_url(url: str) -> str:
    if _HAS_SCHEME.match(url):
        return _checked_parts(url)
    if _SCP_LIKE.fullmatch(url):
        return url
    if not url or ":" in url.split("/", maxsplit=1)[0]:
        raise BadRemoteUrl(repr(url), "is neither a path nor http, https, ssh or file; write it out in full")
    return str(Path(url).absolute())


def _checked_parts(url: str) -> str:
    parts = urlsplit(url)
    if parts.password is not None or (parts.username and parts.scheme in {"http", "https"}):
        raise BadRemoteUrl(f"for {parts.hostname}", "holds credentials; configure them beside it, never inside")
    if parts.scheme not in _SCHEMES or "::" in url.split("/", maxsplit=1)[0]:
        raise BadRemoteUrl(repr(url), "has a scheme other than http, https, ssh and file")
    if (parts.hostname or "").startswith("-"):
        raise BadRemoteUrl(repr(url), "has a host that begins with a dash")
    return url


def _protocol(url: str) -> str:
    """What git calls the way to a URL that was checked."""
    if _HAS_SCHEME.match(url):
        return urlsplit(url).scheme
    return "file" if url.startswith("/") else "ssh"


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _ssh_command(key_file: Path, known_hosts: Path) -> str:
    options = (
        "BatchMode=yes",
        "IdentitiesOnly=yes",
        "StrictHostKeyChecking=yes",
        # Quoted, for ssh splits the value at spaces.
        f'UserKnownHostsFile="{known_hosts}"',
        "GlobalKnownHostsFile=none",
        "UpdateHostKeys=no",
        "ConnectTimeout=15",
    )
    return shlex.join(["ssh", "-F", "none", "-i", str(key_file), *(each for o in options for each in ("-o", o))])


def _cause(words: str) -> str:
    """Git says the cause first and advice after it; three lines hold it."""
    lines = [line.strip() for line in words.splitlines() if line.strip() and not _FOR_OTHERS.search(line)]
    return "; ".join(lines[:3]) or "git gave no reason"

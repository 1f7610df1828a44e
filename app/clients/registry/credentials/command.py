"""A program of the operator's that prints a user and a password, such as a credential helper of Docker."""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import IO

from pydantic import AliasChoices, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from app.clients.registry.credentials.credential import Credential
from app.clients.registry.credentials.extras import LONGEST_WORDS
from app.clients.registry.errors import RegistryRefused, RegistryUnavailable
from app.core.unseen import printable

_TIMEOUT_S = 10.0
_LARGEST_OUTPUT = 64 * 1024
_CHUNK = 16 * 1024
_LIFE_S = 300.0  # where it does not say for how long
_DOCKER_HUB = "https://index.docker.io/v1/"
_IDENTITY_TOKEN = "<token>"  # noqa: S105 - what helpers give as the user beside one
_KEPT_VARIABLES = frozenset(
    {"HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR"}
    | {f"{name}_PROXY" for name in ("HTTP", "HTTPS", "NO")}
    | {f"{name}_proxy" for name in ("http", "https", "no")}
)
_KEPT_BEGINNINGS = ("AWS_", "AZURE_", "CLOUDSDK_", "DOCKER_", "GOOGLE_", "XDG_")


class _Printed(BaseModel):
    """What it prints; docker-credential-helpers write the names with capitals."""

    model_config = ConfigDict(hide_input_in_errors=True)
    user: str = Field(validation_alias=AliasChoices("user", "username", "Username"), min_length=1)
    password: str = Field(validation_alias=AliasChoices("password", "Secret"), min_length=1)
    expires_at: AwareDatetime | None = None


class Command:
    """Runs a program, without a shell; it has 10 s and may print 64 KiB.

    It reads the registry's host from its standard input, as `docker-credential-… get` does. Of the environment it gets
    the paths, the proxies and what clouds' own programs read, not the secrets that others of our settings name.
    """

    def __init__(self, host: str, arguments: Sequence[str], *, timeout_s: float = _TIMEOUT_S) -> None:
        self._host, self._arguments, self._timeout_s = host, list(arguments), timeout_s
        self._who = f"the command {printable(self._arguments[0])[:100]} of its auth"

    def issue(self) -> Credential:
        """What it prints now. Raises RegistryRefused, RegistryUnavailable."""
        code, output, said = self._run()
        if code != 0:
            words = printable(" ".join(said.decode("utf-8", "replace").split()))[:LONGEST_WORDS]
            raise RegistryUnavailable(
                self._host, f"{self._who} ended with code {code}: {words or 'it said nothing on standard error'}"
            )
        try:
            printed = _Printed.model_validate_json(output)
        except ValidationError:
            # Not chained: the error may show the password.
            problem = f"{self._who} must print a JSON object with user and password"
            raise RegistryRefused(self._host, problem) from None
        if printed.user == _IDENTITY_TOKEN:
            problem = f"{self._who} prints an identity token, not a user and a password; for ACR take auth.azure"
            raise RegistryRefused(self._host, problem)
        return Credential(printed.user, printed.password, self._left_s(printed.expires_at))

    def _left_s(self, expires_at: datetime | None) -> float:
        if expires_at is None:
            return _LIFE_S
        left_s = (expires_at - datetime.now(UTC)).total_seconds()
        if left_s <= 0:
            raise RegistryUnavailable(self._host, f"{self._who} prints what has expired; see to it, or to the clocks")
        return left_s

    def _run(self) -> tuple[int, bytes, bytes]:
        process = self._start()
        try:
            assert process.stdin is not None  # noqa: S101 - pipes, as they were asked for
            with contextlib.suppress(BrokenPipeError), process.stdin as told:
                told.write(f"{_DOCKER_HUB if self._host == 'docker.io' else self._host}\n".encode())
            output, said = self._read(process, time.monotonic() + self._timeout_s)
            return process.wait(timeout=self._timeout_s), output, said
        except subprocess.TimeoutExpired:
            raise self._too_slow() from None
        finally:
            _stop(process)

    def _start(self) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                self._arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=_environment(os.environ),
                start_new_session=True,
            )
        except OSError as error:
            problem = f"{self._who} cannot be run ({error.strerror}); name a program by its whole path"
            raise RegistryRefused(self._host, problem) from error

    def _read(self, process: subprocess.Popen[bytes], ends_at: float) -> tuple[bytes, bytes]:
        """What it printed, and the beginning of what it said on standard error."""
        assert process.stdout is not None  # noqa: S101 - pipes, as they were asked for
        assert process.stderr is not None  # noqa: S101
        texts: dict[IO[bytes], bytearray] = {process.stdout: bytearray(), process.stderr: bytearray()}
        with selectors.DefaultSelector() as selector:
            for pipe in texts:
                selector.register(pipe, selectors.EVENT_READ)
            while selector.get_map():
                ready = selector.select(max(0.0, ends_at - time.monotonic()))
                if not ready:
                    raise self._too_slow()
                for pipe in [one for one in texts if any(key.fileobj is one for key, _ in ready)]:
                    chunk = os.read(pipe.fileno(), _CHUNK)
                    if not chunk:
                        selector.unregister(pipe)
                    elif len(texts[pipe]) < _LARGEST_OUTPUT:
                        texts[pipe] += chunk
                    elif pipe is process.stdout:
                        problem = f"{self._who} prints more than {_LARGEST_OUTPUT} bytes"
                        raise RegistryRefused(self._host, problem)
                    if time.monotonic() > ends_at:
                        raise self._too_slow()
        return bytes(texts[process.stdout]), bytes(texts[process.stderr])

    def _too_slow(self) -> RegistryUnavailable:
        return RegistryUnavailable(self._host, f"{self._who} did not end within {self._timeout_s:g} s")


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in ours.items() if name in _KEPT_VARIABLES or name.startswith(_KEPT_BEGINNINGS)}


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of it, with all that it started, and reap it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    process.wait()

"""Builds as a Jenkins controller itself tells them, over its REST API."""

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import jenkins
import requests
from pydantic import ValidationError

from app.clients.jenkins_builds import TREE, BuildAnswer, to_fact
from app.core.errors import Invalid, NotFound, Refused, Unavailable
from app.core.facts import BuildFinished

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_LONGEST_JOB_NAME = 1000
_LARGEST_ANSWER = 16 * 1024 * 1024
_CHUNK = 64 * 1024
_REFUSALS = frozenset({401, 403})


class InvalidJobName(Invalid):
    """A text that should be a JOB_NAME could not be one."""

    def __init__(self, job: str, problem: str) -> None:
        super().__init__(f"{job[:300]!r} is no Jenkins job name: {problem}")
        self.job = job


class NoSuchBuild(NotFound):
    """Jenkins has no such build, no longer has it, or hides it from our account."""

    def __init__(self, controller: str, job: str, number: int) -> None:
        super().__init__(
            f"jenkins {controller} shows no build {job} #{number}: it was deleted, or our account lacks Job/Read there"
        )
        self.controller, self.job, self.number = controller, job, number


class JenkinsRefused(Refused):
    """Jenkins does not let us read: its settings or ours must change."""

    def __init__(self, controller: str, problem: str) -> None:
        super().__init__(f"jenkins {controller} refuses us: {problem}")
        self.controller = controller


class JenkinsUnavailable(Unavailable):
    """Jenkins does not answer, or not as Jenkins, just now."""

    def __init__(self, controller: str, problem: str) -> None:
        super().__init__(f"jenkins {controller} {problem}")
        self.controller = controller


class Jenkins:
    """One Jenkins controller, read with python-jenkins.

    Each call has a client of its own: a crumb is bound to its session, so a kept one goes stale. Redirects are not
    followed and the environment (proxies, .netrc) is not read: only the configured host is contacted.
    """

    def __init__(  # noqa: PLR0913 - one argument a setting
        self,
        name: str,
        url: str,
        *,
        user: str | None = None,
        token: Callable[[], str] | None = None,
        timeout_s: int = 10,
        ca_file: Path | None = None,
        proxy: str | None = None,
    ) -> None:
        self._name = name
        self._url = url.rstrip("/")
        self._user, self._token = user, token
        self._timeout_s = timeout_s
        self._ca_file, self._proxy = ca_file, proxy

    def build(self, job: str, number: int) -> BuildFinished | None:
        """A finished build as Jenkins itself tells it, artifacts left empty; None while it is running.

        Raises InvalidJobName, NoSuchBuild, JenkinsRefused, JenkinsUnavailable.
        """
        path = _job_path(job)
        if number < 1:
            raise NoSuchBuild(self._name, job, number)
        try:
            body = self._read(f"{self._url}/{path}/{number}/api/json")
            answer = BuildAnswer.model_validate_json(body)
        except jenkins.NotFoundException as error:
            raise NoSuchBuild(self._name, job, number) from error
        except (jenkins.JenkinsException, requests.RequestException) as error:
            raise self._explain(error) from error
        except ValueError as error:
            # Also what python-jenkins raises where a crumb is no JSON.
            raise JenkinsUnavailable(self._name, f"{_odd_answer(error)}; check its url") from error
        return to_fact(answer, controller=self._name, job=job, number=number)

    def _read(self, url: str) -> bytes:
        client = self._connect()
        with closing(client._session):  # noqa: SLF001 - python-jenkins has no other way to close, or to set these
            request = requests.Request("GET", url, params={"tree": TREE})
            body = bytearray()
            for chunk in client.jenkins_open_stream(request).iter_content(_CHUNK):
                body += chunk
                if len(body) > _LARGEST_ANSWER:
                    raise JenkinsUnavailable(self._name, f"sent more than {_LARGEST_ANSWER} bytes for one build")
            return bytes(body)

    def _connect(self) -> jenkins.Jenkins:
        secret = self._token() if self._token else None
        client = jenkins.Jenkins(self._url, self._user, secret, timeout=self._timeout_s)
        session: requests.Session = client._session  # noqa: SLF001
        session.trust_env = False
        session.max_redirects = 0
        session.verify = str(self._ca_file) if self._ca_file else True
        if self._proxy:
            session.proxies = {"http": self._proxy, "https": self._proxy}
        return client

    def _explain(self, error: Exception) -> JenkinsRefused | JenkinsUnavailable:
        """Say what an error of python-jenkins means. Its own text is left out: it holds whole answers."""
        status = _status(error)
        if isinstance(error, requests.TooManyRedirects):
            return JenkinsRefused(
                self._name, "it redirects elsewhere; set its url to where it really is, and a user and token"
            )
        if status in _REFUSALS:
            return JenkinsRefused(
                self._name, f"it answered {status}; check user and token, and that they may read this job (Job/Read)"
            )
        if status is not None:
            return JenkinsUnavailable(self._name, f"answered {status}")
        if isinstance(error, jenkins.TimeoutException | requests.Timeout):
            return JenkinsUnavailable(self._name, f"did not answer within {self._timeout_s} s")
        if isinstance(error, requests.exceptions.SSLError):
            return JenkinsUnavailable(
                self._name, "has a certificate that cannot be verified: set ca_file to its authority's certificate"
            )
        return JenkinsUnavailable(self._name, f"cannot be reached ({type(error).__name__})")


def _status(error: Exception) -> int | None:
    """The HTTP status behind an error: python-jenkins puts it into a text only, but raises while handling it."""
    for candidate in (error, error.__context__):
        if isinstance(candidate, requests.HTTPError):
            return candidate.response.status_code
    return None


def _odd_answer(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        return f"answered with something that is no build ({where or 'body'}: {first['msg']})"
    return "answered with something that is no JSON"


def _job_path(job: str) -> str:
    """The URL path of a JOB_NAME; a branch's `%2F` is quoted once more, so that it is no folder."""
    if len(job) > _LONGEST_JOB_NAME:
        raise InvalidJobName(job, f"it is longer than {_LONGEST_JOB_NAME} characters")
    if _CONTROL.search(job) or not job.isprintable():
        raise InvalidJobName(job, "it holds control characters")
    segments = job.split("/")
    if any(segment.strip() in {"", ".", ".."} for segment in segments):
        raise InvalidJobName(job, "a folder or job in it is empty, '.' or '..'")
    return "/".join(f"job/{quote(segment, safe='')}" for segment in segments)

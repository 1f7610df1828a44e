"""Jobs and builds as a Jenkins controller itself tells them, over its REST API."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import jenkins
import requests
from pydantic import ValidationError

from app.clients import bounded_http
from app.clients.jenkins.builds import TREE, BuildAnswer, to_fact
from app.clients.jenkins.lists import (
    PAGE,
    FolderAnswer,
    JobAnswer,
    ListedBuild,
    builds_tree,
    find_jobs,
    folder_tree,
)
from app.clients.jenkins.paths import job_path
from app.clients.rests import Rests
from app.core.errors import NotFound, Refused, Unavailable
from app.core.facts import BuildFinished
from app.core.ports import BuildSeen

_REFUSALS = frozenset({401, 403})
_OWN_HEADERS = ("x-jenkins", "x-hudson")
_OWN_REALM = 'realm="Jenkins"'


class NoSuchBuild(NotFound):
    """Jenkins has no such build, no longer has it, or hides it from our account."""

    def __init__(self, controller: str, job: str, number: int) -> None:
        super().__init__(
            f"jenkins {controller} shows no build {job} #{number}: it was deleted, or our account lacks Job/Read there"
        )
        self.controller, self.job, self.number = controller, job, number


class NoSuchJob(NotFound):
    """Jenkins has no such job, no longer has it, or hides it from our account."""

    def __init__(self, controller: str, job: str) -> None:
        super().__init__(
            f"jenkins {controller} shows no job {job}: it was deleted or renamed, or our account lacks Job/Read there"
        )
        self.controller, self.job = controller, job


class JenkinsRefused(Refused):
    """Jenkins does not let us read: its settings or ours must change."""

    def __init__(self, controller: str, problem: str) -> None:
        super().__init__(f"jenkins {controller} refuses us: {problem}")
        self.controller = controller


class JenkinsUnavailable(Unavailable):
    """Jenkins does not answer, or not as Jenkins, just now."""

    def __init__(self, controller: str, problem: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(f"jenkins {controller} {problem}", retry_after=retry_after)
        self.controller = controller


class JenkinsSilent(JenkinsUnavailable):
    """Jenkins gave no answer at all, or gave none just now and is left alone."""


class AnswerTooLarge(JenkinsUnavailable):
    """Jenkins says more at once than we take."""

    def __init__(self, controller: str) -> None:
        super().__init__(controller, f"sent more than {bounded_http.LARGEST_ANSWER} bytes in one answer")


Reading = Callable[[str, str], bytes | None]
"""Reads the API at a path below the controller's URL, by a `tree`; None where nothing is shown there."""


class Jenkins:
    """One Jenkins controller, read with python-jenkins.

    Each call has a client of its own. Nothing but GETs is sent, so no crumb is asked for. What does not show itself as
    Jenkins' own answer is a proxy's, and says nothing of what Jenkins has (JenkinsUnavailable). Redirects are not
    followed and the environment (proxies, .netrc) is not read: only the configured host is contacted. A request takes
    no longer than twice `timeout_s`; after one without an answer nothing is asked for a while (JenkinsSilent).
    """

    def __init__(  # noqa: PLR0913 - one argument a setting, one for tests
        self,
        name: str,
        url: str,
        *,
        user: str | None = None,
        token: Callable[[], str] | None = None,
        timeout_s: int = 10,
        ca_file: Path | None = None,
        proxy: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._url = url.rstrip("/")
        self._user, self._token = user, token
        self._timeout_s = timeout_s
        self._ca_file, self._proxy = ca_file, proxy
        self._rests = Rests(silence=JenkinsSilent, resting=self._resting, clock=clock)

    def newest_builds(
        self, patterns: Sequence[str], *, on_left_out: Callable[[str, str], None] = lambda _name, _why: None
    ) -> Mapping[str, int]:
        """The jobs whose full names match one of the patterns, each with the number of its newest build (0: none yet).

        Patterns are a shell's, `*` also over `/`. The walk begins in the folders that they name and enters only those
        that can hold a match; what our account may not see is left out. What has a name that is not taken is told to
        `on_left_out`, with the reason. A full list or an error: JenkinsRefused,
        JenkinsUnavailable, InvalidJobName, JobTreeTooLarge.
        """
        with self._reading("no folder of jobs") as read:
            found = find_jobs(self._name, patterns, partial(_list_folder, read), on_left_out)
        if found is None:
            raise JenkinsRefused(
                self._name,
                f"it shows none of the folders of {', '.join(patterns)[:300]}; correct its url and its jobs, "
                "and check that our account may read them (Job/Read)",
            )
        return found

    def builds_after(self, job: str, number: int, *, limit: int) -> Sequence[BuildSeen]:
        """The newest builds of a job above a number, at most `limit`, oldest first; artifacts left empty.

        Raises InvalidJobName, NoSuchJob, JenkinsRefused, JenkinsUnavailable.
        """
        path = job_path(job)
        with self._reading("no list of builds") as read:
            newer = {build.number: build for build in self._newer_builds(partial(read, path), job, number, limit)}
        return [
            BuildSeen(each, to_fact(newer[each], controller=self._name, job=job, number=each))
            for each in sorted(newer)[-limit:]
        ]

    def build(self, job: str, number: int) -> BuildFinished | None:
        """A finished build as Jenkins itself tells it, artifacts left empty; None while it is running.

        Raises InvalidJobName, NoSuchBuild, JenkinsRefused, JenkinsUnavailable.
        """
        path = job_path(job)
        if number < 1:
            raise NoSuchBuild(self._name, job, number)
        with self._reading("no build") as read:
            body = read(f"{path}/{number}", TREE)
            if body is None:
                raise NoSuchBuild(self._name, job, number)
            return to_fact(BuildAnswer.model_validate_json(body), controller=self._name, job=job, number=number)

    def _newer_builds(
        self, read: Callable[[str], bytes | None], job: str, number: int, limit: int
    ) -> Iterator[ListedBuild]:
        """Builds above a number, newest first; those of one job are asked for in smaller pages where they say much."""
        start, size = 0, PAGE
        while start < limit:
            wanted = min(size, limit - start)
            try:
                body = read(builds_tree(start, wanted))
            except AnswerTooLarge:
                if wanted == 1:
                    raise
                size = wanted // 2
                continue
            page = JobAnswer.model_validate_json(body).builds if body is not None else None
            if page is None:
                raise NoSuchJob(self._name, job)
            for build in page:
                if build is not None and build.number <= number:
                    return
                if build is not None:
                    yield build
            if len(page) != wanted:
                return
            start += wanted

    @contextmanager
    def _reading(self, otherwise: str) -> Iterator[Reading]:
        """Give what reads in one session; says the errors by who must act, odd answers as being `otherwise`."""
        client = self._connect()
        try:
            with closing(client._session):  # noqa: SLF001 - python-jenkins has no other way to close, or to set these
                yield partial(self._read, client)
        except ValueError as error:
            raise JenkinsUnavailable(self._name, f"{_odd_answer(error, otherwise)}; check its url") from error

    def _read(self, client: jenkins.Jenkins, path: str, tree: str) -> bytes | None:
        place = f"{self._url}/{path}/api/json" if path else f"{self._url}/api/json"
        request = requests.Request("GET", place, params={"tree": tree})
        with self._asking():
            try:
                answer = client.jenkins_open_stream(request, add_crumb=False)
            except jenkins.NotFoundException as error:
                if not _is_of_jenkins(error):
                    raise
                return None
        body: bytes = answer.content
        return body

    @contextmanager
    def _asking(self) -> Iterator[None]:
        with self._rests.asking():
            try:
                yield
            except bounded_http.AnswerTooLarge as error:
                raise AnswerTooLarge(self._name) from error
            except (jenkins.JenkinsException, requests.RequestException) as error:
                raise self._explain(error) from error

    def _connect(self) -> jenkins.Jenkins:
        secret = self._token() if self._token else None
        client = jenkins.Jenkins(self._url, self._user, secret, timeout=self._timeout_s)
        session: requests.Session = client._session  # noqa: SLF001
        session.trust_env = False
        session.max_redirects = 0
        bounded_http.bound(session, timeout_s=self._timeout_s)
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
        if status is not None:
            return self._explain_status(status, is_own=_is_of_jenkins(error))
        if isinstance(error, jenkins.TimeoutException | requests.Timeout):
            return JenkinsSilent(self._name, f"did not answer within {self._timeout_s} s")
        if isinstance(error, requests.exceptions.SSLError):
            return JenkinsUnavailable(
                self._name, "has a certificate that cannot be verified: set ca_file to its authority's certificate"
            )
        return JenkinsSilent(self._name, f"cannot be reached ({type(error).__name__})")

    def _explain_status(self, status: int, *, is_own: bool) -> JenkinsRefused | JenkinsUnavailable:
        if not is_own:
            return JenkinsUnavailable(
                self._name,
                f"answered {status}, but not as Jenkins does (without X-Jenkins): the proxy before it has none "
                "just now, or its url is wrong",
            )
        if status in _REFUSALS:
            return JenkinsRefused(
                self._name, f"it answered {status}; check user and token, and that they may read this job (Job/Read)"
            )
        return JenkinsUnavailable(self._name, f"answered {status}")

    def _resting(self, left: timedelta) -> JenkinsSilent:
        return JenkinsSilent(self._name, "did not answer when it was last asked: it is left alone", retry_after=left)


def _status(error: Exception) -> int | None:
    """The HTTP status behind an error; None where there was no answer."""
    answer = _answer(error)
    return answer.status_code if answer is not None else None


def _is_of_jenkins(error: Exception) -> bool:
    """Tell whether the answer behind an error is Jenkins' own: each of these has its version in a header.

    But for the one to a wrong password, which its filter gives before Jenkins itself is asked: that names the realm.
    """
    answer = _answer(error)
    if answer is None:
        return False
    is_asking = _OWN_REALM in answer.headers.get("WWW-Authenticate", "")
    return is_asking or any(name.lower().startswith(_OWN_HEADERS) for name in answer.headers)


def _answer(error: Exception) -> requests.Response | None:
    """The HTTP answer behind an error: python-jenkins puts it into a text only, but raises while handling it."""
    for candidate in (error, error.__context__):
        if isinstance(candidate, requests.HTTPError):
            return candidate.response
    return None


def _list_folder(read: Reading, folder: str, start: int) -> FolderAnswer | None:
    body = read(job_path(folder) if folder else "", folder_tree(start))
    return FolderAnswer.model_validate_json(body) if body is not None else None


def _odd_answer(error: ValueError, otherwise: str) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        return f"answered with something that is {otherwise} ({where or 'body'}: {first['msg']})"
    return "answered with something that is no JSON"

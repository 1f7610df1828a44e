"""A Jenkins controller on loopback: folders, jobs, builds, crumbs, accounts and faults, as its REST API shows them."""

import base64
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import takewhile
from types import TracebackType
from typing import Literal, Self, cast
from urllib.parse import parse_qs, unquote, urlsplit

_CRUMB_FIELD = "Jenkins-Crumb"
_CRUMB = "0d2b5f7e"
_FOLDER = "com.cloudbees.hudson.plugins.folder.Folder"
_JOB = "org.jenkinsci.plugins.workflow.job.WorkflowJob"

Json = None | bool | int | str | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """One request as it came; `target` is raw, header names are lower case."""

    method: str
    target: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Odd:
    """An answer to give instead of the right one.

    `is_without_version`: it lacks `X-Jenkins`, as what a proxy answers, and what Jenkins' own filters do.
    """

    status: int
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    is_without_version: bool = False


def build_body(
    number: int,
    *,
    result: str | None = "SUCCESS",
    commit: str = "7dfc862b8579841240b9941ff32518535a9d7917",
    branch: str = "main",
    repository: str = "https://git.acme.example/acme/app.git",
    parameters: Mapping[str, str] | None = None,
    started_ms: int = 1_760_000_040_245,
    duration_ms: int = 83_211,
) -> dict[str, Json]:
    """A build as Jenkins shows it; `result` None is one that still runs."""
    given: list[Json] = [
        {"_class": "hudson.model.StringParameterValue", "name": name, "value": value}
        for name, value in (parameters or {}).items()
    ]
    revision: Json = {"SHA1": commit, "branch": [{"SHA1": commit, "name": branch}]}
    return {
        "_class": "org.jenkinsci.plugins.workflow.job.WorkflowRun",
        "actions": [
            {"_class": "hudson.model.CauseAction", "causes": [{"shortDescription": "Started by an SCM change"}]},
            {},
            {"_class": "hudson.model.ParametersAction", "parameters": given},
            {
                "_class": "hudson.plugins.git.util.BuildData",
                "buildsByBranchName": {branch: {"buildNumber": number, "marked": revision, "revision": revision}},
                "lastBuiltRevision": revision,
                "remoteUrls": [repository],
            },
        ],
        "building": result is None,
        "duration": 0 if result is None else duration_ms,
        "number": number,
        "result": result,
        "timestamp": started_ms,
        "url": f"https://ci.acme.example/job/app/{number}/",
    }


class JenkinsServer:
    """A running controller; change what it says at any time.

    With `account` (user, API token) anyone else gets 401. With `has_crumbs` it issues crumbs, and refuses a request
    with a crumb of another server. `odd` is given to every request for a folder, job or build; "hang" answers nothing
    until close. `odd_at` is given at these paths (as in a request, without the query): one after the other, the last
    one for ever.
    """

    def __init__(self, *, account: tuple[str, str] | None = None, has_crumbs: bool = False) -> None:
        self.account, self.has_crumbs = account, has_crumbs
        self.odd: Odd | Literal["hang"] | None = None
        self.odd_at: dict[str, list[Odd]] = {}
        self.requests: list[SeenRequest] = []
        self._jobs: set[str] = set()
        self._folders: dict[str, str] = {"": "hudson.model.Hudson"}
        self._hidden: set[str] = set()
        self._builds: dict[tuple[str, int], dict[str, Json]] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _answering_for(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def put_build(self, job: str, body: Mapping[str, Json]) -> None:
        """Add a build, or replace what is said of it. `job` is a JOB_NAME: a branch's own `/` is `%2F`."""
        self.put_job(job)
        with self._lock:
            self._builds[job, cast("int", body["number"])] = dict(body)

    def put_job(self, job: str) -> None:
        """Add a job, and the folders that it lies in."""
        with self._lock:
            self._jobs.add(job)
            for folder in _folders_of(job):
                self._folders.setdefault(folder, _FOLDER)

    def put_folder(self, name: str, *, kind: str = _FOLDER) -> None:
        """Add a folder, or say of which kind it is."""
        with self._lock:
            self._folders[name] = kind

    def hide(self, name: str) -> None:
        """Show a job or a folder to nobody, as where our account lacks Job/Read."""
        with self._lock:
            self._hidden.add(name)

    def finish(self, job: str, number: int, result: str = "SUCCESS", *, duration_ms: int = 1000) -> None:
        """End a build that runs."""
        with self._lock:
            self._builds[job, number] |= {"building": False, "result": result, "duration": duration_ms}

    def delete_build(self, job: str, number: int) -> None:
        """Forget a build, as the log rotator does."""
        with self._lock:
            del self._builds[job, number]

    def find_build(self, job: str, number: int) -> Mapping[str, Json] | None:
        with self._lock:
            return None if self._is_hidden(job) else self._builds.get((job, number))

    def find_item(self, name: str) -> dict[str, Json] | None:
        """A job with its builds, newest first, or a folder with what it holds one level deep."""
        with self._lock:
            if self._is_hidden(name):
                return None
            if name in self._folders:
                inside = [item for item in sorted({*self._jobs, *self._folders}) if item and _parent(item) == name]
                return {
                    **self._named(name, self._folders[name]),
                    "jobs": [self._listed(item) for item in inside if item not in self._hidden],
                }
            return self._job(name) if name in self._jobs else None

    def _is_hidden(self, name: str) -> bool:
        return bool({name, *_folders_of(name)} & self._hidden)

    def _listed(self, name: str) -> Json:
        if name not in self._folders:
            return self._job(name)
        inside = [item for item in sorted({*self._jobs, *self._folders}) if item and _parent(item) == name]
        return {
            **self._named(name, self._folders[name]),
            "jobs": [self._named(item, self._folders.get(item, _JOB)) for item in inside],
        }

    def _job(self, name: str) -> dict[str, Json]:
        builds: list[Json] = [dict(self._builds[key]) for key in sorted(self._builds, reverse=True) if key[0] == name]
        newest = {"lastBuild": builds[0] if builds else None, "builds": builds[:100], "allBuilds": builds}
        return {**self._named(name, _JOB), "buildable": True, **newest}

    def _named(self, name: str, kind: str) -> dict[str, Json]:
        shown: dict[str, Json] = {"_class": kind}
        return shown | {"name": name.rpartition("/")[2], "fullName": name} if name else shown

    def wait_for_close(self) -> None:
        self._closing.wait(timeout=60)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join(timeout=10)
        self._server.server_close()


def _answering_for(jenkins: JenkinsServer) -> type[BaseHTTPRequestHandler]:
    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            jenkins.requests.append(SeenRequest("GET", self.path, headers))
            path = self.path.partition("?")[0]
            odd = jenkins.odd if path.endswith("/api/json") and "crumbIssuer" not in path else None
            if odds := jenkins.odd_at.get(path):
                odd = odds.pop(0) if len(odds) > 1 else odds[0]
            if odd == "hang":
                jenkins.wait_for_close()
                return
            self._send(odd or _answer(jenkins, self.path, headers))

        def _send(self, answer: Odd) -> None:
            content = answer.body.encode()
            self.send_response(answer.status)
            own = {} if answer.is_without_version else {"X-Jenkins": "2.516.3"}
            for name, value in {**own, **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Say nothing on the terminal."""

    return Answering


def _answer(jenkins: JenkinsServer, target: str, headers: Mapping[str, str]) -> Odd:
    if jenkins.account and headers.get("authorization") != _basic(*jenkins.account):
        realm = {"WWW-Authenticate": 'Basic realm="Jenkins"'}
        return Odd(401, "<html>Authentication required</html>", realm, is_without_version=True)
    parts = urlsplit(target)
    if parts.path == "/crumbIssuer/api/json" and jenkins.has_crumbs:
        return _json({"crumb": _CRUMB, "crumbRequestField": _CRUMB_FIELD})
    if jenkins.has_crumbs and headers.get(_CRUMB_FIELD.lower(), _CRUMB) != _CRUMB:
        return Odd(403, "No valid crumb was included in the request")
    shown = _shown(jenkins, parts.path)
    if shown is None:
        return Odd(404, "<html>Not Found</html>")
    trees = parse_qs(parts.query).get("tree")
    return _json(_pruned(shown, _parse_tree(iter(trees[0]))) if trees else shown)


def _basic(user: str, token: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()


def _json(body: Json) -> Odd:
    return Odd(200, json.dumps(body), {"Content-Type": "application/json;charset=utf-8"})


def _shown(jenkins: JenkinsServer, path: str) -> dict[str, Json] | None:
    """The item at `/job/a/job/b%252Fc/api/json`, or a build `…/7/api/json`; segments are decoded once, as there."""
    *places, api, form = path.strip("/").split("/")
    if (api, form) != ("api", "json"):
        return None
    number = int(places.pop()) if len(places) % 2 and places[-1].isdigit() else None
    if not set(places[::2]) <= {"job"} or len(places) % 2:
        return None
    name = "/".join(unquote(segment) for segment in places[1::2])
    if number is None:
        return jenkins.find_item(name)
    build = jenkins.find_build(name, number)
    return dict(build) if build is not None else None


def _parent(name: str) -> str:
    return name.rpartition("/")[0]


def _folders_of(name: str) -> list[str]:
    """The folders around something, the innermost first, the root left out."""
    return [] if not _parent(name) else [_parent(name), *_folders_of(_parent(name))]


class Tree(dict[str, "Tree"]):
    """The fields that a `tree` query asks for; one without fields of its own is wanted with its plain values.

    `span` says which elements of a list are wanted, from the first to before the second: `{0,100}`.
    """

    span: tuple[int, int] | None = None


def _parse_tree(text: Iterator[str]) -> Tree:
    tree, name = Tree(), ""
    last = tree
    for character in text:
        if character == "[":
            tree[name] = last = _parse_tree(text)
            name = ""
        elif character == "{":
            if name:
                tree[name] = last = Tree()
                name = ""
            first, _, end = "".join(takewhile(lambda each: each != "}", text)).partition(",")
            last.span = int(first), int(end)
        elif character in ",]":
            if name:
                tree[name] = Tree()
                name = ""
            if character == "]":
                return tree
        else:
            name += character
    if name:
        tree[name] = Tree()
    return tree


def _pruned(value: Json, tree: Tree) -> Json:
    """What Jenkins leaves of a value: the class and the fields that were asked for."""
    if isinstance(value, list):
        return [_pruned(each, tree) for each in (value[slice(*tree.span)] if tree.span else value)]
    if not isinstance(value, dict):
        return value
    wanted = {key: tree.get(key, tree.get("*")) for key in value}
    kept = {key: _pruned(value[key], inner) for key, inner in wanted.items() if inner is not None}
    return ({"_class": value["_class"]} if "_class" in value else {}) | kept

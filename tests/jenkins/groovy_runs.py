"""Runs of the library and of Jenkinsfiles with stubbed steps, many of them in one JVM, and who hears their requests."""

import json
import os
import subprocess
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.parts import require_program

JENKINS = Path(__file__).parents[2] / "jenkins"
EXAMPLES = JENKINS / "examples"
STUBS = Path(__file__).parent / "stubs"
INSTALL = "apt-get install -y --no-install-recommends groovy default-jre-headless"
SECRET, READ_TOKEN = "s3cret-of-the-source", "t0ken-to-read"
COMMIT = "7dfc862b8579841240b9941ff32518535a9d7917"
DIGEST = "sha256:4d3e9a233a9281fbdce081c81786a50930e39753c30bba12195060a28bb82e2a"
STARTED_AT = 1760000123

Case = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """What arrived, byte by byte; header names are lower-case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What the listener says."""

    status: int
    body: bytes = b'{"id": "d1"}'
    headers: Mapping[str, str] = field(default_factory=dict)


KEPT = Answer(202)


class Listener:
    """Answers for Fluxbridge: each case has a path and answers of its own, of which the last one stays."""

    def __init__(self, port: int, answers: Mapping[str, Sequence[Answer]]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.heard: dict[str, list[Request]] = defaultdict(list)
        self._answers = answers

    def answer(self, request: Request) -> Answer:
        """Write a request down and give what its case has next."""
        case = request.target.split("/")[1]
        self.heard[case].append(request)
        answers = self._answers.get(case, [KEPT])
        return answers[min(len(self.heard[case]), len(answers)) - 1]


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of one case."""

    log: list[list[Any]]
    result: str
    env: dict[str, str | None]
    requests: list[Request]
    returned: Any = None
    thrown: str | None = None

    def logged(self, step: str) -> list[list[Any]]:
        """The arguments of each call of a step, in order."""
        return [entry[1:] for entry in self.log if entry[0] == step]

    @property
    def report(self) -> dict[str, Any]:
        """The body of the only request."""
        [request] = self.requests
        body: dict[str, Any] = json.loads(request.body)
        return body


def case(script: str, **given: Any) -> Case:
    """A build of a branch; `env`, `build` and the like replace single values."""
    return {
        "script": script,
        "env": {"BRANCH_NAME": "main", **given.get("env", {})},
        "build": {"job": "team/app/main", "number": 318, "start": STARTED_AT * 1000 + 77, "duration": 90_000}
        | given.get("build", {}),
        "scm": {"GIT_COMMIT": COMMIT, "GIT_URL": "https://git.acme.example/team/app.git", "GIT_BRANCH": "main"},
        "files": given.get("files", {}),
        "fails": given.get("fails", []),
        "junit": {"totalCount": 212, "passCount": 209, "failCount": 0, "skipCount": 3} | given.get("junit", {}),
        "credentials": given.get(
            "credentials",
            {"fluxbridge": SECRET, "fluxbridge-read": READ_TOKEN, "registry-push": "/run/secrets/config.json"},
        ),
        "abortInSleep": given.get("abort_in_sleep", False),
    }


def run_cases(
    folder: Path, cases: Mapping[str, Case], answers: Mapping[str, Sequence[Answer]] | None = None
) -> dict[str, Ran]:
    """Run each case against a listener."""
    with _listening(answers or {}) as listener:
        placed = {
            name: {**one, "env": {"FLUXBRIDGE_URL": f"{listener.url}/{name}", **one["env"]}}
            for name, one in cases.items()
        }
        ran = run_groovy(folder, cases=placed)["cases"]
    return {name: Ran(requests=listener.heard[name], **outcome) for name, outcome in ran.items()}


def run_groovy(
    folder: Path,
    *,
    cases: Mapping[str, Case] | None = None,
    checks: Mapping[str, str] | None = None,
    jobs: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Run the stubs in a JVM: `cases` are built, `checks` parsed and held against Pipeline's rules, `jobs` Job DSL."""
    groovy, java = require_program("groovy", INSTALL), require_program("java", INSTALL)
    asked = {"library": str(JENKINS / "vars"), "cases": cases or {}, "checks": checks or {}, "jobs": jobs or {}}
    asked["provided"] = {"FLUXBRIDGE_CI_SECRET": SECRET}
    (folder / "asked.json").write_text(json.dumps(asked), encoding="utf-8")
    # Debian's groovy starts nothing without JAVA_HOME, and what that names elsewhere may be newer than it can read.
    home = str(Path(java).resolve().parents[1])
    done = subprocess.run(
        [groovy, "-cp", str(STUBS), str(STUBS / "run.groovy"), str(folder / "asked.json"), str(folder / "answer.json")],
        env={"PATH": os.environ["PATH"], "JAVA_HOME": home, "JAVA_OPTS": "-Xshare:auto -XX:TieredStopAtLevel=1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
    return answer


@contextmanager
def _listening(answers: Mapping[str, Sequence[Answer]]) -> Iterator[Listener]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = listener.answer(Request(self.command, self.path, headers, body))
            if answer.status == 0:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener = Listener(server.server_port, answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield listener
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

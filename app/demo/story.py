"""The demo: the real server on loopback, fed as a registry, Jenkins and Flux would, told step by step."""

import fcntl
import os
import shlex
import shutil
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import httpx
import typer

from app.clients.forges.local.forge import LocalForge
from app.compose.forges import local_forge
from app.compose.machine import require_git, utc_now
from app.core.errors import FluxbridgeError, Refused
from app.core.images import ImageReference
from app.core.ports import PullRequest, PullRequestState
from app.demo.registry import DemoRegistry
from app.demo.senders import DemoSenders, build_report
from app.demo.world import DemoWorld, build_world, image_manifest, read_file
from app.logs import configure
from app.main import Server, serving
from app.settings.loading import load
from app.settings.own_files import token_file

Found = TypeVar("Found")
_MARK = ".fluxbridge-demo"
_PATIENCE_S = 60.0
_INTERRUPTED = 130
"""What a shell calls the end by Ctrl-C: a demo that was to play to its end has not done so."""
_STOREFRONT, _NEW_TAG, _OLD_TAG = "shop/storefront", "1.5.0", "1.4.1"
_JOB, _NUMBER = "shop/storefront/main", 318
_COMMIT = "7dfc862b8579841240b9941ff32518535a9d7917"


class DemoFailed(Refused):
    """A step of the demo did not come out as it should."""


@dataclass(slots=True)
class Story:
    """One telling: the world, the server's address and what is known so far."""

    world: DemoWorld
    registry: DemoRegistry
    url: str
    api: httpx.Client
    forge: LocalForge
    senders: DemoSenders
    stepped: threading.Condition
    steps: int = field(default=0)

    def step(self, words: str) -> None:
        """Say the next step."""
        self.steps += 1
        typer.echo(f"\n{typer.style(f'{self.steps}.', bold=True)} {words}")

    def detail(self, words: str) -> None:
        """Say a detail of the present step."""
        for line in words.splitlines():
            typer.echo(f"   {line}".rstrip())

    def get(self, path: str, **query: str) -> dict[str, object]:
        """Ask the API."""
        answer = self.api.get(f"/api/v1{path}", params=query)
        answer.raise_for_status()
        found: dict[str, object] = answer.json()
        return found

    def post(self, path: str, **query: str) -> dict[str, object]:
        """Have the API do something."""
        answer = self.api.post(f"/api/v1{path}", params=query)
        answer.raise_for_status()
        found: dict[str, object] = answer.json()
        return found

    def items(self, path: str, **query: str) -> list[dict[str, object]]:
        """Ask the API for a list."""
        found = self.get(path, **query)["items"]
        assert isinstance(found, list)  # noqa: S101 (every list of the API has items)
        return found

    def wait_for(self, what: str, look: Callable[[], Found | None]) -> Found:
        """Look until there is something; raises DemoFailed when it does not come."""
        found: Found | None = None

        def is_there() -> bool:
            nonlocal found
            found = look()
            return bool(found)

        with self.stepped:
            self.stepped.wait_for(is_there, _PATIENCE_S)
        if found:
            return found
        raise DemoFailed(
            f"the demo waited {_PATIENCE_S:g} s for {what}, in vain; the data is kept in {self.world.folder}"
        )


def tell(folder: Path, *, is_once: bool, port: int = 0) -> int:
    """Run the demo in this folder, which is made anew; returns the exit code."""
    _forget_other_repositories()
    try:
        with ExitStack() as stack:
            _end_on_signals(stack)
            _claim(stack, folder)
            story = _begin(stack, folder.absolute(), port)
            _push_and_report(story)
            if is_once:
                _merge_and_apply(story)
                _roll_back(story)
                return 0
            _say_what_next(story)
            _apply_what_is_merged(story)
    except KeyboardInterrupt:
        typer.echo("\nStopped.")
        return _INTERRUPTED if is_once else 0
    except (FluxbridgeError, httpx.HTTPError, OSError) as error:
        typer.secho(f"\nThe demo failed: {error}", fg="red", err=True)
        return 1
    return 0


def _forget_other_repositories() -> None:
    """A git hook's variables name its repository, and GitPython hands on whatever this process was started with."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        del os.environ[name]


def _end_on_signals(stack: ExitStack) -> None:
    """End as Ctrl-C does, also where a shell began this in the background and SIGINT came ignored."""
    for number in (signal.SIGINT, signal.SIGTERM):
        before = signal.signal(number, signal.default_int_handler)
        stack.callback(signal.signal, number, before or signal.SIG_DFL)


def _claim(stack: ExitStack, folder: Path) -> None:
    """Empty the folder, for this demo alone as long as it runs."""
    mark = folder / _MARK
    is_taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    if is_taken and not mark.exists():
        raise DemoFailed(f"{folder} holds something that is not a demo: name another folder by --folder")
    folder.mkdir(parents=True, exist_ok=True)
    lock = stack.enter_context(mark.open("a"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DemoFailed(f"a demo is running in {folder}: stop it, or name another folder by --folder") from None
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry != mark:
            entry.unlink()


def _begin(stack: ExitStack, folder: Path, port: int) -> Story:
    require_git()
    registry = stack.enter_context(DemoRegistry())
    world = build_world(folder, registry, port=port)
    settings = load(world.settings_file, os.environ)
    configure(settings.log.level, settings.log.format)
    server = Server(settings)
    url = stack.enter_context(serving(server))
    token = token_file(settings).read_text()
    api = stack.enter_context(
        httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=10, trust_env=False)
    )
    senders = DemoSenders(url)
    stack.callback(senders.close)
    assert server.workers is not None  # noqa: S101 (the demo runs both halves)
    stepped = server.workers.stepped
    story = Story(world, registry, url, api, local_forge(settings.config_repos["fleet"]), senders, stepped)
    typer.secho("Fluxbridge demo: from a Jenkins build and a registry push to what Flux applied", bold=True)
    story.detail(f"config repository  {world.config_repo} (branch main; a bare Git repository)")
    story.detail(f"server             {url} (SQLite; settings in {world.settings_file})")
    story.detail(f"registry           {registry.host} (read-only, in this process)")
    story.step("The lane main of fleet was read: its policies are Flux's own objects, its fields $imagepolicy markers.")
    story.wait_for("the first run of the lane", lambda: _is_ready(story))
    for policy in story.items("/policies"):
        story.detail(f"{policy['namespace']}/{policy['name']}: {policy['selected_tag']} is selected")
    return story


def _is_ready(story: Story) -> bool:
    found = story.items("/policies")
    return len(found) == 3 and all(policy["selected_tag"] for policy in found)


def _push_and_report(story: Story) -> None:
    digest = story.registry.put(_STOREFRONT, _NEW_TAG, image_manifest(_STOREFRONT, _NEW_TAG))
    story.step(f"The registry tells that {_STOREFRONT}:{_NEW_TAG} was pushed.")
    delivery = story.senders.push_image(
        story.world.secrets.registry,
        host=story.registry.host,
        path=_STOREFRONT,
        tag=_NEW_TAG,
        digest=digest,
        at=utc_now(),
    )
    story.detail(f"delivery {delivery} kept, answered 202")
    staging = story.wait_for("the staging pull request", lambda: _open_pull(story, "staging"))
    proposed = story.wait_for("its promotion", lambda: _promotion(story, "staging", "proposed"))
    story.step(f"{_NEW_TAG} is selected, and staging asks for nothing more: pull request {staging.number} is open.")
    story.detail(f"policy flux-system/storefront: {proposed['reason']}")
    story.detail(staging.title)
    story.detail(story.forge.diff(staging.number))
    waiting = story.wait_for("production to wait", lambda: _promotion(story, "production", "waiting"))
    story.step(f"Production waits for {waiting['tag']}: {waiting['reason']}.")
    story.step(f"Jenkins reports build {_JOB} #{_NUMBER}, signed.")
    now = utc_now()
    image = ImageReference.parse(f"{story.registry.host}/{_STOREFRONT}:{_NEW_TAG}")
    report = build_report(image, digest, number=_NUMBER, commit=_COMMIT, at=now)
    delivery = story.senders.report_build(story.world.secrets.jenkins, report, at=now)
    story.detail(f"delivery {delivery} kept, answered 202")
    production = story.wait_for("the production pull request", lambda: _open_pull(story, "production"))
    build = story.items("/builds", job=_JOB)[0]
    story.step(f"SUCCESS is recorded for {digest[:19]}…: pull request {production.number} is open for production.")
    story.detail(f"build {build['job']} #{build['number']} {build['result']}, id {build['id']}")
    story.detail("It waited for the build, not for staging's merge.")
    story.detail(story.forge.diff(production.number))


def _open_pull(story: Story, stage: str) -> PullRequest | None:
    """The stage's pull request, once the history knows of it too."""
    promotion = _promotion(story, stage, "proposed")
    if promotion is None:
        return None
    pull = story.forge.pull_request(_number(promotion))
    return pull if pull.state is PullRequestState.OPEN else None


def _number(promotion: dict[str, object]) -> int:
    link = promotion["pull_request"]
    assert isinstance(link, dict)  # noqa: S101 (a proposed promotion has its pull request)
    return int(link["number"])


def _promotion(story: Story, stage: str, state: str) -> dict[str, object] | None:
    found = story.items("/promotions", stage=stage, state=state)
    return next((one for one in found if one["tag"] == _NEW_TAG), None)


def _say_what_next(story: Story) -> None:
    typer.echo()
    typer.secho("Now it is your turn, in another terminal and this same folder:", bold=True)
    story.detail(f"export FLUXBRIDGE_CONFIG={shlex.quote(str(story.world.settings_file))}")
    story.detail("uv run fluxbridge pulls list        # the open pull requests")
    story.detail("uv run fluxbridge pulls show 1      # one with its diff and the reasons")
    story.detail("uv run fluxbridge pulls merge 1     # let it in; this demo then plays the Flux that applies it")
    story.detail("uv run fluxbridge stages            # what is where")
    story.detail("uv run fluxbridge promotions        # what moved, who let it in")
    tag = f"{story.registry.host}/{_STOREFRONT}:{_NEW_TAG}"
    story.detail(f"uv run fluxbridge history {tag}  # from build to applied")
    story.detail("uv run fluxbridge rollback storefront --stage staging --why 'to see it'  # and back again")
    story.detail("uv run fluxbridge status            # deliveries and lanes")
    typer.echo("Ctrl-C stops the server; `fluxbridge demo` begins anew, `--once` plays it to the end.")


def _apply_what_is_merged(story: Story) -> None:
    """Play the clusters until the demo is stopped: each one applies what was merged for its stage."""
    told: set[object] = set()
    while True:
        for stage in ("staging", "production"):
            merged = _promotion(story, stage, "merged")
            if merged is not None and merged["id"] not in told and merged["merge_commit"]:
                told.add(merged["id"])
                _tell_applied(story, stage, str(merged["merge_commit"]))
        with story.stepped:
            story.stepped.wait(1)


def _tell_applied(story: Story, stage: str, commit: str) -> None:
    delivery = story.senders.apply_revision(
        story.world.secrets.flux, cluster=stage, name="apps", commit=commit, at=utc_now()
    )
    story.detail(f"Flux tells that cluster {stage} applied {commit[:12]}: delivery {delivery} kept")


def _merge_and_apply(story: Story) -> None:
    for stage in ("staging", "production"):
        pull = _open_pull(story, stage)
        if pull is None:
            raise DemoFailed(f"the pull request for {stage} is no longer open")
        merged = story.forge.merge(pull.number, by="mira")
        story.step(f"mira merges pull request {pull.number}: commit {str(merged.merge_commit)[:12]} on main.")
        story.wait_for("the merge to be noticed", partial(_promotion, story, stage, "merged"))
        _require_exact_tag(story, stage)
        assert merged.merge_commit is not None  # noqa: S101 (it was merged just now)
        _tell_applied(story, stage, merged.merge_commit)
        story.wait_for("the application", partial(_applied, story, stage))
    story.step("The history, from build to applied:")
    for stage in ("staging", "production"):
        _tell_history(story, stage)
    story.detail(f"In one order of time: fluxbridge history {story.registry.host}/{_STOREFRONT}:{_NEW_TAG}")


def _roll_back(story: Story) -> None:
    """Production goes back by one request, and stays there."""
    story.step(f"{_NEW_TAG} loses orders: fluxbridge rollback storefront --stage production --why 'loses orders'")
    wanted = {"kind": "rollback", "policy": "storefront", "stage": "production", "why": "loses orders"}
    asked = story.post("/requests", **wanted)
    found = story.wait_for("the rollback's pull request", lambda: _request(story, asked, "pull_request"))
    pull = story.forge.pull_request(int(str(found["pull_request"])))
    story.detail(pull.title)
    story.detail(story.forge.diff(pull.number))
    merged = story.forge.merge(pull.number, by="mira")
    story.step(f"mira merges pull request {pull.number}: commit {str(merged.merge_commit)[:12]} on main.")
    story.wait_for("the rollback to be noticed", lambda: _request(story, asked, "ended_at"))
    _require_exact_tag(story, "production", tag=_OLD_TAG)
    assert merged.merge_commit is not None  # noqa: S101 (it was merged just now)
    _tell_applied(story, "production", merged.merge_commit)
    [held] = story.items("/holds", stage="production", active="true")
    story.step(f"It stays there: nothing moves forward but to a tag above {held['ceiling']}, until the hold is lifted.")
    story.detail(f"fluxbridge hold lift {held['id']} --why …")


def _request(story: Story, asked: dict[str, object], name: str) -> dict[str, object] | None:
    """A request once something of it is known."""
    found = story.get(f"/requests/{asked['id']}")
    return found if found[name] is not None else None


def _require_exact_tag(story: Story, stage: str, *, tag: str = _NEW_TAG) -> None:
    """The base branch holds exactly this tag: its line differs from the sample, if it does, and no other byte."""
    path = f"apps/{stage}/storefront/deployment.yaml"
    present = read_file(story.world.config_repo, path)
    sample = (
        (Path(__file__).parent / "config_repo" / path).read_text().replace("registry.acme.example", story.registry.host)
    )
    if present != sample.replace(f"storefront:{_OLD_TAG}", f"storefront:{tag}"):
        raise DemoFailed(f"{path} on main is not the sample with {tag} in it")
    story.detail(f"{path} on main holds {tag}; no other byte has changed")


def _applied(story: Story, stage: str) -> dict[str, object] | None:
    promotion = _promotion(story, stage, "merged")
    if promotion is None:
        return None
    whole = story.get(f"/promotions/{promotion['id']}")
    return whole if whole["applications"] else None


def _tell_history(story: Story, stage: str) -> None:
    whole = story.wait_for("the history", lambda: _applied(story, stage))
    events, applications = whole["events"], whole["applications"]
    assert isinstance(events, list)  # noqa: S101 (shape of the API)
    assert isinstance(applications, list)  # noqa: S101 (shape of the API)
    story.detail(f"{stage}: promotion {whole['id']} of {whole['image']}:{whole['tag']}")
    link = whole["build"]
    if isinstance(link, dict):
        build = story.get(f"/builds/{link['id']}")
        story.detail(f"  built     {build['job']} #{build['number']} {build['result']}, commit {build['commit']}")
    for event in events:
        story.detail(f"  {str(event['at'])[:19]}  {event['what']:<11} by {event['who']}: {event['reason']}")
    for one in applications:
        story.detail(
            f"  {str(one['at'])[:19]}  applied     in {one['cluster']} by {one['kustomization']}: {one['revision']}"
        )

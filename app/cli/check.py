"""`fluxbridge check`: are the settings right, and does every system answer."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import typer

from app.cli.checking_repos import ReadRepos, below, check_forge
from app.cli.integrity import look_through_database
from app.cli.reach import reach, running_at
from app.cli.settings import read_settings
from app.cli.storms import storm_line
from app.cli.terminal import printable, say
from app.cli.untold import untold
from app.compose.config_repos import compose_config_repo
from app.compose.databases import open_database
from app.compose.machine import (
    exposed_data_folder,
    make_data_folder,
    manifest_renderer,
    require_git,
    unusable_certificates,
    utc_now,
)
from app.compose.sources import compose_source, has_id_tokens, unfit_sources
from app.compose.systems import compose_jenkins, compose_registry
from app.core.errors import FluxbridgeError, NotFound, Unavailable
from app.core.facts import BuildFinished
from app.core.ports import RateLimited
from app.db import policies, storms
from app.db.database import DatabaseLocked
from app.services.heads.scans import Scans
from app.services.reading.status import read_untold
from app.services.reading.sweeps import StormView
from app.services.systems import ConfigRepo, Source
from app.settings.exposure import exposed_secrets
from app.settings.loading import settings_path
from app.settings.models import Settings
from app.settings.secrets import named_secrets, unusable_secrets
from app.settings.systems import ImageRegistry, JenkinsController

_BARRED = "barred: "
_MOST_BARRED = 100
_MOST_AT_ONCE = 32
_NOT_THERE = "fluxbridge/check"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Check:
    """One question: of what and at which URL or path, what must be there first, and what to correct without an answer.

    What it needs are keys of the settings, and names of other checks.
    """

    name: str
    ask: Callable[[], str]
    place: str = ""
    needs: Sequence[str] = ()
    correct: str = ""

    @property
    def title(self) -> str:
        """The thing with its place."""
        return f"{self.name} ({self.place})" if self.place else self.name


@dataclass(slots=True)
class _Inquiry:
    """Asks many at once and tells of each in its turn: whoever says nothing delays the others by no more than it."""

    lacking: set[str] = field(default_factory=set)

    def note_wrong(self, key: str, problem: str) -> None:
        """Tell what is wrong, and keep from asking what needs it."""
        self.lacking.add(key)
        _say_lines(f"WRONG {key}: {problem}")

    def ask(self, checks: Sequence[_Check]) -> None:
        """Ask all that can be asked."""
        with ThreadPoolExecutor(_MOST_AT_ONCE) as pool:
            asked = [(one, self._begin(pool, one)) for one in checks]
            for one, outcome in asked:
                self._tell(one, outcome)

    def _begin(self, pool: ThreadPoolExecutor, check: _Check) -> "Future[_Outcome] | None":
        return None if self.lacking.intersection(check.needs) else pool.submit(_ask, check)

    def _tell(self, check: _Check, outcome: "Future[_Outcome] | None") -> None:
        if outcome is None:
            missing = ", ".join(one for one in check.needs if one in self.lacking)
            say(f"-     {check.title}: not asked: it needs {missing}")
            self.lacking.add(check.name)
            return
        told, is_well = outcome.result()
        if is_well:
            _say_lines(f"ok    {check.title}: {told}")
        else:
            self.lacking.add(check.name)
            _say_lines(f"WRONG {check.title}: {told}")


_Outcome = tuple[str, bool]


def _ask(check: _Check) -> _Outcome:
    """What it says, and whether that is well."""
    try:
        return check.ask(), True
    except RateLimited as error:
        return str(error), False
    except Unavailable as error:
        correct = f", or correct {check.correct}" if check.correct else ""
        return f"{error}; see that it runs there and can be reached from here{correct}", False
    except FluxbridgeError as error:
        return str(error), False
    except OSError as error:
        return f"{error.filename or 'a file'}: {error.strerror or type(error).__name__}", False


def _say_lines(told: str) -> None:
    for line in told.split("\n"):
        say(line)


def check(*, database: bool, is_all: bool) -> None:
    """Check the settings, the secrets, git, and whether every system answers."""
    settings = read_settings()
    if database:
        raise typer.Exit(look_through_database(settings))
    typer.echo(f"ok    settings: {settings_path(os.environ)}")
    for notice in settings.notices:
        say(f"      {notice}")
    inquiry = _Inquiry()
    unusable = unusable_secrets(settings)
    for key, problem in {**unusable, **unusable_certificates(settings), **unfit_sources(settings)}.items():
        inquiry.note_wrong(key, problem)
    try:
        make_data_folder(settings)
    except FluxbridgeError as error:
        inquiry.note_wrong("data_dir", str(error))
    inquiry.ask([*_of_this_machine(settings, has_unusable=bool(unusable))])
    hosts = {each: one.called for one in settings.registries.values() for each in (one.called, *one.also_called)}
    repos = ReadRepos(hosts, Scans(renderer=manifest_renderer()), is_all=is_all)
    # Before any git is started: a fork would hold the lock of SQLite's file for a moment longer than we do.
    inquiry.ask([*_of_database(settings)])
    inquiry.ask([*_of_jenkins(settings), *_of_repos(settings, repos)])
    inquiry.ask([*_of_sources(settings, repos), *_of_registries(settings, repos)])
    raise typer.Exit(1 if inquiry.lacking else 0)


def _of_this_machine(settings: Settings, *, has_unusable: bool) -> Iterator[_Check]:
    usable = "the others can be used" if has_unusable else "each can be used"
    yield _Check(name="secrets", ask=lambda: _lines(usable, (), exposed_secrets(settings)))
    yield _Check(
        name="data folder",
        needs=["data_dir"],
        ask=lambda: _lines(str(settings.data_dir), (), filter(None, [exposed_data_folder(settings)])),
    )
    yield _Check(name="git", ask=require_git)


def _secrets_below(settings: Settings, key: str) -> Sequence[str]:
    return [one for one, _ in named_secrets(settings) if one.startswith(f"{key}.")]


def _needs_of(settings: Settings, key: str) -> Sequence[str]:
    """What a client is made of that can be missing."""
    return [f"{key}.ca_file", *_secrets_below(settings, key)]


def _of_database(settings: Settings) -> Iterator[_Check]:
    yield _Check(
        name="database",
        place=settings.database.place(settings.data_dir),
        needs=["data_dir", *_secrets_below(settings, "database")],
        correct="database.url",
        ask=partial(_check_database, settings),
    )


def _of_jenkins(settings: Settings) -> Iterator[_Check]:
    for name, one in settings.jenkins.items():
        yield _Check(
            name=f"jenkins.{name}",
            place=one.url,
            needs=_needs_of(settings, f"jenkins.{name}"),
            correct=f"jenkins.{name}.url",
            ask=partial(_ask_jenkins, name, one),
        )


def _ask_jenkins(name: str, one: JenkinsController) -> str:
    return _answered(partial(compose_jenkins(name, one).build, "fluxbridge-check", 1))


def _of_repos(settings: Settings, repos: ReadRepos) -> Iterator[_Check]:
    for name, one in settings.config_repos.items():
        key, asked_at = f"config_repos.{name}", one.forge.asked_at
        needs = ["git", "data_dir", f"{key}.ca_file"]
        yield _Check(
            name=f"{key}.forge",
            place=asked_at or one.url,
            needs=[*needs, *_secrets_below(settings, f"{key}.forge")],
            correct=f"{key}.forge.api_url" if asked_at is not None else f"{key}.url",
            ask=partial(_made_and, partial(check_forge, now=utc_now()), name, settings),
        )
        login = f"{key}.credentials" if one.credentials is not None else f"{key}.forge"
        yield _Check(
            name=key,
            place=one.url,
            needs=[*needs, *(_secrets_below(settings, login) if one.git_login is not None else ())],
            correct=f"{key}.url",
            ask=partial(_made_and, repos.check, name, settings),
        )


def _made_and(ask: Callable[[ConfigRepo], str], name: str, settings: Settings) -> str:
    """Make the client when it is asked: one that cannot be made is told in its turn."""
    return ask(compose_config_repo(name, settings))


def _of_sources(settings: Settings, repos: ReadRepos) -> Iterator[_Check]:
    unfit = unfit_sources(settings)
    for name in settings.sources:
        if f"sources.{name}" in unfit:
            continue
        source = compose_source(name, settings)
        if has_id_tokens(settings.sources[name]):
            yield _Check(name=f"sources.{name}.oidc", ask=partial(_ask_issuer, source), correct=f"sources.{name}.oidc")
        if source.origin.cluster is not None and source.config_repo is not None:
            views = repos.views.get(source.config_repo)
            yield _Check(
                name=f"sources.{name}",
                needs=[f"config_repos.{source.config_repo}"] if views is None else [],
                ask=partial(repos.check_cluster, source, views or ()),
            )


def _ask_issuer(source: Source) -> str:
    tokens = source.keys().id_tokens
    keys = tokens.signing_keys.ask() if tokens is not None else ()
    return f"{len(keys)} {'key' if len(keys) == 1 else 'keys'} that tokens may be signed with"


def _of_registries(settings: Settings, repos: ReadRepos) -> Iterator[_Check]:
    for name, one in settings.registries.items():
        # Many registries deny what an account may not pull, whether it exists or not.
        path = repos.named.get(one.called, _NOT_THERE)
        yield _Check(
            name=f"registries.{name}",
            place=f"{'http' if one.plain_http else 'https'}://{one.host}",
            needs=_needs_of(settings, f"registries.{name}"),
            correct=f"registries.{name}.host",
            ask=partial(_ask_registry, one, path),
        )


def _ask_registry(one: ImageRegistry, path: str) -> str:
    with closing(compose_registry(one)) as registry:
        answers = _answered(partial(registry.digest, path, "none"))
        if one.login is None:
            return answers
        if not registry.is_shown_credentials:
            return f"{answers}, and asks nobody who they are: {one.login_told} was not tried"
        return f"{answers}, and takes {one.login_told}"


def _check_database(settings: Settings) -> str:
    try:
        with closing(open_database(settings)) as database:
            with database.transaction() as connection:
                waiting = [(one.sweep, StormView.of(one).model_dump()) for one in storms.every(connection)]
                barred = policies.page(connection, limit=_MOST_BARRED, status=_BARRED).items
                status = read_untold(connection, utc_now()).model_dump(mode="json")
            told = [f"{one.file}: {one.namespace}/{one.name}: {one.status}" for one in barred]
    except DatabaseLocked:
        url = running_at(settings)
        if url is None:
            raise
        with reach() as api:
            waiting = [(each["name"], one) for each in api.get("/sweeps")["items"] for one in each["storms"]]
            listed = api.get("/policies", status=_BARRED, limit=_MOST_BARRED)["items"]
            told = [f"{one['file']}: {one['namespace']}/{one['name']}: {one['status']}" for one in listed]
            status = api.get("/status")
        return _lines(f"open in the server at {url}", waiting, [*told, *untold(status)])
    return _lines("at this version's schema", waiting, [*told, *untold(status)])


def _lines(first: str, waiting: Sequence[tuple[str, Any]], told: Iterable[str]) -> str:
    waits = [printable(f"WAITS {storm_line(*one)}") for one in waiting]
    return "\n".join([first, *waits]) + "".join(map(below, map(printable, told)))


def _answered(ask: Callable[[], BuildFinished | str | None]) -> str:
    """Any answer will do: also that there is no such build."""
    with suppress(NotFound):
        ask()
    return "answers"

"""Forges from their settings: all that the kind of a forge decides, as one value."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import assert_never

from app.clients.forges.bitbucket.forge import Bitbucket
from app.clients.forges.bitbucket_dc.forge import BitbucketDC
from app.clients.forges.errors import Hosted
from app.clients.forges.gitea.forge import Gitea
from app.clients.forges.github.access import PersonalToken
from app.clients.forges.github.forge import LIMITS, GitHub
from app.clients.forges.github.installation import Installation
from app.clients.forges.gitlab.forge import GitLab
from app.clients.forges.limits import Limits
from app.clients.forges.local.forge import LocalForge
from app.clients.forges.rest import RestClient
from app.compose.machine import utc_now
from app.core.ports import Forge
from app.settings.config_repos import ConfigRepo
from app.settings.forges import bitbucket, bitbucket_dc, gitea, github, gitlab, local
from app.settings.forges.web import WebForge

Spend = Callable[[str, int, int], None]
"""Take writes out of a budget: its name, how many it has an hour, how many to take at once. Raises Unavailable."""


def without_budget(name: str, per_hour: int, count: int) -> None:
    """For commands that only read."""
    del name, per_hour, count


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposedForge:
    """A forge and how it is used.

    `repository` is its own name of the repository, `budget` what its writes are counted under. A pull request gets a
    newer tag at most once in `update_every`. `git_login` gives user and password for git over HTTP where they are the
    client's to know, and may raise Refused and Unavailable; None: the settings have them. `refs` gives names and ids
    that change whenever branches or pull requests do; None: there is no better way than to ask git for the branches.
    """

    forge: Forge
    repository: str
    budget: str
    update_every: timedelta
    git_login: Callable[[], tuple[str, str]] | None = None
    refs: Callable[[], Mapping[str, str]] | None = None


def compose_forge(name: str, one: ConfigRepo, *, spend: Spend = without_budget) -> ComposedForge:
    """The forge of a config repository; nothing is contacted yet. Raises CertificatesUnusable."""
    match one.forge:
        case bitbucket.BitbucketForge() as its:
            make = partial(Bitbucket, token=its.token.read, user=its.user, account_uuid=its.account)
            return _of_the_web(one, its, make, spend)
        case bitbucket_dc.BitbucketDCForge() as its:
            return _of_the_web(one, its, partial(BitbucketDC, token=its.token.read), spend)
        case gitea.GiteaForge() as its:
            return _of_the_web(one, its, partial(Gitea, token=its.token.read), spend)
        case github.GitHubForge() as its:
            return _github(one, its, spend)
        case gitlab.GitLabForge() as its:
            return _of_the_web(one, its, partial(GitLab, token=its.token.read), spend)
        case local.LocalForge() as its:
            return _local(name, one, its)
        case _:
            assert_never(one.forge)


def local_forge(one: ConfigRepo) -> LocalForge:
    """The forge that is the bare repository itself, with what people do there."""
    return LocalForge(Path(one.url.removeprefix("file://")), clock=utc_now)


def _of_the_web(one: ConfigRepo, its: WebForge, make: Callable[..., Forge], spend: Spend) -> ComposedForge:
    """A forge that is asked over the web. `make` takes what all of them have in common, and knows the rest."""
    forge = make(
        its.repository,
        base_url=its.api_url,
        ca_file=one.ca_file,
        proxy=one.proxy,
        spend=partial(spend, its.budget.name, its.writes_per_hour),
    )
    return ComposedForge(
        forge=forge,
        repository=its.repository,
        budget=its.budget.name,
        update_every=timedelta(seconds=its.update_every_s),
    )


def _github(one: ConfigRepo, its: github.GitHubForge, spend: Spend) -> ComposedForge:
    spending = partial(spend, its.budget.name, its.writes_per_hour)
    installation = _installation(one, its, its.app, spending) if its.app is not None else None
    make = partial(
        GitHub,
        access=installation or PersonalToken(its.read_token),
        seconds_between_requests=0.25 if its.paced else None,
        seconds_between_writes=1.0 if its.paced else None,
    )
    login = (lambda: (its.git_user, installation.token())) if installation is not None else None
    return replace(_of_the_web(one, its, make, spend), git_login=login)


def _installation(
    one: ConfigRepo, its: github.GitHubForge, app: github.GitHubApp, spend: Callable[[int], None]
) -> Installation:
    at = Hosted("GitHub", its.repository)

    def connect(authorization: Callable[[], str]) -> RestClient:
        limits = Limits(at, spend=spend, headers=LIMITS)
        return RestClient(
            at, its.api_url, authorization=authorization, limits=limits, ca_file=one.ca_file, proxy=one.proxy
        )

    return Installation(
        at,
        app_id=app.id,
        private_key=app.private_key.read,
        may_write=one.mode == "propose",
        connect=connect,
        clock=utc_now,
    )


def _local(name: str, one: ConfigRepo, its: local.LocalForge) -> ComposedForge:
    forge = local_forge(one)
    return ComposedForge(
        forge=forge, repository=name, budget=its.budget.name, update_every=timedelta(0), refs=forge.refs
    )

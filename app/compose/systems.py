"""Everything outside that the services may reach, from the settings."""

from collections.abc import Callable
from datetime import timedelta

from app.clients.jenkins.controller import Jenkins
from app.clients.registry.helm_index import HelmRepositories
from app.clients.registry.oci import OCIRegistry
from app.compose.config_repos import compose_config_repo
from app.compose.credentials import compose_credentials
from app.compose.forges import Spend, without_budget
from app.compose.sources import compose_sources
from app.services.systems import SweepRules, Systems, Timing
from app.settings.models import Settings
from app.settings.secrets import Secret
from app.settings.systems import ImageRegistry, JenkinsController


def compose_systems(settings: Settings, *, spend: Spend = without_budget) -> Systems:
    """Build every client that the settings name; nothing is contacted yet. Raises Refused leaves."""
    sources = compose_sources(settings)
    registries = {one.called: compose_registry(one) for one in settings.registries.values()}
    return Systems(
        sources=sources,
        jenkins={name: compose_jenkins(name, one) for name, one in settings.jenkins.items()},
        jenkins_urls={name: one.url for name, one in settings.jenkins.items()},
        registries=registries,
        aliases={alias: one.called for one in settings.registries.values() for alias in one.also_called},
        config_repos={name: compose_config_repo(name, settings, spend=spend) for name in settings.config_repos},
        timing=Timing(
            lease=timedelta(seconds=settings.work.lease_s),
            lane_deadline=timedelta(seconds=settings.work.lane_deadline_s),
            build_within=timedelta(seconds=settings.build_within_s),
            applied_within=timedelta(seconds=settings.applied_within_s),
        ),
        sweeps=_sweep_rules(settings),
        closers=tuple(one.close for one in registries.values()),
    )


def compose_jenkins(name: str, one: JenkinsController) -> Jenkins:
    """One controller."""
    return Jenkins(name, one.url, user=one.user, token=_reader(one.token), ca_file=one.ca_file, proxy=one.proxy)


def compose_registry(one: ImageRegistry) -> OCIRegistry | HelmRepositories:
    """One registry. Raises CertificatesUnusable, ExtraMissing."""
    client = HelmRepositories if one.kind == "helm" else OCIRegistry
    return client(
        one.host,
        credentials=compose_credentials(one),
        plain_http=one.plain_http,
        ca_file=one.ca_file,
        proxy=one.proxy,
    )


def _reader(secret: Secret | None) -> Callable[[], str] | None:
    return secret.read if secret is not None else None


def _sweep_rules(settings: Settings) -> SweepRules:
    return SweepRules(
        schedules=settings.sweeps.schedules,
        jobs={name: one.sweep_jobs for name, one in settings.jenkins.items() if one.sweep_jobs},
        max_new=settings.sweeps.max_new,
        often={
            one.called: timedelta(seconds=one.sweep_s)
            for one in settings.registries.values()
            if one.sweep_s is not None
        },
        bodies_kept=timedelta(days=settings.retention.bodies_days),
        bodies_day_bytes=settings.retention.bodies_day_bytes,
    )

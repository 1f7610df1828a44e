"""What this machine must have for the systems: a clock, a data folder, git, and certificates that can be read."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from app.clients.flux.kustomize_renderer import KustomizeRenderer
from app.clients.git.command import check_git
from app.clients.tls import CertificatesUnusable, trusting
from app.core.errors import Refused
from app.settings.exposure import is_open_to_others, take_from_others
from app.settings.models import Settings
from app.settings.sources.jenkins import JenkinsSource
from app.settings.sources.registries import RegistrySource


class DataFolderUnusable(Refused):
    """The folder for the database, the mirrors and the token cannot be made."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"the data folder {path} cannot be made ({why}): set data_dir to a folder of your own")


def utc_now() -> datetime:
    """The present time of this machine."""
    return datetime.now(UTC)


def require_git() -> str:
    """The version of git. Raises a Refused leaf where it is missing or too old."""
    return ".".join(map(str, check_git()))


def manifest_renderer() -> KustomizeRenderer:
    """What renders folders that our own reading does not follow."""
    return KustomizeRenderer()


def make_data_folder(settings: Settings) -> None:
    """Make the data folder, and leave it to this account alone where it is ours. Raises DataFolderUnusable."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise DataFolderUnusable(settings.data_dir, error.strerror or "refused") from error
    # What a file system does not let us change is told by `exposed_data_folder`.
    with suppress(OSError):
        take_from_others(settings.data_dir)


def exposed_data_folder(settings: Settings) -> str | None:
    """Say that others may see into the data folder, where that could not be changed."""
    if not is_open_to_others(settings.data_dir):
        return None
    return (
        f"other accounts may read the data folder {settings.data_dir}: "
        "make this account its owner and chmod 700 it, or set data_dir to a folder of its own"
    )


def unusable_certificates(settings: Settings) -> Mapping[str, str]:
    """What is wrong with each file of certificates that cannot be used, by its key in the settings."""
    problems = {}
    for key, file in _certificates(settings):
        try:
            trusting(file)
        except CertificatesUnusable as error:
            problems[f"{key}.ca_file"] = str(error)
    return problems


def _certificates(settings: Settings) -> Iterator[tuple[str, Path | None]]:
    yield from ((f"jenkins.{name}", one.ca_file) for name, one in settings.jenkins.items())
    yield from ((f"registries.{name}", one.ca_file) for name, one in settings.registries.items())
    for name, repo in settings.config_repos.items():
        yield f"config_repos.{name}", repo.ca_file
        yield from ((f"config_repos.{name}.receivers.{each}", one.ca_file) for each, one in repo.receivers.items())
    for name, source in settings.sources.items():
        if isinstance(source, RegistrySource | JenkinsSource) and source.oidc is not None:
            yield f"sources.{name}.oidc", source.oidc.ca_file

"""The whole of fluxbridge.yaml."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, PrivateAttr

from app.settings.config_repos import ConfigRepo
from app.settings.server import Api, Database, Limits, Listen, Log, Retention, Sweeps, Work
from app.settings.sources import Source
from app.settings.systems import ImageRegistry, JenkinsController
from app.settings.values import Called, FilePath, Name, RootPath, Seconds, Section


class Settings(Section):
    """Everything that an operator decides; relative paths are below the settings file's folder."""

    data_dir: FilePath = Path("data")
    """Folder of the SQLite file, the mirrors of the config repos and the token file of the command line."""
    database: Annotated[Database, Called("URL or mapping")] = Database()
    """A text is short for `{url: …}`."""
    listen: Listen = Listen()
    root_path: RootPath = ""
    """The path below which a reverse proxy shows the server, such as `/fluxbridge`."""
    api: Api = Api()
    sources: dict[Name, Source] = Field(default_factory=dict)
    jenkins: dict[Name, JenkinsController] = Field(default_factory=dict)
    registries: dict[Name, ImageRegistry] = Field(default_factory=dict)
    config_repos: dict[Name, ConfigRepo] = Field(default_factory=dict)
    work: Work = Work()
    sweeps: Sweeps = Sweeps()
    retention: Retention = Retention()
    limits: Limits = Limits()
    build_within_s: Seconds = 3600.0
    """How long after a push a build may report it; later the gate `build: success` fails."""
    applied_within_s: Seconds = 900.0
    """How long after a merge each cluster's Flux may take to tell of it; later it is shown as overdue."""
    log: Log = Log()
    _notices: tuple[str, ...] = PrivateAttr(default=())

    def model_post_init(self, context: object, /) -> None:
        """Keep what was noticed while the file was read."""
        if isinstance(context, dict):
            self._notices = context.get("notices", ())

    @property
    def notices(self) -> tuple[str, ...]:
        """What the file says that nothing reads any more, each with its place, for people."""
        return self._notices

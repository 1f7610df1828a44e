"""The settings of what a Jenkins sends: signed reports, and hints of its Notification plugin."""

from typing import Literal, Self

from pydantic import model_validator

from app.settings.secrets import Secrets
from app.settings.sources.proofs import BasicLogin, require_one_proof
from app.settings.values import Name, Patterns, Section


class JenkinsSource(Section):
    """A Jenkins pipeline that posts signed reports of its builds."""

    kind: Literal["jenkins"]
    jenkins: Name
    """The entry under `jenkins` that the builds are of."""
    secret: Secrets
    """The key of the HMAC."""
    jobs: Patterns | None = None
    """Jobs that the source may report, as Jenkins names them: `acme/app/main`. Without it, every job."""
    images: Patterns | None = None
    """Images that the source may report. Without it, every image."""


class JenkinsNotificationSource(Section):
    """Jenkins' Notification plugin, which signs nothing: what it says is a hint that Jenkins is asked about."""

    kind: Literal["jenkins-notification"]
    jenkins: Name
    """The entry under `jenkins` that the builds are of."""
    url_token: Secrets | None = None
    """The token in the query of the URL that the plugin is given: `?token=…`."""
    basic: BasicLogin | None = None
    jobs: Patterns | None = None
    """Jobs that the source may report. Without it, every job."""
    images: Patterns | None = None
    """Images that the source may report. Without it, every image."""

    @model_validator(mode="after")
    def _proves_itself_in_one_way(self) -> Self:
        require_one_proof(self, ("url_token", "basic"))
        return self

"""The settings of what a Jenkins sends: signed reports, and hints of its plugins."""

from typing import Literal, Self, get_args

from pydantic import model_validator

from app.settings.secrets import Secrets
from app.settings.sources.proofs import BasicLogin, require_one_proof
from app.settings.values import Name, Patterns, Section

JenkinsHintKind = Literal["jenkins-notification", "jenkins-outbound-webhook", "jenkins-cloudevents", "jenkins-cdevents"]
"""What Jenkins' plugins send; each has its sender in `app/senders/jenkins/`."""
JenkinsHintProof = Literal["url_token", "basic"]


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


class JenkinsHintSource(Section):
    """A plugin of Jenkins that signs nothing: what it says is a hint that Jenkins is asked about."""

    kind: JenkinsHintKind
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
        require_one_proof(self, get_args(JenkinsHintProof))
        return self

    @property
    def proof(self) -> JenkinsHintProof:
        """The one key of these that is there."""
        return "url_token" if self.url_token is not None else "basic"

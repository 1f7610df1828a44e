"""The settings of a webhook of GitLab."""

from typing import Literal, Self

from pydantic import model_validator

from app.settings.secrets import Secrets
from app.settings.sources.proofs import require_one_proof
from app.settings.values import Name, Section


class GitLabSource(Section):
    """A webhook of a GitLab project, group or server."""

    kind: Literal["gitlab"]
    token: Secrets | None = None
    """The secret token of the webhook, which GitLab sends along as it is. One of `token` and `signing_token` is needed.
    """
    signing_token: Secrets | None = None
    """The signing token of the webhook (`whsec_…`), with which newer versions sign what they send."""
    config_repo: Name | None = None
    """The one entry under `config_repos` that the source may speak for; what it tells of others is ignored. Without it,
    the repository that the event names.
    """

    @model_validator(mode="after")
    def _proves_itself_in_one_way(self) -> Self:
        require_one_proof(self, ("token", "signing_token"))
        return self

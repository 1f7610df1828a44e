"""The settings of a webhook of GitHub."""

from typing import Literal

from app.settings.secrets import Secrets
from app.settings.values import Name, Section


class GitHubSource(Section):
    """A webhook of a GitHub repository or organisation."""

    kind: Literal["github"]
    secret: Secrets
    """The secret that the webhook was made with."""
    config_repo: Name | None = None
    """The one entry under `config_repos` that the source may speak for; what it tells of others is ignored. Without it,
    the repository that the event names.
    """

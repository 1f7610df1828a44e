"""The settings of a webhook of Bitbucket, Cloud or Data Center."""

from typing import Literal

from app.settings.secrets import Secrets
from app.settings.values import Name, Section


class BitbucketSource(Section):
    """A webhook of a repository on Bitbucket Cloud (`bitbucket`) or Data Center (`bitbucket-dc`)."""

    kind: Literal["bitbucket", "bitbucket-dc"]
    secret: Secrets
    """The secret that the webhook was made with."""
    config_repo: Name | None = None
    """The one entry under `config_repos` that the source may speak for; what it tells of others is ignored. Without it,
    the repository that the event names.
    """

"""Where pull requests are, one kind of forge a file.

Each kind says the same of itself: whether it is the bare repository itself, as `fluxbridge pulls` needs it, where
people find it, whose budget it spends and who its token is for git.
"""

from typing import Annotated

from pydantic import Field

from app.settings.forges.bitbucket import BitbucketForge
from app.settings.forges.bitbucket_dc import BitbucketDCForge
from app.settings.forges.gitea import GiteaForge
from app.settings.forges.github import GitHubForge
from app.settings.forges.gitlab import GitLabForge
from app.settings.forges.local import LocalForge

Forge = Annotated[
    BitbucketForge | BitbucketDCForge | GiteaForge | GitHubForge | GitLabForge | LocalForge, Field(discriminator="kind")
]

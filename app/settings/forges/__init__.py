"""Where pull requests are, one kind of forge a file.

Each kind says the same of itself: whether it lives in the bare repository, where people find it, whose budget it spends
and who its token is for git.
"""

from typing import Annotated

from pydantic import Field

from app.settings.forges.github import GitHubForge
from app.settings.forges.local import LocalForge

Forge = Annotated[GitHubForge | LocalForge, Field(discriminator="kind")]

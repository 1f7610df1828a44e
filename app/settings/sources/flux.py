"""The settings of a Flux that tells what it applied."""

from typing import Literal

from app.settings.secrets import Secrets
from app.settings.values import Name, RepoFolder, Section


class FluxSource(Section):
    """Flux's notification controller in one cluster, whose Kustomizations live below `root` of a config repo."""

    kind: Literal["flux"]
    cluster: Name
    """The cluster's name in the history."""
    config_repo: Name
    """The entry under `config_repos` that the cluster applies."""
    root: RepoFolder = ""
    """The cluster's folder in that repo, such as `clusters/prod-eu`; empty is the repo itself."""
    secret: Secrets
    """The key of the HMAC: `token` in the Provider's Secret."""

"""The settings of a webhook of Gitea or Forgejo, which tells of a config repository, of packages, or of both."""

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from app.settings.secrets import Secrets
from app.settings.sources.proofs import require_one_proof
from app.settings.values import HeaderName, Name, Patterns, Section

GiteaProof = Literal["header", "hmac"]


class GiteaSource(Section):
    """A webhook of a repository, an owner or a whole Gitea."""

    kind: Literal["gitea"]
    registry: Name | None = None
    """The entry under `registries` that packages are pushed to. Without it, what tells of packages is ignored."""
    hmac: Secrets | None = None
    """The secret that the webhook was made with. One of `hmac` and `header` is needed."""
    header: Annotated[dict[HeaderName, Secrets], Field(min_length=1)] | None = None
    """The whole value of this header, such as the webhook's *Authorization header*. With several headers each must
    match.
    """
    config_repo: Name | None = None
    """The one entry under `config_repos` that the source may speak for; what it tells of others is ignored. Without it,
    the repository that the event names.
    """
    images: Patterns | None = None
    """Images that the source may report. Without it, every image."""

    @model_validator(mode="after")
    def _proves_itself_in_one_way(self) -> Self:
        require_one_proof(self, get_args(GiteaProof))
        return self

    @property
    def proof(self) -> GiteaProof:
        """The one key of these that is there."""
        return "hmac" if self.hmac is not None else "header"

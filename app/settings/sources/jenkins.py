"""The settings of what a Jenkins sends: signed reports, and hints of its plugins."""

from typing import Literal, Self, get_args

from pydantic import model_validator

from app.settings.secrets import Secrets
from app.settings.sources.id_tokens import JenkinsIdTokens
from app.settings.sources.proofs import BasicLogin, require_one_proof
from app.settings.values import Branch, Name, Patterns, RepoFolder, Section, wrong

JenkinsHintKind = Literal["jenkins-notification", "jenkins-outbound-webhook", "jenkins-cloudevents", "jenkins-cdevents"]
"""What Jenkins' plugins send; each has its sender in `app/senders/jenkins/`."""
JenkinsHintProof = Literal["url_token", "basic"]
JenkinsRole = Literal["builder", "deployer"]


class _OfJenkins(Section):
    """What every source of a Jenkins has: whose builds they are, and what they say."""

    kind: str
    jenkins: Name
    """The entry under `jenkins` that the builds are of."""
    role: JenkinsRole = "builder"
    """What its builds do: a `builder` makes images and charts, a `deployer` brings what a config repo has into a
    cluster, in Flux's place.
    """
    jobs: Patterns | None = None
    """Jobs that the source may report, as Jenkins names them: `acme/app/main`. Without it, every job. A deployer must
    name those that deploy.
    """
    images: Patterns | None = None
    """Images that the source may report. Without it, every image. Not for a deployer."""
    cluster: Name | None = None
    """For a deployer: the cluster's name in the history."""
    config_repo: Name | None = None
    """For a deployer: the entry under `config_repos` that it deploys."""
    root: RepoFolder = ""
    """For a deployer: the folder of that repo that it deploys, such as `umbrella/prod`; empty is the repo itself."""
    branch: Branch | None = None
    """For a deployer: the base branch that it deploys, where that repo has several. Without it, any of them."""

    @property
    def deploys(self) -> tuple[str, ...] | None:
        """What a deployer brings where: its Jenkins, cluster, config repo, root and branch; None for a builder."""
        if self.cluster is None or self.config_repo is None:
            return None
        return self.jenkins, self.cluster, self.config_repo, self.root, self.branch or ""

    @model_validator(mode="after")
    def _says_what_its_role_needs(self) -> Self:
        if self.role == "builder":
            given = [name for name in ("cluster", "config_repo", "root", "branch") if getattr(self, name)]
            if given:
                raise wrong(f"must not have {' and '.join(given)} without role: deployer")
            return self
        missing = [name for name in ("cluster", "config_repo", "jobs") if getattr(self, name) is None]
        if missing:
            raise wrong(
                f"is missing {' and '.join(missing)}: a deployer has the cluster, the config_repo that is deployed "
                "there, and the jobs whose builds do it"
            )
        if self.images is not None:
            raise wrong("must not have images with role: deployer, whose builds make none: take them out")
        return self


class JenkinsSource(_OfJenkins):
    """A Jenkins pipeline that posts signed reports of its builds."""

    kind: Literal["jenkins"]
    secret: Secrets | None = None
    """The key of the HMAC. One of `secret` and `oidc` is needed."""
    oidc: JenkinsIdTokens | None = None

    @model_validator(mode="after")
    def _proves_itself_in_one_way(self) -> Self:
        require_one_proof(self, ("secret", "oidc"))
        return self


class JenkinsHintSource(_OfJenkins):
    """A plugin of Jenkins that signs nothing: what it says is a hint that Jenkins is asked about."""

    kind: JenkinsHintKind
    url_token: Secrets | None = None
    """The token in the query of the URL that the plugin is given: `?token=…`."""
    basic: BasicLogin | None = None

    @model_validator(mode="after")
    def _proves_itself_in_one_way(self) -> Self:
        require_one_proof(self, get_args(JenkinsHintProof))
        return self

    @property
    def proof(self) -> JenkinsHintProof:
        """The one key of these that is there."""
        return "url_token" if self.url_token is not None else "basic"

"""Tokens that an issuer signs, by which a sender proves itself without a shared secret."""

from typing import Self

from pydantic import model_validator

from app.settings.values import ExactUrl, FilePath, Flag, ProxyUrl, Section, Text, WebUrl, wrong


class IdTokenProof(Section):
    """Whom tokens must be for and from, and where the keys are that they are signed with."""

    audience: Text
    """The audience that the subscription puts into its tokens."""
    account: Text
    """The service account that the subscription authenticates as, by its email address."""
    keys_url: WebUrl = "https://www.googleapis.com/oauth2/v3/certs"
    """Where the issuer publishes its keys (JWKS); they are kept as long as it says, an hour at most."""
    keys_file: FilePath | None = None
    """The same as a file, in place of `keys_url`, for networks without a way out; it is read at each use."""
    ca_file: FilePath | None = None
    """Certificates to trust for `keys_url`, as PEM, in place of the system's."""
    proxy: ProxyUrl | None = None
    """HTTP proxy for `keys_url`."""

    @model_validator(mode="after")
    def _has_keys_in_one_place(self) -> Self:
        if self.keys_file is not None and self.model_fields_set & {"keys_url", "ca_file", "proxy"}:
            raise wrong("must have keys_file, or keys_url with its ca_file and proxy: not both")
        return self


class JenkinsIdTokens(Section):
    """Tokens of Jenkins' OpenID Connect Provider plugin: each says of which build it is."""

    issuer: ExactUrl
    """The issuer, letter by letter: `<Jenkins URL>/oidc`, or `<Jenkins URL>/oidc/job/<folder>` for one of a folder."""
    audience: Text
    """The audience of the credential in Jenkins."""
    alternative_issuer: Flag = False
    """Believe an issuer that is not this Jenkins' own: whoever holds its keys speaks for every one of `jobs`."""
    keys_file: FilePath | None = None
    """The issuer's keys (JWKS) as a file, for networks in which it cannot be asked; it is read at each use."""
    ca_file: FilePath | None = None
    """Certificates to trust for the issuer, as PEM, in place of the system's."""
    proxy: ProxyUrl | None = None
    """HTTP proxy for the issuer."""
    plain_http: Flag = False
    """Take the issuer's keys over HTTP without TLS: who is between could put in their own."""

    @model_validator(mode="after")
    def _has_keys_that_can_be_trusted(self) -> Self:
        if self.keys_file is not None and self.model_fields_set & {"ca_file", "proxy", "plain_http"}:
            raise wrong("must have keys_file, or ca_file, proxy and plain_http for the issuer: not both")
        if self.keys_file is None and not self.plain_http and not self.issuer.startswith("https://"):
            raise wrong("must have an issuer at https://, or keys_file, or plain_http: true on a network you trust")
        return self

    def folder_of(self, jenkins_url: str) -> str | None:
        """The address below which its jobs lie, Jenkins' own or a folder's; None where Jenkins has no such issuer."""
        root = jenkins_url.rstrip("/")
        own = f"{root}/oidc"
        if self.issuer.startswith(f"{own}/job/"):
            return root + self.issuer.removeprefix(own)
        return root if self.issuer == own or self.alternative_issuer else None

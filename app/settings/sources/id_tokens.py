"""Tokens that an issuer signs, by which a sender proves itself without a shared secret."""

from typing import Self

from pydantic import model_validator

from app.settings.values import FilePath, ProxyUrl, Section, Text, WebUrl, wrong


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

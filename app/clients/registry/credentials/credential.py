"""What a registry is shown, and where it comes from."""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

FOR_EVER = float("inf")


@dataclass(frozen=True, slots=True)
class Credential:
    """A user with a password, or without a user a bearer token; good for `lasts_s` seconds from when it was issued."""

    user: str | None
    secret: str = field(repr=False)
    lasts_s: float = FOR_EVER

    @property
    def header(self) -> str:
        """The value of `Authorization`."""
        if self.user is None:
            return f"Bearer {self.secret}"
        return "Basic " + b64encode(f"{self.user}:{self.secret}".encode()).decode()


class Credentials(Protocol):
    """Says who we are to one registry. For threads at once."""

    def current(self) -> Credential:
        """What is good now. Raises RegistryRefused, RegistryUnavailable, and what reading a secret raises."""
        ...

    def renewed(self, refused: Credential) -> Credential:
        """Another one in the place of one that a registry refused; the same where there is none. Raises the same."""
        ...


class Issuer(Protocol):
    """Issues credentials that expire."""

    def issue(self) -> Credential:
        """A new one; whoever asks has a limit of time of their own. Raises RegistryRefused, RegistryUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class SecretCredentials:
    """A user and a password, or a bearer token, that are read anew whenever they are used."""

    user: str | None
    read: Callable[[], str] = field(repr=False)

    def current(self) -> Credential:
        """As it is now."""
        return Credential(self.user, self.read())

    def renewed(self, refused: Credential) -> Credential:  # noqa: ARG002 - where it was changed, it is another
        """As it is now."""
        return self.current()

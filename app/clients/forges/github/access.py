"""By what GitHub lets us in: a personal access token, or a GitHub App's installation (`Installation`)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol


class Access(Protocol):
    """Tokens for one repository, and whose they are."""

    def token(self) -> str:
        """The token as it is now. Raises Refused, Unavailable."""

    def forget(self, token: str) -> None:
        """Take note that GitHub does not take this token any more."""

    def login(self) -> str | None:
        """The account that it acts as; None: GitHub tells whoever shows it. Raises Refused, Unavailable."""


@dataclass(frozen=True, slots=True)
class PersonalToken:
    """A token of an account, which an operator renews where `read` finds it."""

    read: Callable[[], str] = field(repr=False)

    def token(self) -> str:
        """The token as it stands there now."""
        return self.read()

    def forget(self, token: str) -> None:
        """Nothing is kept."""
        del token

    def login(self) -> None:
        """GitHub tells."""

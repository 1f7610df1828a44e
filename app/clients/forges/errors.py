"""What goes wrong at a forge that is reached over the web, by who must act; the words are the same for every kind."""

from dataclasses import dataclass
from datetime import timedelta

from app.core.errors import Conflict, NotFound, Refused, Unavailable
from app.core.ports import RateLimited


@dataclass(frozen=True, slots=True)
class Hosted:
    """A repository at a forge: `product` is what people call the forge, `repository` what the forge calls that."""

    product: str
    repository: str


class WrongForge(Refused):
    """Something else answers where the settings say that a forge is; `correct` is what to do about it."""

    def __init__(self, url: str, found: str, *, correct: str) -> None:
        super().__init__(f"this is {found} ({url}); {correct}")
        self.url, self.found = url, found


class TokenNotAccepted(Refused):
    """A forge does not know the token, or no longer."""

    def __init__(self, at: Hosted, problem: str) -> None:
        super().__init__(
            f"the token for {at.repository} on {at.product} {problem}; put a new one where forge.token points"
        )
        self.at = at


class RepositoryNotVisible(Refused):
    """A forge shows no such repository to our token."""

    def __init__(self, at: Hosted) -> None:
        super().__init__(
            f"{at.product} shows no repository {at.repository} to our token: correct forge.repository, "
            f"or give the token access to it"
        )
        self.at = at


class RepositoryMoved(Refused):
    """The repository now has another name, under which its webhooks come too."""

    def __init__(self, at: Hosted, now: str) -> None:
        super().__init__(
            f"{at.repository} is called {now[:200]!r} on {at.product} now; set forge.repository and url to that"
        )
        self.at, self.now = at, now


class ForgeRefused(Refused):
    """A forge does not do what was asked, now or later."""

    def __init__(self, at: Hosted, problem: str) -> None:
        super().__init__(f"{at.product} refuses for {at.repository}: {problem}")
        self.at = at


class UnknownPullRequest(NotFound):
    """The repository has no pull request of that number."""

    def __init__(self, at: Hosted, number: int) -> None:
        super().__init__(f"{at.repository} has no pull request {number} on {at.product}")
        self.at, self.number = at, number


class OutdatedEdit(Conflict):
    """Somebody changed a pull request since it was read, so that an edit would undo that."""

    def __init__(self, at: Hosted, number: int) -> None:
        super().__init__(f"pull request {number} of {at.repository} on {at.product} was changed since it was read")
        self.at, self.number = at, number


class ForgeUnavailable(Unavailable):
    """A forge does not answer, or not as that forge, just now."""

    def __init__(self, at: Hosted, problem: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(f"{at.product} {problem} (for {at.repository})", retry_after=retry_after)
        self.at = at


class ForgeRateLimited(RateLimited):
    """A forge takes no more requests with our token before `retry_after`, or should be asked for none."""

    def __init__(self, at: Hosted, problem: str, *, retry_after: timedelta) -> None:
        super().__init__(f"{at.product} {problem} (for {at.repository})", retry_after=retry_after)
        self.at = at

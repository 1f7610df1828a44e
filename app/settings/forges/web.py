"""What the settings of every forge have that is asked over the web."""

from typing import ClassVar

from app.settings.forges.budgets import Budget
from app.settings.secrets import Secret
from app.settings.values import Count, NoOrSomeSeconds, Section, WebUrl


class WebForge(Section):
    """A forge with an API, by which its repository is known and which counts what is asked of it."""

    kind: str
    repository: str
    token: Secret | None
    api_url: WebUrl
    writes_per_hour: Count
    update_every_s: NoOrSomeSeconds = 30.0
    """An open pull request gets a newer tag at most once in this time, the newest then, so that one busy image does not
    spend what others need. What is new is opened at once, and a tag that fails meanwhile is replaced at once.
    """

    is_in_repository: ClassVar[bool] = False

    @property
    def git_token(self) -> Secret | None:
        """The token is good for git as well."""
        return self.token

    @property
    def let_in_by(self) -> str:
        """Where what lets us in is kept, in words."""
        return self.token.place if self.token is not None else "no token"

    @property
    def budget(self) -> Budget:
        """All repositories that the same token reaches count as one."""
        return Budget(f"{self.api_url} with {self.let_in_by}", self.writes_per_hour)

"""A GitHub App on our GitHub: what it signs is checked, and its installation gets tokens that end."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from http import HTTPStatus
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jwt.types import Options

from tests.servers.github_bodies import Bodies
from tests.servers.rest_answers import Answer, Asked

_INSTALLATION = 40_412_077
_LONGEST_S = 600
_OUR_OWN_CLOCK: Options = {"verify_exp": False, "verify_iat": False}


class GitHubApp:
    """One App with a key of its own, installed on the one repository; `now` is the server's clock."""

    def __init__(self, slug: str, app_id: str, *, now: Callable[[], datetime]) -> None:
        self.slug, self.app_id, self._now = slug, app_id, now
        self._key = _key()
        self.life = timedelta(hours=1)
        self.is_installed, self.is_suspended = True, False
        self.permissions = {"contents": "write", "pull_requests": "write", "metadata": "read"}
        self.made: dict[str, datetime] = {}
        """Every token that was made, with its end."""
        self.on_token: Callable[[str], None] = lambda _: None

    @property
    def login(self) -> str:
        """The account as which it acts."""
        return f"{self.slug}[bot]"

    @property
    def private_key(self) -> str:
        """The PEM file that GitHub gives."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()

    def knows(self, token: str) -> bool:
        """Whether a token is one of the installation's and has not ended."""
        return token in self.made and self.made[token] > self._now()

    def revoke_all(self) -> None:
        """Let no token count that there is."""
        self.made = dict.fromkeys(self.made, self._now() - timedelta(days=1))

    def answer(self, asked: Asked, shown: str, bodies: Bodies) -> Answer | None:
        """The answer where only an App may ask; None for all other requests."""
        is_token = re.fullmatch(r"/app/installations/(\d+)/access_tokens", asked.path)
        is_installation = re.fullmatch(r"/repos/[^/]+/[^/]+/installation", asked.path)
        if not (asked.path == "/app" or is_token or is_installation):
            return None
        if not self._has_signed(shown):
            return Answer(401, bodies.error(401, "A JSON web token could not be decoded", []))
        if asked.path == "/app":
            return Answer(200, bodies.app(self.slug))
        if not self.is_installed:
            return Answer(404, bodies.error(404, "Not Found", []))
        if is_installation:
            return Answer(200, bodies.installation(_INSTALLATION, is_suspended=self.is_suspended))
        return self._make_token(asked, bodies)

    def _make_token(self, asked: Asked, bodies: Bodies) -> Answer:
        wanted = asked.content()
        if wanted["repositories"] != [bodies.full_name.partition("/")[2]]:
            return Answer(422, bodies.error(422, "There is at least one repository that does not exist", []))
        if not wanted["permissions"].items() <= self.permissions.items():
            message = "The permissions requested are not granted to this installation."
            return Answer(HTTPStatus.UNPROCESSABLE_ENTITY, bodies.error(422, message, []))
        token = f"ghs_{self.app_id}_{uuid4().hex * 8}"
        self.made[token] = self._now() + self.life
        self.on_token(token)
        return Answer(201, bodies.installation_token(token, self.made[token], wanted["permissions"]))

    def _has_signed(self, shown: str) -> bool:
        try:
            told = jwt.decode(shown, self._key.public_key(), algorithms=["RS256"], options=_OUR_OWN_CLOCK)
        except jwt.PyJWTError:
            return False
        at = self._now().timestamp()
        is_in_time = told["iat"] <= at < told["exp"] and told["exp"] - at <= _LONGEST_S
        return bool(is_in_time and told["iss"] == self.app_id)


@cache
def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)

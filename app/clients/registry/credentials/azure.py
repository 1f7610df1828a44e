"""Azure's registries: a token of Entra ID is exchanged at the registry for one that lasts for hours.

Source: https://github.com/Azure/acr/blob/main/docs/AAD-OAuth.md
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import jwt
import requests
from pydantic import BaseModel, ValidationError

from app.clients.bounded_http import AnswerTooLarge
from app.clients.registry.credentials.credential import Credential
from app.clients.registry.credentials.extras import LONGEST_WORDS, bounded_session, load
from app.clients.registry.errors import RegistryRefused, RegistryUnavailable
from app.core.unseen import printable

_USER = "00000000-0000-0000-0000-000000000000"
_SCOPE = "https://containerregistry.azure.net/.default"
_LIFE_S = 600.0  # where the token does not say for how long


class _Exchanged(BaseModel):
    refresh_token: str


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """The secret of an app registration in a tenant; it is read when it is used."""

    tenant_id: str
    client_id: str
    read: Callable[[], str] = field(repr=False)


class Azure:
    """Asks Entra ID with a client's secret, else as azure-identity finds out who we are.

    That is the environment, workload identity, or the machine's managed identity; never what a developer logged in
    with. `client_id` names one where there are several. Raises ExtraMissing.
    """

    def __init__(  # noqa: PLR0913 - one argument a setting
        self,
        host: str,
        *,
        client_id: str | None = None,
        secret: ClientSecret | None = None,
        plain_http: bool = False,
        ca_file: Path | None = None,
        proxy: str | None = None,
    ) -> None:
        self._host, self._client_id, self._secret = host, client_id, secret
        self._url = f"{'http' if plain_http else 'https'}://{host}/oauth2/exchange"
        self._identity = load("azure.identity", extra="azure")
        self._errors = load("azure.core.exceptions", extra="azure")
        # azure-identity says of these, too, that nobody was let in.
        self._unreachable = (self._errors.ServiceRequestError, self._errors.ServiceResponseError)
        self._transport = load("azure.core.pipeline.transport", extra="azure").RequestsTransport
        self._session = bounded_session(ca_file=ca_file, proxy=proxy)

    def issue(self) -> Credential:
        """A user and a refresh token. Raises RegistryRefused, RegistryUnavailable, and what reading the secret does."""
        return self._exchange(self._token())

    def _token(self) -> str:
        try:
            return str(self._ours().get_token(_SCOPE).token)
        except self._identity.CredentialUnavailableError:
            problem = "Azure is not told who we are: give auth.azure.client_secret, or the pod or machine an identity"
            raise RegistryRefused(self._host, problem) from None
        except self._errors.ClientAuthenticationError as error:
            if isinstance(error.__cause__, self._unreachable):
                raise self._not_asked(error.__cause__) from None
            words = printable(" ".join(str(error.message).split()))[:LONGEST_WORDS]
            raise RegistryRefused(self._host, f"Azure refuses us: {words}; check auth.azure") from None
        except (self._errors.AzureError, requests.RequestException) as error:
            raise self._not_asked(error) from None

    def _not_asked(self, error: BaseException) -> RegistryUnavailable:
        return RegistryUnavailable(self._host, f"Azure cannot be asked ({type(error).__name__})")

    def _ours(self) -> Any:
        """A new one each time: a secret may have been changed, and a kept one would give an old token again."""
        how = {
            "transport": self._transport(
                session=self._session,
                session_owner=False,
                use_env_settings=False,
                connection_verify=self._session.verify,
            ),
            "retry_total": 1,
            # The authority is the operator's, by AZURE_AUTHORITY_HOST; there is nobody else to ask about it.
            "disable_instance_discovery": True,
        }
        if self._secret is not None:
            one = self._secret
            return self._identity.ClientSecretCredential(one.tenant_id, one.client_id, one.read(), **how)
        developers = ("cli", "developer_cli", "powershell", "shared_token_cache", "visual_studio_code", "broker")
        return self._identity.DefaultAzureCredential(
            managed_identity_client_id=self._client_id,
            workload_identity_client_id=self._client_id,
            **{f"exclude_{name}_credential": True for name in developers},
            **how,
        )

    def _exchange(self, token: str) -> Credential:
        form = {"grant_type": "access_token", "service": self._host, "access_token": token}
        try:
            answer = self._session.post(self._url, data=form, allow_redirects=False)
        except (requests.RequestException, AnswerTooLarge) as error:
            # Not chained: what was sent is in the error.
            raise RegistryUnavailable(self._host, f"its /oauth2/exchange failed ({type(error).__name__})") from None
        if answer.status_code in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            problem = f"its /oauth2/exchange answered {answer.status_code}; check that auth.azure may AcrPull"
            raise RegistryRefused(self._host, problem)
        if answer.status_code != HTTPStatus.OK:
            raise RegistryUnavailable(self._host, f"its /oauth2/exchange answered {answer.status_code}")
        try:
            issued = _Exchanged.model_validate_json(answer.content).refresh_token
        except ValidationError:
            raise RegistryUnavailable(self._host, "its /oauth2/exchange answered with no token") from None
        return Credential(_USER, issued, _life_s(issued))


def _life_s(token: str) -> float:
    """For how long a token says that it is good, by one clock: that of who issued it."""
    try:
        said = jwt.decode(token, options={"verify_signature": False})
        return float(said["exp"]) - float(said["iat"])
    except (jwt.PyJWTError, KeyError, TypeError, ValueError, json.JSONDecodeError):
        return _LIFE_S

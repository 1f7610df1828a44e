"""Amazon's registries: the password of `ecr:GetAuthorizationToken`, good for twelve hours."""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.clients.registry.credentials.credential import Credential
from app.clients.registry.credentials.extras import LONGEST_WORDS, TIMEOUT_S, load
from app.clients.registry.errors import RegistryRefused, RegistryUnavailable
from app.core.unseen import printable

# Of these AWS says that another time will do.
_LATER = frozenset({"InternalFailure", "RequestTimeout", "ServerException", "ServiceUnavailable"})


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A key of an AWS account; its secret half is read when it is used."""

    id: str
    secret: Callable[[], str] = field(repr=False)


class ECR:
    """Asks AWS as the key says, else as boto3 finds out: web identity, pod identity, instance, environment, profile.

    With a role it asks as that role. Raises ExtraMissing.
    """

    def __init__(  # noqa: PLR0913 - one argument a setting
        self,
        host: str,
        *,
        region: str,
        role_arn: str | None = None,
        key: AccessKey | None = None,
        ca_file: Path | None = None,
        proxy: str | None = None,
    ) -> None:
        self._host, self._region, self._role_arn, self._key = host, region, role_arn, key
        self._boto3 = load("boto3", extra="ecr")
        self._errors = load("botocore.exceptions", extra="ecr")
        self._botocore = load("botocore.session", extra="ecr")
        config = load("botocore.config", extra="ecr").Config
        self._config = config(
            connect_timeout=TIMEOUT_S,
            read_timeout=TIMEOUT_S,
            retries={"total_max_attempts": 2, "mode": "standard"},
            # Not those of the environment, as everywhere.
            proxies={"https": proxy} if proxy else {},
        )
        self._ca_file = ca_file
        self._session: Any = None

    def issue(self) -> Credential:
        """A user and a password. Raises RegistryRefused, RegistryUnavailable, and what reading the key raises."""
        try:
            answer = self._client("ecr", **self._identity()).get_authorization_token()
        except self._errors.ClientError as error:
            raise self._said_no(error) from None
        except self._errors.NoCredentialsError:
            problem = "AWS is not told who we are: give auth.ecr.access_key_id, or the pod or machine a role"
            raise RegistryRefused(self._host, problem) from None
        except (self._errors.HTTPClientError, self._errors.ConnectionError, self._errors.MetadataRetrievalError) as e:
            raise RegistryUnavailable(self._host, f"AWS cannot be asked ({type(e).__name__})") from None
        except self._errors.BotoCoreError as error:
            raise RegistryRefused(self._host, f"AWS cannot be asked: {_words(error)}; check auth.ecr") from None
        return self._read(answer)

    def _identity(self) -> dict[str, str]:
        if self._role_arn is None:
            return self._own_key()
        sts = self._client("sts", **self._own_key())
        role = sts.assume_role(RoleArn=self._role_arn, RoleSessionName="fluxbridge")["Credentials"]
        return {
            "aws_access_key_id": role["AccessKeyId"],
            "aws_secret_access_key": role["SecretAccessKey"],
            "aws_session_token": role["SessionToken"],
        }

    def _own_key(self) -> dict[str, str]:
        if self._key is None:
            return {}
        return {"aws_access_key_id": self._key.id, "aws_secret_access_key": self._key.secret()}

    def _client(self, service: str, **identity: str) -> Any:
        if self._session is None:
            session = self._botocore.get_session()
            # Also of what boto3 asks by itself, such as for a web identity.
            session.set_default_client_config(self._config)
            if self._ca_file is not None:
                session.set_config_variable("ca_bundle", str(self._ca_file))
            self._session = self._boto3.Session(botocore_session=session, region_name=self._region)
        return self._session.client(service, **identity)

    def _said_no(self, error: Any) -> RegistryRefused | RegistryUnavailable:
        code = str(error.response.get("Error", {}).get("Code", ""))[:100]
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if status >= 500 or code in _LATER or "Throttl" in code:
            return RegistryUnavailable(self._host, f"AWS answered {status} {printable(code)}")
        problem = f"AWS answered {_words(error)}; check auth.ecr, and that it may ecr:GetAuthorizationToken"
        return RegistryRefused(self._host, problem)

    def _read(self, answer: Any) -> Credential:
        try:
            told = answer["authorizationData"][0]
            user, colon, password = base64.b64decode(told["authorizationToken"], validate=True).decode().partition(":")
            lasts = told["expiresAt"] - datetime.now(UTC)
        except (KeyError, IndexError, TypeError, ValueError, binascii.Error):
            user = colon = password = ""
        if not (user and colon and password):
            # Not chained: the error may show the token.
            raise RegistryUnavailable(self._host, "AWS answered with no token")
        return Credential(user, password, lasts.total_seconds())


def _words(error: Exception) -> str:
    return printable(" ".join(str(error).split()))[:LONGEST_WORDS]

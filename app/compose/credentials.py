"""What each registry is shown, from its settings."""

from typing import assert_never

from app.clients.registry.credentials.azure import Azure, ClientSecret
from app.clients.registry.credentials.command import Command
from app.clients.registry.credentials.credential import Credentials, Issuer, SecretCredentials
from app.clients.registry.credentials.ecr import ECR, AccessKey
from app.clients.registry.credentials.google import Google
from app.clients.registry.credentials.kept import KeptCredentials
from app.settings.registry_auth import AzureLogin, BasicLogin, ECRLogin, GoogleLogin
from app.settings.secrets import Secret
from app.settings.systems import ImageRegistry


def compose_credentials(one: ImageRegistry) -> Credentials | None:
    """The credentials of one registry; None: it is asked as anonymous. Raises ExtraMissing."""
    match one.login:
        case None:
            return None
        case BasicLogin() as login:
            return SecretCredentials(login.user, login.password.read)
        case Secret() as token:
            return SecretCredentials(None, token.read)
        case ECRLogin() | GoogleLogin() | AzureLogin() | tuple() as login:
            return KeptCredentials(one.host, _issuer(one, login))
        case odd:
            assert_never(odd)


def _issuer(one: ImageRegistry, login: ECRLogin | GoogleLogin | AzureLogin | tuple[str, ...]) -> Issuer:
    match login:
        case ECRLogin():
            return _ecr(one, login)
        case GoogleLogin():
            key = login.key.read if login.key else None
            return Google(one.host, key=key, ca_file=one.ca_file, proxy=one.proxy)
        case AzureLogin():
            return _azure(one, login)
        case tuple():
            return Command(one.host, login)
        case odd:
            assert_never(odd)


def _ecr(one: ImageRegistry, login: ECRLogin) -> Issuer:
    key = None
    if login.access_key_id is not None and login.secret_access_key is not None:
        key = AccessKey(login.access_key_id, login.secret_access_key.read)
    region = one.region or ""
    return ECR(one.host, region=region, role_arn=login.role_arn, key=key, ca_file=one.ca_file, proxy=one.proxy)


def _azure(one: ImageRegistry, login: AzureLogin) -> Issuer:
    secret = None
    if login.tenant_id is not None and login.client_id is not None and login.client_secret is not None:
        secret = ClientSecret(login.tenant_id, login.client_id, login.client_secret.read)
    return Azure(
        one.host,
        client_id=login.client_id,
        secret=secret,
        plain_http=one.plain_http,
        ca_file=one.ca_file,
        proxy=one.proxy,
    )

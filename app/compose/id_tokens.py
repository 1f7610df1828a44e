"""Whose tokens prove a source, from its settings: where their keys are, and what the tokens must say."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from app.clients.kept_keys import KeptKeys
from app.core.errors import Refused
from app.senders.key_sets import DISCOVERY, LARGEST_KEY_SET, KeysUnusable, read_discovery, read_key_set
from app.senders.sender import IdTokens, SigningKeys
from app.settings.sources.id_tokens import IdTokenProof, JenkinsIdTokens


class KeysFileUnusable(Refused):
    """A file that should hold the keys of an issuer of tokens cannot be used."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"{path} should hold the keys that tokens are signed with, but {why}: name a JWKS by keys_file"
        )


@dataclass(frozen=True, slots=True)
class FileKeys:
    """The keys in a file, which is read at each use: whoever puts new ones there need not start anything again."""

    path: Path

    def current(self) -> Mapping[str, RSAPublicKey]:
        """What is in it now. Raises KeysFileUnusable."""
        try:
            return read_key_set(self.path.read_bytes())
        except OSError as error:
            raise KeysFileUnusable(self.path, f"it cannot be read ({error.strerror})") from error
        except KeysUnusable as error:
            raise KeysFileUnusable(self.path, error.problem) from error

    def doubt(self) -> bool:
        """Newer ones than those that were read are nowhere."""
        return False

    def ask(self) -> Mapping[str, RSAPublicKey]:
        """What is in it now. Raises KeysFileUnusable."""
        return self.current()


def google_tokens(one: IdTokenProof) -> IdTokens:
    """Raises CertificatesUnusable; what is wrong with a file of keys shows at its use."""
    keys: SigningKeys
    if one.keys_file is not None:
        keys = FileKeys(one.keys_file)
    else:
        keys = KeptKeys(one.keys_url, read=read_key_set, largest=LARGEST_KEY_SET, ca_file=one.ca_file, proxy=one.proxy)
    return IdTokens(audience=one.audience, signing_keys=keys, account=one.account)


def jenkins_tokens(one: JenkinsIdTokens, jenkins_url: str) -> IdTokens:
    """The same; whose issuer it may be, the settings were checked for."""
    keys: SigningKeys
    if one.keys_file is not None:
        keys = FileKeys(one.keys_file)
    else:
        keys = KeptKeys(
            one.issuer.removesuffix("/") + DISCOVERY,
            read=read_key_set,
            largest=LARGEST_KEY_SET,
            find=partial(read_discovery, issuer=one.issuer, is_plain_http_allowed=one.plain_http),
            ca_file=one.ca_file,
            proxy=one.proxy,
        )
    return IdTokens(
        audience=one.audience,
        signing_keys=keys,
        issuer=one.issuer,
        jenkins_url=jenkins_url,
        jobs_below=one.folder_of(jenkins_url) or jenkins_url,
    )

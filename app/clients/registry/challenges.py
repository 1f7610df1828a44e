"""What a registry's `WWW-Authenticate` header asks for: RFC 9110 challenges and distribution's token flow."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import httpx

_WORD = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_PART = re.compile(rf'(?P<key>{_WORD})\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^\s,"]+))|(?P<scheme>{_WORD})')
_LONGEST_HEADER = 8192


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way in that a server offers; `scheme` and the names of parameters are in lower case."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(header: str) -> Sequence[Challenge]:
    """Read the challenges of a header, or of several that were joined by commas.

    >>> parse_challenges('Bearer realm="https://auth.example/token",service="r", Basic realm=x')[1]
    Challenge(scheme='basic', parameters={'realm': 'x'})
    """
    return list(_challenges(header[:_LONGEST_HEADER]))


def token_url(challenge: Challenge, *, registry: httpx.URL, path: str) -> httpx.URL | None:
    """Where to fetch a token that may pull `path`; None where credentials must not go.

    They go over https, or in clear to the registry's own host and port, where its operator chose plain HTTP anyway.
    Source: distribution's token authentication specification.
    """
    try:
        realm = httpx.URL(challenge.parameters.get("realm", ""))
    except httpx.InvalidURL:
        return None
    is_own_plain = registry.scheme == "http" and (realm.scheme, realm.netloc) == ("http", registry.netloc)
    if not realm.host or realm.userinfo or not (realm.scheme == "https" or is_own_plain):
        return None
    wanted = {"scope": challenge.parameters.get("scope") or f"repository:{path}:pull"}
    if service := challenge.parameters.get("service"):
        wanted["service"] = service
    return realm.copy_merge_params(wanted)


def _challenges(header: str) -> Iterator[Challenge]:
    scheme, parameters = "", dict[str, str]()
    for part in _PART.finditer(header):
        if part["scheme"]:
            if scheme:
                yield Challenge(scheme, parameters)
            scheme, parameters = part["scheme"].lower(), {}
        else:
            quoted = part["quoted"]
            parameters[part["key"].lower()] = part["bare"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
    if scheme:
        yield Challenge(scheme, parameters)

"""What carries a checksum over itself: an edit of anything that is covered would make the whole worthless.

Sources: SOPS, whose `mac` covers every value, encrypted or not, unless `mac_only_encrypted` says otherwise (Flux's
kustomize-controller decrypts object by object, so a document or item with `sops` stands for itself); Sigstore's
k8s-manifest-sigstore, whose annotation signs the object that it stands in.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.core.manifests.text.nodes import MappingNode, Node, last_event, mappings_in
from app.core.manifests.text.scalars import Scalar

ENCRYPTED = "its value is encrypted by SOPS: only sops itself can set it"
BY_SOPS = (
    "SOPS guards it by a checksum (sops.mac), so that an edit by anyone but sops makes the file undecryptable: "
    "encrypt with mac_only_encrypted, or keep what is to be edited in a file of its own"
)
_OF_SOPS = "it belongs to the data of SOPS itself"
_BY_SIGSTORE = "its object is signed (cosign.sigstore.dev/signature), and the signature would no longer fit"
_SIGNATURES = ("cosign.sigstore.dev/signature", "cosign.sigstore.dev/message")
_ENCRYPTED = re.compile(r"ENC\[AES256_GCM,")
_ENV_MAC = re.compile(rb"^[ \t]*sops_mac[ \t]*=", re.MULTILINE)
_ENV_SPARED = re.compile(rb"^[ \t]*sops_mac_only_encrypted[ \t]*=[ \t]*[\"']?true", re.MULTILINE | re.IGNORECASE)
_INI_SECTION = re.compile(rb"^[ \t]*\[sops\][ \t]*\r?$(?P<keys>.*)\Z", re.MULTILINE | re.DOTALL)
_INI_MAC = re.compile(rb"^[ \t]*mac[ \t]*=", re.MULTILINE)
_INI_SPARED = re.compile(rb"^[ \t]*mac_only_encrypted[ \t]*=[ \t]*true", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Seal:
    """The events of a file, from `first` to `last`, that a checksum covers, and why they are not edited."""

    first: int
    last: int
    why: str


def seals_in(characters: str, documents: Sequence[Node]) -> tuple[Seal, ...]:
    """Every checksum that a file carries over a part of itself."""
    if "sops" not in characters and "cosign.sigstore.dev" not in characters:
        return ()
    return tuple(seal for mapping in mappings_in(documents) for seal in _seals_of(mapping))


def why_sealed(seals: Sequence[Seal], node: Node) -> str | None:
    """Why a node is not edited because of a checksum over it; None where none stands in the way."""
    if isinstance(node, Scalar) and _ENCRYPTED.match(node.value):
        return ENCRYPTED
    return next((seal.why for seal in seals if seal.first <= node.event <= seal.last), None)


def why_sealed_lines(content: bytes, value: bytes) -> str | None:
    """The same for a value of a `.env` or INI file."""
    if _ENCRYPTED.match(value.decode("utf-8", "replace")):
        return ENCRYPTED
    section = _INI_SECTION.search(content)
    keys = section["keys"] if section else b""
    is_spared = _ENV_SPARED.search(content) or _INI_SPARED.search(keys)
    is_sealed = _ENV_MAC.search(content) or _INI_MAC.search(keys)
    return BY_SOPS if is_sealed and not is_spared else None


def _seals_of(mapping: MappingNode) -> Iterator[Seal]:
    for own in mapping.find("sops"):
        if isinstance(own, MappingNode) and own.text("mac"):
            yield Seal(own.event, own.last, _OF_SOPS)
            if own.text("mac_only_encrypted").lower() != "true":
                yield Seal(mapping.event, mapping.last, BY_SOPS)
    for metadata in mapping.find("metadata"):
        for annotations in metadata.find("annotations") if isinstance(metadata, MappingNode) else []:
            if isinstance(annotations, MappingNode) and any(map(annotations.text, _SIGNATURES)):
                yield Seal(mapping.event, last_event(mapping), _BY_SIGSTORE)

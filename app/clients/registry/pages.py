"""Pages of tags that a registry sent before, kept to ask only whether they changed."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime

import httpx

_LONGEST_VALIDATOR = 256
# https://www.rfc-editor.org/rfc/rfc9110#section-8.8.2.2: a change within the same second keeps the date.
_SETTLED = timedelta(minutes=1)
_BYTES_A_STRING = 60


@dataclass(frozen=True, slots=True)
class TagPage:
    """One page of a tag list, where the next one is, and the header that asks whether it is another by now."""

    tags: tuple[str, ...]
    following: httpx.URL | None = None
    validator: tuple[str, str] | None = None

    @property
    def is_maybe_full(self) -> bool:
        """Whether it is the last page, and the next tag may begin another one.

        Registries have page sizes of their own, all round numbers. Such a page would stay as it is, and nobody would
        tell of its link to the next.
        """
        return self.following is None and len(self.tags) % 10 == 0

    @property
    def weight(self) -> int:
        """Roughly how many bytes it takes."""
        return sum(_BYTES_A_STRING + len(tag) for tag in self.tags)


def validator_of(answer: httpx.Response) -> tuple[str, str] | None:
    """The header that asks for this answer only if it is another by now; None: its registry knows no such thing."""
    tag, modified = answer.headers.get("etag", ""), answer.headers.get("last-modified", "")
    if tag.isascii() and tag.isprintable() and 0 < len(tag) <= _LONGEST_VALIDATOR:
        return "If-None-Match", tag
    try:
        age = parsedate_to_datetime(answer.headers.get("date", "")) - parsedate_to_datetime(modified)
    except (TypeError, ValueError):
        return None
    return ("If-Modified-Since", modified) if age >= _SETTLED and len(modified) <= _LONGEST_VALIDATOR else None


class PageMemory:
    """The pages that were asked for last, by URL, within bounds. For threads at once."""

    def __init__(self, *, most_pages: int = 5000, most_bytes: int = 32 * 1024 * 1024) -> None:
        self._most_pages, self._most_bytes = most_pages, most_bytes
        self._pages: OrderedDict[str, TagPage] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def recall(self, url: httpx.URL) -> TagPage | None:
        """The page as it was when it was last asked for."""
        with self._lock:
            page = self._pages.get(str(url))
            if page is not None:
                self._pages.move_to_end(str(url))
            return page

    def keep(self, url: httpx.URL, page: TagPage) -> None:
        """Remember a page in place of an older one, if it can be asked for anew and is not too large."""
        with self._lock:
            self._drop(url)
            if page.validator is None or page.is_maybe_full or page.weight > self._most_bytes:
                return
            self._pages[str(url)] = page
            self._bytes += page.weight
            while len(self._pages) > self._most_pages or self._bytes > self._most_bytes:
                _, oldest = self._pages.popitem(last=False)
                self._bytes -= oldest.weight

    def forget(self, url: httpx.URL) -> None:
        """Remember nothing of a page."""
        with self._lock:
            self._drop(url)

    def _drop(self, url: httpx.URL) -> None:
        page = self._pages.pop(str(url), None)
        self._bytes -= page.weight if page else 0

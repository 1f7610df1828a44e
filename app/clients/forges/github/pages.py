"""The pages of a list on GitHub."""

from collections.abc import Iterator, Mapping
from typing import TypeVar
from urllib.parse import parse_qsl, urlsplit

from github.Repository import Repository
from pydantic import TypeAdapter
from requests.utils import parse_header_links

PAGE = 100

Item = TypeVar("Item")


def read_pages(
    repository: Repository, place: str, query: Mapping[str, str], page: TypeAdapter[list[Item]]
) -> Iterator[list[Item]]:
    """Every page up to an empty one; `place` is what follows the repository's own URL.

    Of a link to the next page only the query is taken, so that the address stays ours. Whoever reads decides when it is
    enough: an odd server's pages may never end.
    """
    asked = dict(query) | {"per_page": str(PAGE)}
    while asked:
        headers, content = repository.requester.requestJsonAndCheck("GET", repository.url + place, asked)
        items = page.validate_python(content)
        yield items
        asked = _query_of_next(headers.get("link", "")) if items else {}


def _query_of_next(link: str) -> dict[str, str]:
    links = parse_header_links(link) if link else []
    urls = [each["url"] for each in links if each.get("rel") == "next"]
    return dict(parse_qsl(urlsplit(urls[0]).query)) if urls else {}

"""Where a stage's files are: folders, files, and patterns for either."""

import re
from collections.abc import Callable
from functools import lru_cache

from app.core.flux.globs import compile_globs
from app.core.flux.paths import is_below

_WILDCARD = re.compile(r"[*?]")
_ANY_NAME = re.compile(r"[*?]+")
# Each file is compared with each pattern: so many are ready at once, of several lanes too.
MOST_PATTERNS = 1000
_MOST_COMPILED = 4 * MOST_PATTERNS


def literal_part(path: str) -> str:
    """What a path says before its first wildcard: the longer it is, the nearer it is to a file.

    >>> literal_part("apps/*/prod"), literal_part("apps/prod")
    ('apps/', 'apps/prod')
    """
    wildcard = _WILDCARD.search(path)
    return path[: wildcard.start()] if wildcard else path


def is_narrow(path: str) -> bool:
    """Tell whether a pattern is about certain files, not about all that is left in a folder.

    >>> is_narrow("**/prod.yaml"), is_narrow("apps/**"), is_narrow("apps")
    (True, False, False)
    """
    return literal_part(path) != path and not _ANY_NAME.fullmatch(path.rpartition("/")[2])


def holds(path: str, file: str) -> bool:
    """Tell whether a path is a file or a folder above it; `*` and `?` stand within a name, `**` for any folders.

    >>> holds("apps/staging", "apps/staging/app.yaml"), holds("apps/staging", "apps/staging2/app.yaml")
    (True, False)
    >>> holds("apps/*/prod", "apps/shop/prod/app.yaml"), holds("**/prod.yaml", "apps/shop/prod.yaml")
    (True, True)
    """
    literal = literal_part(path)
    if literal == path:
        return is_below(file, path)
    return file.startswith(literal) and _compiled(path)(file)


@lru_cache(maxsize=_MOST_COMPILED)
def _compiled(path: str) -> Callable[[str], bool]:
    return compile_globs((path, f"{path}/**"))

"""Names of jobs as JOB_NAME has them: one rule for signed reports, the Notification plugin and the sweep."""

import unicodedata

_LONGEST = 1000
# Jenkins takes all of these; in logs, pages and terminals they make a text look like another one.
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_CONTROLS = frozenset({"Cc", "Cs", "Zl", "Zp"})
_ANNOTATIONS = frozenset("\ufff9\ufffa\ufffb")


def job_name_problem(text: str) -> str | None:
    """Why a text can be no JOB_NAME, or none that we take; None: it is one.

    Folders and job stand between single `/`, a branch's own `/` is `%2F`. Spaces and joiners of Unicode are part of
    names. Jenkins itself refuses control characters; those that turn the direction of text are refused here only.

    >>> job_name_problem("team/app/feature%2Flogin"), job_name_problem("team/\u3000app\u200d")
    (None, None)
    >>> job_name_problem("team//app"), job_name_problem("team/\u202eppa")
    ("a folder or job in it is empty, '.' or '..'", 'it holds U+202E, which turns the direction of text')
    """
    if len(text) > _LONGEST:
        return f"it is longer than {_LONGEST} characters"
    turning = next((one for one in text if one in _TURNING), None)
    if turning is not None:
        return f"it holds U+{ord(turning):04X}, which turns the direction of text"
    if any(unicodedata.category(one) in _CONTROLS or one in _ANNOTATIONS for one in text):
        return "it holds control characters"
    if any(segment.strip(" ") in {"", ".", ".."} for segment in text.split("/")):
        return "a folder or job in it is empty, '.' or '..'"
    return None

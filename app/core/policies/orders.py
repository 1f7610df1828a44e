"""The word that turns an alphabetical or numerical policy round."""

from app.core.policies.spec import InvalidPolicy
from app.core.policies.verdicts import quoted


def is_descending(order: str) -> bool:
    """Tell whether an order is `desc` rather than `asc` or empty, in any case. Raises InvalidPolicy.

    >>> is_descending("DESC"), is_descending("")
    (True, False)
    """
    match order.upper():
        case "DESC":
            return True
        case "ASC" | "":
            return False
    raise InvalidPolicy(f"the order {quoted(order)} is not known: write asc or desc")

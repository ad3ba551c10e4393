"""What of a folder is not learned from, said to its owner."""

from collections.abc import Iterable

NAMED = 3  # of each reason


def told(count: int, what: str, reason: str, names: Iterable[str]) -> str:
    """How many of `what` ("clip") were left out, why, and in which files or folders they are: the first of them."""
    files = list(dict.fromkeys(names))
    more = f" and {len(files) - NAMED} more" if len(files) > NAMED else ""
    return f"{counted(count, what)} left out: {reason} ({', '.join(files[:NAMED])}{more})"


def counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"

"""How the user calls us in a terminal: what he is told to type begins so, and works where he stands."""

import os

VARIABLE = "ANTHESIS_COMMAND"  # build.py puts into it how it was called itself, for what it starts
WITHOUT = "python -m backend"  # how the backend is called by itself


def command(words: str) -> str:
    """What to type for a command of the backend, given with its options: "models get mvdream"."""
    return f"{os.environ.get(VARIABLE) or WITHOUT} {words}"

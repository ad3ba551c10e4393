"""The one place that knows where the backend lies: its protocol, its folder, what it needs.

In the shipped extension `backend/` lies inside the add-on; in the source tree it lies beside it.
"""

from pathlib import Path

try:
    from .backend import protocol
except ModuleNotFoundError as error:
    if error.name != f"{__package__}.backend":  # a package that the backend's own module misses is another matter
        raise
    from backend import protocol

# Where `python -m backend` finds its package, and the lists of what that Python has to have: for the built-in engine,
# and for the learned ones.
BACKEND_FOLDER = Path(protocol.__file__).resolve().parents[2]
REQUIREMENTS = BACKEND_FOLDER / "backend" / "requirements.txt"
LEARNED_REQUIREMENTS = BACKEND_FOLDER / "backend" / "requirements-learned.txt"

__all__ = ["BACKEND_FOLDER", "LEARNED_REQUIREMENTS", "REQUIREMENTS", "protocol"]

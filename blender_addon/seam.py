"""The one place that knows where the shared protocol lies.

In the shipped extension `backend/` lies inside the add-on; in the source tree it lies beside it.
"""

try:
    from .backend import protocol
except ModuleNotFoundError:
    from backend import protocol

__all__ = ["protocol"]

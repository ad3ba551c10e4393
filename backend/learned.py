"""Whether the libraries of learned engines are there, and what to do where they are not. It loads none of them."""

import importlib.util
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).parent / "requirements-learned.txt"


class NotInstalled(ValueError):
    """A learned engine is wanted, and its libraries are not there; the message says what to do."""


def missing(**modules: str) -> list[str]:
    """The packages of the modules that cannot be found."""
    return [package for module, package in modules.items() if importlib.util.find_spec(module) is None]


def wanted(**modules: str) -> None:
    """Raises NotInstalled where one of the modules cannot be found; each with the name of its package."""
    if packages := missing(**modules):
        raise NotInstalled(
            f'Not installed: {", ".join(packages)}. Run: "{sys.executable}" -m pip install -r "{REQUIREMENTS}"'
        )

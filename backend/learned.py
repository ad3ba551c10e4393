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


def advice() -> str:
    """What to do where some are missing."""
    return f'Press Install Learned Engine in Blender, or run: "{sys.executable}" -m pip install -r "{REQUIREMENTS}"'


def lacking(**modules: str) -> str:
    """Which of the modules cannot be found, each by the name of its package, and what to do; "" where all are there."""
    packages = missing(**modules)
    return f"Not installed: {', '.join(packages)}. {advice()}" if packages else ""


def wanted(**modules: str) -> None:
    """Raises NotInstalled where one of the modules cannot be found; each with the name of its package."""
    if sentence := lacking(**modules):
        raise NotInstalled(sentence)

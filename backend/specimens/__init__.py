"""Procedural living things. Each file but core and foliage is one, named as its record in backend.species: it holds
LIFE and `grow(record, seed)`."""

import importlib
from types import ModuleType

from backend.species import Species


def module_of(kind: type[Species]) -> ModuleType:
    """The file of a specimen, imported only now."""
    return importlib.import_module(f"backend.specimens.{kind.__struct_config__.tag}")


def grow(record: Species, seed: int):
    """The Specimen that a record describes; `seed` picks the individual."""
    return module_of(type(record)).grow(record, seed)

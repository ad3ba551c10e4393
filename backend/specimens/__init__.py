"""Procedural living things: one module for each record in backend.species, of its name. It holds
`grow(record, seed)`.

The other modules are what specimens are made of: core (grids joined into a mesh), foliage, midribs, falling, fire,
puddle, solids; and what is done with whole ones: wind, bouquet.
"""

import importlib
from types import ModuleType

from backend.species import Species
from backend.specimens.core import Specimen


def module_of(kind: type[Species]) -> ModuleType:
    """The module of a specimen, imported only now."""
    return importlib.import_module(f"backend.specimens.{kind.__struct_config__.tag}")


def grow(record: Species, seed: int) -> Specimen:
    """The Specimen that a record describes; `seed` picks the individual."""
    return module_of(type(record)).grow(record, seed)

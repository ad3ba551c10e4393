"""Procedural living things: one module for each record in backend.species, of its name. It holds
`grow(record, seed)`.

The other modules are what specimens are made of: core (grids joined into a mesh), foliage, midribs, falling, fire,
puddle, solids; and what is done with whole ones: wind, bouquet.
"""

import importlib

from backend.species import Species
from backend.specimens.core import Specimen


def grow(record: Species, seed: int) -> Specimen:
    """The Specimen that a record describes, from its module, imported only now; `seed` picks the individual."""
    return importlib.import_module(f"backend.specimens.{record.__struct_config__.tag}").grow(record, seed)

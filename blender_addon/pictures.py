# SPDX-License-Identifier: GPL-3.0-or-later

"""The small pictures of the process menu: pictures/NAME.png, and one of Blender's icons where there is none."""

from pathlib import Path

from bpy.utils import previews

from .seam import protocol

FOLDER = Path(__file__).parent / "pictures"
ICONS = {
    "wilt": "MOD_SIMPLEDEFORM",
    "melt": "MOD_FLUIDSIM",
    "shrivel": "MOD_SHRINKWRAP",
    "rot": "FORCE_TEXTURE",
    "grow": "MOD_BUILD",
    "bloom": "LIGHT_SUN",
    "close": "INVERSESQUARECURVE",
    "swell": "SPHERE",
    "burn": "MOD_EXPLODE",
    "freeze": "FREEZE",
    "rust": "TEXTURE",
    "crumple": "MOD_CLOTH",
}

_loaded = None
_items: list[tuple] = []  # Blender keeps no reference to what an items callback hands it


def start() -> None:
    global _loaded
    _loaded = previews.new()
    for name in protocol.PROCESSES:
        file = FOLDER / f"{name}.png"
        if file.is_file():
            _loaded.load(name, str(file), "IMAGE")
    _items[:] = [
        (name, name.title(), kind.__doc__.strip().rstrip("."), icon(name), number)
        for number, (name, kind) in enumerate(protocol.PROCESSES.items())
    ]


def stop() -> None:
    previews.remove(_loaded)


def are_there() -> bool:
    """A picture of each process."""
    return len(_loaded) == len(protocol.PROCESSES)


def icon(name: str) -> int | str:
    return _loaded[name].icon_id if name in _loaded else ICONS.get(name, "NONE")


def items(_group, _context) -> list[tuple]:
    """What the process menu offers."""
    return _items

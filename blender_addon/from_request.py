# SPDX-License-Identifier: GPL-3.0-or-later

"""Properties of Blender made from the request types of the protocol: their fields, limits, titles and defaults."""

from collections.abc import Callable, Collection

import bpy
import msgspec
from bpy.props import BoolProperty, EnumProperty, FloatProperty, FloatVectorProperty, IntProperty, StringProperty
from msgspec import inspect

from . import preferences

UNITS = {"metre": {"subtype": "DISTANCE", "unit": "LENGTH"}, "radian": {"subtype": "ANGLE", "unit": "ROTATION"}}
RELATIVE = {"PATH_SUPPORTS_BLEND_RELATIVE"} if bpy.app.version >= (4, 5, 0) else set()  # values() makes it absolute
CHOICES = {"builtin": "Built-In"}  # where capitalising the words is not enough


def made_from(request: type[msgspec.Struct], leave_out: Collection[str] = (), updates: dict | None = None) -> dict:
    """One Blender property for each field of a request type, by name; `updates` are called when one is changed."""
    fields = [field for field in inspect.type_info(request).fields if field.name not in leave_out]
    return {field.name: _property(field, (updates or {}).get(field.name)) for field in fields}


def _property(field: inspect.Field, update: Callable | None):
    about = field.type.extra_json_schema
    common = {"name": about["title"], "description": about["description"], "update": update}
    if field.default is not msgspec.NODEFAULT:
        common["default"] = field.default
    match field.type.type:
        case inspect.LiteralType(values=values):
            items = [(value, CHOICES.get(value, value.replace("_", " ").title()), "") for value in values]
            return EnumProperty(items=items, **common)
        case inspect.BoolType():
            return BoolProperty(**common)
        case inspect.IntType(ge=least, le=most):
            return IntProperty(min=least, max=most, **common)
        case inspect.FloatType(ge=least, le=most):
            return FloatProperty(min=least, max=most, **_measure(field, least, most), **common)
        case inspect.TupleType(item_types=channels):  # colours, linear
            return FloatVectorProperty(size=len(channels), min=0, max=1, subtype="COLOR", **common)
        case inspect.StrType() if _is_folder(field):
            return StringProperty(subtype="DIR_PATH", options=RELATIVE, **common)
        case inspect.StrType():
            return StringProperty(options={"TEXTEDIT_UPDATE"} if update else set(), **common)
        case other:
            raise TypeError(f"{field.name}: no property of Blender shows {other}")


def _measure(field: inspect.Field, least: float, most: float) -> dict[str, object]:
    """How Blender shows a number: lengths and angles in the units of the scene, shares as sliders."""
    unit, small = (field.type.extra or {}).get("unit"), 0 < least < 0.01
    if unit:
        return UNITS[unit] | ({"precision": 4} if small and unit == "metre" else {})  # where millimetres count
    return {"subtype": "FACTOR" if most == 1 else "NONE"} | ({"precision": 3} if small else {})


def _is_folder(field: inspect.Field) -> bool:
    return isinstance(field.type, inspect.Metadata) and (field.type.extra or {}).get("path") == "folder"


def values(group: bpy.types.PropertyGroup, request: type[msgspec.Struct], leave_out: Collection[str] = ()) -> dict:
    """The fields of a request as the panel has them. Blender's floats are single: 0.1 shall not be 0.10000000149. What
    names a folder relative to the file is made absolute; for a backend elsewhere it stays as it was typed."""
    found = {name: getattr(group, name) for name in request.__struct_fields__ if name not in leave_out}
    if not preferences.current().remote:
        folders = {field.name for field in inspect.type_info(request).fields if _is_folder(field)}
        found |= {name: bpy.path.abspath(found[name]) for name in folders & found.keys()}
    return {name: _plain(value) for name, value in found.items()}


def _plain(value):
    if isinstance(value, float):
        return float(f"{value:.6g}")
    return value if isinstance(value, (bool, int, str)) else tuple(map(_plain, value))

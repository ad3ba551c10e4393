# SPDX-License-Identifier: GPL-3.0-or-later

"""What the panel lets one set. Fields, limits, titles and defaults come from the request types of the protocol."""

import bpy
import msgspec
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)
from msgspec import inspect

from .seam import protocol

CHOICES = {"builtin": "Built-In"}  # where capitalising the word is not enough


def made_from(request: type[msgspec.Struct]) -> dict:
    """One Blender property for each field of a request type, by name."""
    return {field.name: _property(field) for field in inspect.type_info(request).fields}


def _property(field: inspect.Field):
    about = field.type.extra_json_schema
    common = {"name": about["title"], "description": about["description"]}
    if field.default is not msgspec.NODEFAULT:
        common["default"] = field.default
    match field.type.type:
        case inspect.LiteralType(values=values):
            items = [(value, CHOICES.get(value, value.capitalize()), "") for value in values]
            return EnumProperty(items=items, **common)
        case inspect.BoolType():
            return BoolProperty(**common)
        case inspect.IntType(ge=least, le=most):
            return IntProperty(min=least, max=most, **common)
        case inspect.FloatType(ge=least, le=most):
            return FloatProperty(min=least, max=most, subtype="FACTOR" if most == 1 else "NONE", **common)
        case inspect.StrType():
            return StringProperty(**common)
        case other:
            raise TypeError(f"{field.name}: no property of Blender shows {other}")


def _values(group: bpy.types.PropertyGroup, request: type[msgspec.Struct]) -> dict:
    """The fields of a request as the panel has them. Blender's floats are single: 0.1 shall not be 0.10000000149."""
    values = {name: getattr(group, name) for name in request.__struct_fields__}
    return {name: float(f"{value:.6g}") if isinstance(value, float) else value for name, value in values.items()}


class AnthesisGenerateSettings(bpy.types.PropertyGroup):
    """What to make from words."""

    __annotations__ = made_from(protocol.Generate) | {
        "text": PointerProperty(
            type=bpy.types.Text,
            name="Text",
            description="Take the prompt from this text datablock instead of the field above",
        )
    }

    def to_request(self) -> protocol.Generate:
        """Raises ValueError with a sentence for a prompt that cannot be used."""
        values = _values(self, protocol.Generate)
        if self.text is not None:
            values["prompt"] = self.text.as_string()
        return protocol.Generate(**values)


class AnthesisAnimateSettings(bpy.types.PropertyGroup):
    """What shall happen to the selected mesh."""

    __annotations__ = made_from(protocol.Animate) | {
        "pin_group": StringProperty(
            name="Pin", description="Vertex group that stays in place, by its weight; none: the backend finds the root"
        ),
        "weight_group": StringProperty(
            name="Effect", description="Vertex group that says how strongly each vertex takes part; none: all fully"
        ),
    }

    def to_request(self) -> protocol.Animate:
        return protocol.Animate(**_values(self, protocol.Animate))


class AnthesisSettings(bpy.types.PropertyGroup):
    """Scene.anthesis: saved with the file."""

    generate: PointerProperty(type=AnthesisGenerateSettings)
    animate: PointerProperty(type=AnthesisAnimateSettings)


class AnthesisJob(bpy.types.PropertyGroup):
    """One row of the list of jobs, rebuilt from the session; `name` is the job's id. For display only."""

    title: StringProperty(name="Title")
    state: StringProperty(name="State")
    text: StringProperty(name="Text", description="What is being done, or what went wrong")
    factor: FloatProperty(name="Progress", min=0, max=1, subtype="FACTOR")
    bar: StringProperty(name="Label", description="What the progress bar says")
    final: BoolProperty(name="Finished")
    imported: BoolProperty(name="Imported", description="Its result was read into this file before")
    details: BoolProperty(name="Details", description="There is more to show about what went wrong")
    importable: BoolProperty(name="Importable", description="There is a result that can be read into this file")


class AnthesisWindow(bpy.types.PropertyGroup):
    """WindowManager.anthesis: neither saved nor undone."""

    jobs: CollectionProperty(type=AnthesisJob)
    job_index: IntProperty(name="Job", options={"SKIP_SAVE"})


CLASSES = (
    AnthesisGenerateSettings,
    AnthesisAnimateSettings,
    AnthesisSettings,
    AnthesisJob,
    AnthesisWindow,
)

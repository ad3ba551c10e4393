# SPDX-License-Identifier: GPL-3.0-or-later

"""What the panel lets one set. Fields, limits, titles and defaults come from the request types of the protocol."""

import math

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from . import specimens, stages, subjects
from .from_request import RELATIVE, made_from, values
from .scene import sheet
from .seam import protocol

OF_ONE = {"specimen", "count", "age"}  # fields of Generate that an order fills in for each individual
OF_LOOK = {"camera", *protocol.Sway.__struct_fields__}  # fields of SwayAsSeen that its own settings do not have
OF_VIEWS = {"prompt", "negative", "model", "seed"}  # fields of Views that are those of the mesh
OF_LIFE = {"stages", "as_it_is"}  # fields of TextToMesh that are not set beside the others
OWN_OF_LOOK = {"camera", *protocol.SwayAsSeen.__struct_fields__} - set(protocol.Sway.__struct_fields__)
VARIATIONS = 3  # distinct individuals of a bouquet, unless told otherwise
MOST_VARIATIONS = 12


def count() -> IntProperty:
    """For the panel, and for an operator whose last values are not those of the next time."""
    return IntProperty(
        name="Count",
        description="How many are made; 0: as many as the prompt says",
        min=0,
        max=protocol.INDIVIDUALS,
        options={"SKIP_SAVE"},
    )


def variations() -> IntProperty:
    """As count()."""
    return IntProperty(
        name="Variations",
        description=(
            "How many distinct individuals a bouquet has, each with a shape, an age and shape keys of its own. "
            "All others share the mesh and the keys of one of them, and so its age, and take next to no memory"
        ),
        default=VARIATIONS,
        min=1,
        max=MOST_VARIATIONS,
        options={"SKIP_SAVE"},
    )


def _typed(_settings, _context) -> None:
    from . import events  # which draws what is made from here

    events.hurry()


def _views_chosen(settings, _context) -> None:
    if settings.image is not None and (made_by := sheet.made(settings.image)):
        settings.seed = int(made_by["seed"])


class AnthesisGenerateSettings(bpy.types.PropertyGroup):
    """What to make from words."""

    __annotations__ = made_from(protocol.Generate, OF_ONE, {"prompt": _typed}) | {
        "count": count(),
        "variations": variations(),
        "text": PointerProperty(
            type=bpy.types.Text,
            name="Text",
            description="Take the prompt from this text datablock instead of the field above",
        ),
    }

    @property
    def words(self) -> str:
        """The prompt, wherever it stands."""
        return self.prompt if self.text is None else self.text.as_string()

    def to_request(self) -> protocol.Generate:
        """Of one individual. Raises ValueError with a sentence for a prompt that cannot be used."""
        return protocol.Generate(**values(self, protocol.Generate, OF_ONE) | {"prompt": self.words})


class AnthesisAnimateSettings(bpy.types.PropertyGroup):
    """What shall happen to the selected mesh: one process, `stage`, or where there are several, all of `stages`."""

    __annotations__ = made_from(protocol.Animate, {"stages"}, stages.keep_apart("first", "last", stages.GAP)) | {
        "stage": PointerProperty(type=stages.AnthesisStage),
        "stages": CollectionProperty(type=stages.AnthesisStage, name="Processes"),
        "stage_index": IntProperty(name="Process", min=0),
        "pin_group": StringProperty(
            name="Pin", description="Vertex group that stays in place, by its weight; none: the backend finds the root"
        ),
        "weight_group": StringProperty(
            name="Effect", description="Vertex group that says how strongly each vertex takes part; none: all fully"
        ),
        "only_selected": BoolProperty(
            name="Only Selected Vertices",
            description="Only what was selected in Edit Mode takes part. It takes the place of the group Effect",
        ),
    }

    @property
    def chosen(self) -> stages.AnthesisStage:
        """The process whose sliders are shown."""
        return self.stages[min(self.stage_index, len(self.stages) - 1)] if self.stages else self.stage

    def to_request(self) -> protocol.Animate:
        """Raises ValueError with a sentence for processes that cannot follow one another."""
        wanted = [stage.to_stage() for stage in self.stages or [self.stage]]
        wanted.sort(key=lambda stage: stage.start)  # at equal starts as in the list
        return protocol.Animate(stages=tuple(wanted), **values(self, protocol.Animate, {"stages"}))


class AnthesisSwaySettings(bpy.types.PropertyGroup):
    """How the selected mesh shall sway. What of it sways is what takes part in processes too."""

    __annotations__ = made_from(protocol.Sway)

    def to_request(self) -> protocol.Sway:
        """Raises ValueError with a sentence for a loop that frames cannot show."""
        return protocol.Sway(**values(self, protocol.Sway))


class AnthesisSeenSettings(bpy.types.PropertyGroup):
    """What to move the selected mesh by, where it shall sway as it is seen. How it gives way is as in the wind."""

    __annotations__ = made_from(protocol.SwayAsSeen, OF_LOOK) | {
        "picture": PointerProperty(
            type=bpy.types.Image,
            name="Picture",
            description=(
                "A render or a photo of the object's mesh at rest, without its modifiers, taken through the scene's "
                "camera; none: what the 3D view shows of that now"
            ),
        ),
    }

    def to_request(self, swaying: AnthesisSwaySettings, camera: protocol.Camera) -> protocol.SwayAsSeen:
        of_sway = values(swaying, protocol.SwayAsSeen, OWN_OF_LOOK)
        return protocol.SwayAsSeen(**of_sway, **values(self, protocol.SwayAsSeen, OF_LOOK), camera=camera)


class AnthesisPictureSettings(bpy.types.PropertyGroup):
    """A picture that shall come to life."""

    __annotations__ = made_from(protocol.Plane) | {
        "image": PointerProperty(type=bpy.types.Image, name="Picture", description="The picture to bring to life"),
    }

    def to_request(self) -> protocol.Plane:
        return protocol.Plane(**values(self, protocol.Plane))


class AnthesisViewsSettings(bpy.types.PropertyGroup):
    """How a thing is looked at before there is a mesh of it. What it is stands with that mesh."""

    __annotations__ = made_from(protocol.Views, OF_VIEWS)


class AnthesisTextToMeshSettings(bpy.types.PropertyGroup):
    """What to make a mesh of, from words. What it lives through is what they say, or what is under Animate Selected."""

    __annotations__ = made_from(protocol.TextToMesh, OF_LIFE, stages.keep_apart("first", "last", stages.GAP)) | {
        "image": PointerProperty(
            type=bpy.types.Image,
            name="Views",
            description="The views that were made last. Others can be chosen: their seed is then that of the mesh",
            poll=lambda _settings, image: bool(sheet.made(image)),
            update=_views_chosen,
        ),
        "subject": EnumProperty(
            name="Subject",
            description="What a model has learnt of yours: it makes the views and meshes, and is set as the model",
            items=subjects.items,
            get=subjects.chosen,
            set=subjects.choose,
        ),
        "animate": BoolProperty(
            name="Processes of Animate Selected",
            description="Let the mesh live through what is under Animate Selected, whatever the prompt says of that",
        ),
    }

    def to_views(self, looking: AnthesisViewsSettings) -> protocol.Views:
        """Raises ValueError with a sentence for a prompt that cannot be used."""
        shared = {name: value for name, value in self._wanted().items() if name in OF_VIEWS}
        return protocol.Views(**shared, **values(looking, protocol.Views, OF_VIEWS))

    def to_request(self, animating: AnthesisAnimateSettings) -> protocol.TextToMesh:
        """Raises ValueError with a sentence, for processes that cannot follow one another too."""
        lives = animating.to_request().stages if self.animate else ()
        return protocol.TextToMesh(**self._wanted(), stages=lives)

    def is_of(self, made_by: dict[str, str]) -> bool:
        """Whether what made some views is what is asked for here."""
        return all(str(value) == made_by.get(name) for name, value in self._wanted().items() if name in OF_VIEWS)

    def begins_otherwise(self, made_by: dict[str, str]) -> bool:
        """Whether a mesh of what made some views would begin with others: those draw as they were set under Views."""
        usual = protocol.Views(prompt="any")
        return (
            self.views
            and made_by.get("kind") == "views"
            and any(
                not math.isclose(float(made_by[name]), getattr(usual, name), rel_tol=1e-4)
                for name in set(protocol.Views.__struct_fields__) - OF_VIEWS
                if name in made_by
            )
        )

    def take(self, made_by: dict[str, str]) -> None:
        """Ask for what made some views."""
        for name in OF_VIEWS:
            setattr(self, name, type(getattr(self, name))(made_by[name]))

    def _wanted(self) -> dict:
        return values(self, protocol.TextToMesh, OF_LIFE)


class AnthesisSubjectSettings(bpy.types.PropertyGroup):
    """A thing of the artist's that a model of views shall learn."""

    __annotations__ = made_from(protocol.LearnSubject) | {
        "pictures": StringProperty(
            name="Pictures",
            description=f"Folder of {protocol.PICTURES[0]} to {protocol.PICTURES[1]} pictures of it, and of no others",
            subtype="DIR_PATH",
            options=RELATIVE,
        ),
    }

    def to_request(self) -> protocol.LearnSubject:
        """Raises ValueError with a sentence for a name that cannot be used."""
        return protocol.LearnSubject(**values(self, protocol.LearnSubject))


class AnthesisSettings(bpy.types.PropertyGroup):
    """Scene.anthesis: saved with the file."""

    generate: PointerProperty(type=AnthesisGenerateSettings)
    animate: PointerProperty(type=AnthesisAnimateSettings)
    sway: PointerProperty(type=AnthesisSwaySettings)
    seen: PointerProperty(type=AnthesisSeenSettings)
    picture: PointerProperty(type=AnthesisPictureSettings)
    views: PointerProperty(type=AnthesisViewsSettings)
    text_to_mesh: PointerProperty(type=AnthesisTextToMeshSettings)
    subject: PointerProperty(type=AnthesisSubjectSettings)


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
    begun: BoolProperty(name="Begun", description="There is a mesh that was not optimised to the end")


class AnthesisWindow(bpy.types.PropertyGroup):
    """WindowManager.anthesis: neither saved nor undone."""

    jobs: CollectionProperty(type=AnthesisJob)
    job_index: IntProperty(name="Job", options={"SKIP_SAVE"})


CLASSES = (
    *specimens.CLASSES,
    *stages.CLASSES,
    AnthesisGenerateSettings,
    AnthesisAnimateSettings,
    AnthesisSwaySettings,
    AnthesisSeenSettings,
    AnthesisPictureSettings,
    AnthesisViewsSettings,
    AnthesisTextToMeshSettings,
    AnthesisSubjectSettings,
    AnthesisSettings,
    AnthesisJob,
    AnthesisWindow,
)

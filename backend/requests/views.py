"""Words to views of one thing, and from there to a textured mesh."""

import math
from typing import Annotated

from msgspec import Meta, Struct

from .fields import STAGES, First, Fps, Frames, Last, Preview, Prompt, Reverse, Seed, Timing, check_prompt, check_size
from .life import check_life
from .processes import Stage

FACES = (100, 200_000)
VIEWS = 8  # of one thing, at most

# What MVDream's authors draw away from, in all that they make.
NEGATIVE = (
    "ugly, bad anatomy, blurry, pixelated obscure, unnatural colors, poor lighting, dull, and unclear, cropped, "
    "lowres, low quality, artifacts, duplicate, morbid, mutilated, poorly drawn face, deformed, dehydrated, bad "
    "proportions"
)

Negative = Annotated[
    str, Meta(title="Negative Prompt", description="What it should not be like; models that know few words read few")
]
Scale = Annotated[
    float,
    Meta(
        ge=0.0,
        le=200.0,
        title="Guidance",
        description="How closely it keeps to the words, at the price of garish colours; 0: as suits the model",
    ),
]
ViewModel = Annotated[
    str,
    Meta(
        max_length=1024,
        title="Model",
        description="Folder of a trained model of views, or the name of a public one or of a subject; empty: the one "
        "that comes with Anthesis",
        extra={"path": "folder"},
    ),
]


class Views(Struct, frozen=True, kw_only=True, tag="views", forbid_unknown_fields=True):
    """Pictures of what words say, all of one thing, from cameras evenly around it.

    After "MVDream" (arXiv:2308.16512).
    """

    prompt: Prompt
    negative: Negative = NEGATIVE
    count: Annotated[
        int, Meta(ge=2, le=VIEWS, title="Views", description="From how many sides it is seen, evenly around it")
    ] = 4
    elevation: Annotated[
        float,
        Meta(
            ge=-math.pi / 2,
            le=math.pi / 2,
            title="Elevation",
            description="How high above its middle the cameras are",
            extra={"unit": "radian"},
        ),
    ] = math.radians(15)
    steps: Annotated[
        int,
        Meta(ge=0, le=1000, title="Steps", description="In how many they are drawn from noise; 0: as suits the model"),
    ] = 0
    scale: Scale = 0.0
    model: ViewModel = ""
    seed: Seed = 0

    def __post_init__(self):
        check_prompt(self.prompt)
        check_size(self.negative, "negative prompt")


class TextToMesh(Struct, frozen=True, kw_only=True, tag="text_to_mesh", forbid_unknown_fields=True):
    """A textured mesh of what words say, and what it lives through then.

    After "MVDream" (arXiv:2308.16512). Without stages it lives through what the words say, and is still where they say
    nothing of that.
    """

    prompt: Prompt
    negative: Negative = NEGATIVE
    views: Annotated[
        bool,
        Meta(
            title="Start from Views",
            description="Begin with the views that Make Views shows for this seed while its own settings, under Views, "
            "are as they come; otherwise it begins with nothing",
        ),
    ] = True
    steps: Annotated[
        int,
        Meta(ge=0, le=100_000, title="Steps", description="Of optimising; 0: as suits the model"),
    ] = 0
    scale: Scale = 0.0
    shading: Annotated[
        bool,
        Meta(
            title="Shading",
            description="Light it while it is made: its shape gets truer, less light stays in its texture, and it gets "
            "a map of roughness, matt all over since gloss is not found; takes longer",
        ),
    ] = False
    faces: Annotated[
        int, Meta(ge=FACES[0], le=FACES[1], title="Faces", description="How many triangles the mesh has, about")
    ] = 4000
    size: Annotated[
        float,
        Meta(ge=0.01, le=100.0, title="Size", description="Its longest side", extra={"unit": "metre"}),
    ] = 1.0
    stages: Annotated[tuple[Stage, ...], Meta(max_length=STAGES, title="Processes")] = ()
    frames: Frames = 48
    fps: Fps = 24.0
    seed: Seed = 0
    reverse: Reverse = False
    first: First = 0.0
    last: Last = 1.0
    timing: Timing = "even"
    preview: Preview = True
    as_it_is: Annotated[
        bool,
        Meta(
            title="Take as It Is",
            description="Optimise no further: the mesh of what an earlier job came to that was cancelled",
        ),
    ] = False
    model: ViewModel = ""

    def __post_init__(self):
        check_prompt(self.prompt)
        check_size(self.negative, "negative prompt")
        check_life(self.stages, self.first, self.last)

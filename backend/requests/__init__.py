"""What can be asked for: the request types. Defaults and limits stand here only; the panel's sliders, the options of
the command line and their descriptions are made from them, and reach everyone through backend.protocol.

A slider of a process is in [0, 1], and its default is what looks right on most meshes.
"""

import random
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from ..species import Species
from .camera import Camera
from .fields import (
    INDIVIDUALS,
    MAX_FRAMES,
    MODES,
    PROMPT_BYTES,
    STAGES,
    Age,
    Engine,
    First,
    Fps,
    Frames,
    Individuals,
    Last,
    Preview,
    Prompt,
    Reverse,
    Seed,
    Timing,
    check_prompt,
    check_size,
    check_steps,
)
from .life import check_life
from .picture import FILM_SIDE, Picture, Plane
from .processes import (
    PROCESSES,
    Bloom,
    Burn,
    Close,
    Crumple,
    Freeze,
    Grow,
    Melt,
    Process,
    Rot,
    Rust,
    Shrivel,
    Stage,
    Swell,
    Wilt,
    name_of,
)
from .subject import NAME_LETTERS, PICTURES, LearnSubject
from .sway import Sway, SwayAsSeen
from .views import FACES, NEGATIVE, VIEWS, TextToMesh, Views
from .words import from_words, in_words

VERSION = "0.1.0"  # of the software, both sides; the protocol has its own


class Generate(Struct, frozen=True, kw_only=True, tag="generate", forbid_unknown_fields=True):
    """A living object from words: these say its kind and its life; `specimen`, where it is given, what it is like."""

    prompt: Prompt
    engine: Engine = "builtin"
    frames: Frames = 48
    fps: Fps = 24.0
    seed: Seed = 0
    reverse: Reverse = False
    specimen: Species | None = None
    count: Individuals = None
    age: Age = 0.0

    def __post_init__(self):
        if self.count is not None and not 1 <= self.count <= INDIVIDUALS:
            raise ValueError(
                f"{self.count:,} were asked for, and 1 to {INDIVIDUALS} can be made: ask for a number within that"
            )
        check_prompt(self.prompt)


class Animate(Struct, frozen=True, kw_only=True, tag="animate", forbid_unknown_fields=True):
    """Processes on a mesh that the client brings along as a Subject record: at once, or one after another."""

    stages: Annotated[tuple[Stage, ...], Meta(min_length=1, max_length=STAGES, title="Processes")] = (Stage(),)
    engine: Engine = "builtin"
    frames: Frames = 48
    fps: Fps = 24.0
    seed: Seed = 0
    reverse: Reverse = False
    first: First = 0.0
    last: Last = 1.0
    timing: Timing = "even"
    preview: Preview = True

    def __post_init__(self):
        check_life(self.stages, self.first, self.last)


Request = Generate | Animate | Sway | SwayAsSeen | Picture | Plane | Views | TextToMesh | LearnSubject


def child_seed(seed: int, number: int) -> int:
    """The seed of one of several individuals; the first has the seed that was given. Neighbouring seeds share none."""
    return (seed + number * 1_640_531_527) % 2**31  # an odd step near the golden ratio of 2^31: it meets all seeds


def ages_of(request: Generate, count: int) -> list[float]:
    """Of so many individuals, spread evenly from -1 to 1 in an order that the seed picks, so that it is not always the
    youngest who stands in the middle. One alone is as old as the request says."""
    if count == 1:
        return [request.age]
    ages = [2 * number / (count - 1) - 1 for number in range(count)]
    random.Random(request.seed).shuffle(ages)
    return ages


def provenance(request: Request) -> dict[str, str]:
    """What made a result, as text: enough to make the same clip again with the same version."""
    fields = msgspec.structs.asdict(request) | {"version": VERSION}
    if isinstance(request, Generate) and request.specimen is not None:
        fields["specimen"] = msgspec.json.encode(request.specimen).decode()
    if isinstance(request, Animate | TextToMesh):
        fields |= {"process": in_words(request.stages), "stages": msgspec.json.encode(request.stages).decode()}
    if isinstance(request, SwayAsSeen):
        fields["camera"] = msgspec.json.encode(request.camera).decode()
    return {"kind": type(request).__struct_config__.tag} | {name: str(value) for name, value in fields.items()}

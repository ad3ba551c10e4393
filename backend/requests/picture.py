"""A picture that comes to life."""

import math
from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from .fields import Damping, Fps, Model, Seed, Steps, check_steps

FILM_SIDE = 1024  # pixels
PULL = 0.5  # of the picture's sides, at most

Pull = Annotated[
    tuple[float, float, float, float] | None,
    Meta(
        title="Pull",
        description="Where a point is taken hold of, across and down, and how far it is pulled, before it is let go: "
        "shares of the picture. The film is then of its ringing, and no loop",
    ),
]


class Picture(Struct, frozen=True, kw_only=True, tag="picture", forbid_unknown_fields=True):
    """A picture that the client brings along, as a film in which what it shows sways as a trained model expects.

    After "Generative Image Dynamics" (arXiv:2309.07906). The film is one loop of the motion, 5 seconds at speed 1.
    """

    amplitude: Annotated[
        float,
        Meta(ge=0.0, le=10.0, title="Amplitude", description="How far all sways, times what the model expects"),
    ] = 1.0
    speed: Annotated[
        float, Meta(ge=0.1, le=4.0, title="Speed", description="How fast all sways, times what the model expects")
    ] = 1.0
    size: Annotated[
        int,
        Meta(
            ge=32,
            le=FILM_SIDE,
            title="Size",
            description="The longer side of the film, pixels; a smaller picture is not enlarged",
        ),
    ] = 512
    loop: Annotated[
        bool,
        Meta(title="No Seam", description="Draw the end of the loop to its beginning; takes several times as long"),
    ] = True
    steps: Steps = 0
    damping: Damping = 0.05
    pull: Pull = None
    model: Model = ""
    fps: Fps = 24.0
    seed: Seed = 0

    def __post_init__(self):
        check_steps(self.steps)
        if self.pull is None:
            return
        x, y, *by = self.pull
        if not (0 <= x <= 1 and 0 <= y <= 1):
            raise ValueError(
                f"The point to pull, {x:g} across and {y:g} down, is not in the picture: both are shares from 0 to 1"
            )
        if not (all(abs(way) <= PULL for way in by) and math.hypot(*by) > 0):
            raise ValueError(
                f"A pull by {by[0]:g} across and {by[1]:g} down cannot be made: pull by up to {PULL:g} of the "
                "picture either way, and not by nothing"
            )


class Plane(Struct, frozen=True, kw_only=True, tag="plane", forbid_unknown_fields=True):
    """A picture that the client brings along, as an upright plane that sways as a trained model expects, in a loop.

    Its frequencies are the model's: multiples of 0.2 Hz, 0 the first. The loop lasts 5 seconds.
    """

    lowest: ClassVar[float] = 0.2

    size: Annotated[
        float,
        Meta(
            ge=0.01,
            le=100.0,
            title="Size",
            description="The longer side of the plane",
            extra={"unit": "metre"},
        ),
    ] = 2.0
    detail: Annotated[
        int,
        Meta(ge=8, le=256, title="Detail", description="How many vertices the longer side of the plane has"),
    ] = 96
    amplitude: Annotated[
        float,
        Meta(
            ge=0.1,
            le=10.0,
            title="Amplitude",
            description="How far all sways, times what the model expects; in Blender a slider of the plane changes it "
            "afterwards",
        ),
    ] = 1.0
    steps: Steps = 0
    damping: Damping = 0.05
    model: Model = ""
    fps: Fps = 24.0
    seed: Seed = 0

    def __post_init__(self):
        check_steps(self.steps)

    @property
    def frames(self) -> int:
        """Of one loop."""
        return round(self.fps / self.lowest)

"""A motion without an end."""

import math
from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from .camera import Camera
from .fields import MAX_FRAMES, MODES, Damping, Engine, Fps, Model, Seed, Steps, check_steps, slider


class _Swaying(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mesh that the client brings along swings by its own vibration modes, in a loop without end.

    What a mesh is made of cannot be seen: its shape tells the modes and how their frequencies compare, `pitch` says how
    fast the slowest of them is, and `bend` how far it gives way.
    """

    storm: slider("Calm to Storm", "Mean wind, from calm, 0, to storm, 1, along the Beaufort scale") = 0.4
    pitch: Annotated[
        float,
        Meta(
            ge=0.0,
            le=20.0,
            title="Pitch",
            description="How often a second its slowest swing goes, hertz; 0: as suits its size",
        ),
    ] = 0.0
    damping: Damping = 0.05
    bend: Annotated[
        float, Meta(ge=0.01, le=0.6, title="Most Lean", description="How far a storm bends it, in its own size")
    ] = 0.2
    modes: Annotated[
        int, Meta(ge=1, le=MODES, title="Modes", description="How many of its vibration modes swing, the slowest first")
    ] = 24
    fps: Fps = 24.0
    seed: Seed = 0


class Sway(_Swaying, frozen=True, kw_only=True, tag="sway", forbid_unknown_fields=True):
    """A mesh in the wind.

    The loop is `frequencies` multiples of `lowest` hertz, 0 the first: it lasts 1 / lowest seconds. The defaults are
    those of "Generative Image Dynamics" (arXiv:2309.07906), 16 of them at 0.2 Hz.
    """

    engine: Engine = "builtin"
    direction: Annotated[
        float,
        Meta(
            ge=-math.pi,
            le=math.pi,
            title="Wind Direction",
            description="Where the wind blows to: 0 along X, a quarter turn along Y",
            extra={"unit": "radian"},
        ),
    ] = 0.0
    frequencies: Annotated[
        int, Meta(ge=2, le=24, title="Frequencies", description="Of the loop, the lean first: two shape keys for each")
    ] = 16
    lowest: Annotated[
        float, Meta(ge=0.05, le=1.0, title="Lowest Frequency", description="Hertz; the loop lasts one period of it")
    ] = 0.2

    def __post_init__(self):
        fastest = self.lowest * (self.frequencies - 1)
        if fastest > self.fps / 2:
            raise ValueError(
                f"Its fastest swing, {fastest:g} Hz, is too fast for {self.fps:g} frames a second: ask for fewer "
                "frequencies, a lower one, or a higher frame rate"
            )
        if self.frames > MAX_FRAMES:
            raise ValueError(
                f"A loop of {1 / self.lowest:g} s has {self.frames:,} frames at {self.fps:g} a second, and "
                f"{MAX_FRAMES:,} can be made: raise the lowest frequency, or lower the frame rate"
            )

    @property
    def frames(self) -> int:
        """Of one loop."""
        return round(self.fps / self.lowest)


class SwayAsSeen(_Swaying, frozen=True, kw_only=True, tag="sway_as_seen", forbid_unknown_fields=True):
    """A mesh that moves as a trained model expects of a picture of it, which its Subject record holds too.

    The picture says how far each mode swings, and wind of any direction how modes share what the picture leaves open.
    Of `bend` no more than the air's damping comes here: what is more limber is lighter, and air slows it down more. How
    many frequencies the loop has is the model's to say: they are multiples of 0.2 Hz, 0 the first, and it lasts 5
    seconds.
    """

    camera: Camera
    steps: Steps = 0
    model: Model = ""
    direction: ClassVar[float] = 0.0  # of the wind, which is asked about all of them
    frequencies: ClassVar[int] = 16
    lowest: ClassVar[float] = 0.2

    def __post_init__(self):
        check_steps(self.steps)

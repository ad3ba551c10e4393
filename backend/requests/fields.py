"""Limits, and fields that several requests have: each with its title, its tooltip and its range."""

from typing import Annotated, Literal

from msgspec import Meta

MAX_FRAMES = 1024
PROMPT_BYTES = 8 * 1024
STAGES = 4  # processes of one life
MODES = 48  # of one sway
INDIVIDUALS = 50  # of one prompt
LEVELS = 1000  # of noise, from which motion is drawn, in all models that Anthesis trains

Frames = Annotated[
    int, Meta(ge=1, le=MAX_FRAMES, title="Frames", description="How many frames, and so how many shape keys, are made")
]
Fps = Annotated[float, Meta(ge=1, le=240, title="Frame Rate", description="Frames a second")]
Seed = Annotated[int, Meta(ge=0, le=2**31 - 1, title="Seed", description="The same seed gives the same result again")]
Reverse = Annotated[bool, Meta(title="Reverse", description="Play life backwards: what wilted recovers")]
Amount = Annotated[
    float, Meta(ge=0.01, le=1.0, title="Amount", description="How far the process goes, 1 being all the way")
]
Start = Annotated[
    float, Meta(ge=0.0, le=1.0, title="Start", description="When in the life of the object this process begins")
]
End = Annotated[
    float, Meta(ge=0.0, le=1.0, title="End", description="When in the life of the object it has done its work")
]
First = Annotated[
    float, Meta(ge=0.0, le=1.0, title="From", description="The life time that the first frame shows, 0 being the start")
]
Last = Annotated[
    float, Meta(ge=0.0, le=1.0, title="To", description="The life time that the last frame shows, 1 being the end")
]
Timing = Annotated[
    Literal["even", "slow_start", "slow_end", "slow_both"],
    Meta(title="Timing", description="How the pace of life changes from the first frame to the last"),
]
Preview = Annotated[
    bool, Meta(title="Preview First", description="Show a coarse version within seconds; the full one replaces it")
]
Prompt = Annotated[
    str,
    Meta(title="Prompt", description="What should come to life, for example: a red rose blooming, then wilting"),
]
Individuals = Annotated[
    int | None,
    Meta(title="Count", description="How many are made, as one mesh; left open: as many as the prompt says"),
]
Age = Annotated[
    float,
    Meta(ge=-1.0, le=1.0, title="Age", description="Of one: 1 is ahead of the others in its life, -1 behind them"),
]
Damping = Annotated[
    float,
    Meta(ge=0.005, le=1.0, title="Damping", description="How soon it comes to rest; at 1 it does not swing at all"),
]
Steps = Annotated[
    int,
    Meta(
        ge=0,
        le=1000,
        title="Steps",
        description=f"In how many the motion is drawn from noise, a divisor of {LEVELS}; 0: as many as usual",
    ),
]
Model = Annotated[
    str,
    Meta(
        max_length=1024,
        title="Model",
        description="Folder of a trained model; empty: the one that comes with Anthesis",
        extra={"path": "folder"},
    ),
]
Engine = Annotated[Literal["builtin"], Meta(title="Engine", description="What makes the result")]


def check_size(prompt: str, called: str = "prompt") -> None:
    """Raises ValueError with a sentence for what is no text or too much of it."""
    try:
        size = len(prompt.encode())
    except UnicodeEncodeError:
        raise ValueError(f"The {called} is not valid text (UTF-8): type it again or paste it as plain text") from None
    if size > PROMPT_BYTES:
        raise ValueError(
            f"The {called} has {size:,} bytes and {PROMPT_BYTES:,} are allowed: shorten it to one sentence"
        )


def check_prompt(prompt: str) -> None:
    """Raises ValueError with a sentence for what nothing can be made of."""
    check_size(prompt)
    if not prompt.strip():
        raise ValueError('The prompt is empty: say what should come to life, for example "a red rose blooming"')


def check_steps(steps: int, levels: int = LEVELS) -> None:
    """Raises ValueError, with a sentence, where so many steps do not fit the levels of noise."""
    if steps and levels % steps:
        fit = ", ".join(str(number) for number in range(10, levels + 1) if levels % number == 0)
        raise ValueError(f"{steps} steps do not divide {levels}, the levels of noise: take {fit}, or 0")


def slider(title: str, description: str):
    return Annotated[float, Meta(ge=0.0, le=1.0, title=title, description=description)]

"""What can be asked for: the request types. Defaults and limits stand here only; the panel's sliders, the options of
the command line and their descriptions are made from them, and reach everyone through backend.protocol.

A slider of a process is in [0, 1], and its default is what looks right on most meshes.
"""

from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from .species import Species

VERSION = "0.1.0"  # of the software, both sides; the protocol has its own
MAX_FRAMES = 1024
PROMPT_BYTES = 8 * 1024
STAGES = 4  # processes of one life
INDIVIDUALS = 50  # of one prompt

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
Engine = Annotated[Literal["builtin"], Meta(title="Engine", description="What makes the result")]


def _slider(title: str, description: str):
    return Annotated[float, Meta(ge=0.0, le=1.0, title=title, description=description)]


class _Process(Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True):
    """What happens to a mesh, and its sliders. The docstring of each is its tooltip."""


class Wilt(_Process, tag="wilt"):
    """Leaves and petals droop and curl, stems bow, everything softens and browns."""

    droop: _slider("Droop", "How far it hangs down") = 0.5
    curl: _slider("Curl", "How much leaves and petals roll in") = 0.5
    browning: _slider("Browning", "How brown it gets") = 0.8


class Melt(_Process, tag="melt"):
    """It slumps from the top and flows into a pool."""

    spread: _slider("Spread", "How wide and thin the pool gets") = 0.5
    gloss: _slider("Gloss", "How wet it looks") = 0.5


class Shrivel(_Process, tag="shrivel"):
    """It dries out: shrinks, wrinkles and darkens, as a grape becomes a raisin."""

    shrink: _slider("Shrink", "How much smaller it gets") = 0.5
    wrinkles: _slider("Wrinkles", "How deep the wrinkles are") = 0.5
    darkening: _slider("Darkening", "How dark and dull it gets") = 0.6


class Rot(_Process, tag="rot"):
    """Brown spots spread over it, it goes soft and caves in, and mould grows."""

    spots: _slider("Spots", "How large the spots are") = 0.5
    collapse: _slider("Collapse", "How far it caves in") = 0.5
    mould: _slider("Mould", "How much mould grows on it") = 0.4


class Grow(_Process, tag="grow"):
    """It sprouts from its root to its tips. The last frame is your mesh."""

    order: _slider("Order", "1: part after part, from the root to the tips; 0: everything at once") = 0.7
    sway: _slider("Sway", "How far new parts lean and turn before they straighten") = 0.5


class Bloom(_Process, tag="bloom"):
    """Petals open from a bud. The last frame is your mesh."""

    tightness: _slider("Tightness", "How tightly the bud is closed") = 0.6
    order: _slider("Order", "1: outer petals open first; 0: all at once") = 0.6


class Close(_Process, tag="close"):
    """Petals close to a bud. The first frame is your mesh."""

    tightness: _slider("Tightness", "How tightly the bud closes") = 0.6
    order: _slider("Order", "1: inner petals close first; 0: all at once") = 0.6


class Swell(_Process, tag="swell"):
    """It rises and rounds out, thick parts most, as dough does."""

    rise: _slider("Rise", "How much it swells") = 0.5
    puff: _slider("Puff", "How far it bulges between the parts that hold it in") = 0.5


class Burn(_Process, tag="burn"):
    """A glowing front eats its way through; what it leaves is charred, curls and crumbles."""

    curl: _slider("Curl", "How much it warps as it chars") = 0.5
    ember: _slider("Ember", "How wide the glowing edge is, and how bright") = 0.5
    crumble: _slider("Crumble", "How much of it falls to ash and is gone") = 0.5


class Freeze(_Process, tag="freeze"):
    """Frost spreads over its surface from the tips."""

    cover: _slider("Cover", "How much of it is frosted in the end") = 0.8
    crystals: _slider("Crystals", "How rough and spiky the frost is") = 0.5


class Rust(_Process, tag="rust"):
    """Rust eats into its surface, first where water would stay."""

    cover: _slider("Cover", "How much of it is rusty in the end") = 0.7
    flakes: _slider("Flakes", "How much the rust blisters") = 0.4


class Crumple(_Process, tag="crumple"):
    """It is crushed into creases and folds, as a sheet of paper or a tin."""

    tightness: _slider("Tightness", "How small it is crushed") = 0.5
    creases: _slider("Creases", "How many and how sharp the creases are") = 0.5


Process = Wilt | Melt | Shrivel | Rot | Grow | Bloom | Close | Swell | Burn | Freeze | Rust | Crumple
BIRTHS = (Grow, Bloom)  # they end with the artist's mesh
PROCESSES: dict[str, type[Process]] = {kind.__struct_config__.tag: kind for kind in get_args(Process)}


def name_of(process: Process) -> str:
    """The word for a process: "wilt"."""
    return process.__struct_config__.tag


class Stage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One process in the life of an object, and when it happens."""

    process: Process = Wilt()
    amount: Amount = 1.0
    start: Start = 0.0
    end: End = 1.0

    def __post_init__(self):
        if not self.start < self.end:
            raise ValueError(
                f"{name_of(self.process).capitalize()} ends at {self.end:g} of life, not after its start at "
                f"{self.start:g}: let it end later"
            )


def check_size(prompt: str) -> None:
    """Raises ValueError with a sentence for what is no text or too much of it."""
    try:
        size = len(prompt.encode())
    except UnicodeEncodeError:
        raise ValueError("The prompt is not valid text (UTF-8): type it again or paste it as plain text") from None
    if size > PROMPT_BYTES:
        raise ValueError(f"The prompt has {size:,} bytes and {PROMPT_BYTES:,} are allowed: shorten it to one sentence")


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
        check_size(self.prompt)
        if not self.prompt.strip():
            raise ValueError('The prompt is empty: say what should come to life, for example "a red rose blooming"')


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
        if not self.first < self.last:
            raise ValueError(
                f"The life shown ends at {self.last:g}, not after its beginning at {self.first:g}: tick Reverse to "
                "play it backwards"
            )
        starts, ends = [stage.start for stage in self.stages], 0.0
        if starts != sorted(starts):
            raise ValueError(f"{in_words(self.stages)}: put the processes in the order in which they start")
        for stage in self.stages:
            if isinstance(stage.process, BIRTHS) and 0.0 < ends <= stage.start:
                name = name_of(stage.process).capitalize()
                raise ValueError(f"{name} ends with your mesh as it is, so nothing can come before it: put it first")
            ends = max(ends, stage.end)


Request = Generate | Animate


def child_seed(seed: int, number: int) -> int:
    """The seed of one of several individuals; the first has the seed that was given. Neighbouring seeds share none."""
    return (seed + number * 1_640_531_527) % 2**31  # an odd step near the golden ratio of 2^31: it meets all seeds


def in_words(stages: tuple[Stage, ...]) -> str:
    """The processes as one line: "bloom, wilt + burn": a comma is "then", a plus is "while"."""
    words, ends = "", 0.0
    for stage in stages:
        joint = "" if not words else ", " if stage.start >= ends else " + "
        words, ends = words + joint + name_of(stage.process), max(ends, stage.end)
    return words


def from_words(text: str, settings: dict[str, float], amount: float = 1.0) -> tuple[Stage, ...]:
    """The inverse of in_words: what a comma parts has equal shares of life.

    `settings` by "burn.curl", a slider, or "burn.amount", "burn.start", "burn.end"; they count wherever that process
    occurs, and need no "burn." where no other process here has them. Raises ValueError with a sentence, for what does
    not exist or lies outside its limits.
    """
    chapters = [[word.strip().lower() for word in chapter.split("+")] for chapter in text.split(",")]
    named = {word: None for chapter in chapters for word in chapter}
    if "" in named:
        raise ValueError(_nothing_named(text))
    for word in sorted(named.keys() - PROCESSES.keys()):
        raise ValueError(f'There is no process "{word}": choose from {", ".join(PROCESSES)}')
    count = sum(map(len, chapters))
    if count > STAGES:
        raise ValueError(f"A life has at most {STAGES} processes, and here are {count}: take some out")
    settings = {_full_name(name, list(named)): value for name, value in settings.items()}
    return tuple(
        _stage(word, settings, {"amount": amount, "start": number / len(chapters), "end": (number + 1) / len(chapters)})
        for number, chapter in enumerate(chapters)
        for word in chapter
    )


_OF_STAGE = ("amount", "start", "end")


def _nothing_named(text: str) -> str:
    """The sentence for words between whose commas and pluses a process is missing."""
    if not text.strip(" ,+"):
        return f"No process is named: choose from {', '.join(PROCESSES)}"
    return f'In "{text}" a process is missing before, after or between its commas and pluses: name one there'


def _full_name(name: str, processes: list[str]) -> str:
    """In full, "wilt.droop" for "droop", where one of these processes alone has it. Raises ValueError otherwise."""
    process, dot, slider = name.partition(".")
    if not dot:
        owners = [one for one in processes if name in _settings_of(one)]
        if len(owners) == 1:
            return f"{owners[0]}.{name}"
        if owners:
            choice = " or ".join(f"{one}.{name}" for one in owners)
            raise ValueError(f'"{name}" is a setting of more than one process here: write {choice}')
        if owner := next((one for one in PROCESSES if name in _settings_of(one)), None):
            raise ValueError(f'"{name}" is a setting of {owner}, which was not asked for')
        known = ", ".join(f"{one}.{own}" for one in processes for own in PROCESSES[one].__struct_fields__)
        raise ValueError(f'There is no setting "{name}": there are {known}, and amount, start and end of each')
    if process not in processes:
        raise ValueError(f'"{name}" sets a process that was not asked for: there are {", ".join(sorted(processes))}')
    if slider not in _settings_of(process):
        raise ValueError(f'{process.capitalize()} has no setting "{slider}": it has {", ".join(_settings_of(process))}')
    return name


def _settings_of(process: str) -> tuple[str, ...]:
    return (*PROCESSES[process].__struct_fields__, *_OF_STAGE)


def _stage(word: str, settings: dict[str, float], stage: dict[str, float]) -> Stage:
    sliders: dict[str, float] = {}
    for name, value in settings.items():
        process, _, slider = name.partition(".")
        if process == word:
            (stage if slider in _OF_STAGE else sliders)[slider] = value
    try:
        return msgspec.convert({"process": {"kind": word, **sliders}, **stage}, Stage)
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at `$")
        slider = where.strip("`").rpartition(".")[2]
        if not slider:
            raise ValueError(problem) from None
        least, given = 0.01 if slider == "amount" else 0, settings.get(f"{word}.{slider}", stage.get(slider))
        raise ValueError(f"{word}.{slider} is a number from {least} to 1, not {given:g}: choose another") from None


def provenance(request: Request) -> dict[str, str]:
    """What made a result, as text: enough to make the same clip again with the same version."""
    fields = msgspec.structs.asdict(request) | {"version": VERSION}
    if isinstance(request, Generate) and request.specimen is not None:
        fields["specimen"] = msgspec.json.encode(request.specimen).decode()
    if isinstance(request, Animate):
        fields |= {"process": in_words(request.stages), "stages": msgspec.json.encode(request.stages).decode()}
    return {"kind": type(request).__struct_config__.tag} | {name: str(value) for name, value in fields.items()}

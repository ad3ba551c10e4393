"""The stages of a life as one line of words, and back."""

import msgspec

from .fields import STAGES
from .processes import PROCESSES, Stage, name_of


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
    if "sway" in named:
        raise ValueError("sway goes by itself, in a loop without an end: leave the others out, or sway")
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

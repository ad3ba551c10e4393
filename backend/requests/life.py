"""What stages, and a part of the life that they make, must be like."""

from .processes import BIRTHS, Stage, name_of
from .words import in_words


def check_life(stages: tuple[Stage, ...], first: float, last: float) -> None:
    """Raises ValueError with a sentence where stages do not go together, or the life shown ends before it begins."""
    if not first < last:
        raise ValueError(
            f"The life shown ends at {last:g}, not after its beginning at {first:g}: tick Reverse to play it backwards"
        )
    starts, ends = [stage.start for stage in stages], 0.0
    if starts != sorted(starts):
        raise ValueError(f"{in_words(stages)}: put the processes in the order in which they start")
    for stage in stages:
        if isinstance(stage.process, BIRTHS) and 0.0 < ends <= stage.start:
            name = name_of(stage.process).capitalize()
            raise ValueError(f"{name} ends with your mesh as it is, so nothing can come before it: put it first")
        ends = max(ends, stage.end)

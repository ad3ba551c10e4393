# SPDX-License-Identifier: GPL-3.0-or-later

"""The processes of one life: what the panel has of each, and how they follow one another.

The sliders of all processes are kept side by side, so that looking at another process loses none of them.
"""

import bpy
from bpy.props import EnumProperty, PointerProperty

from . import pictures
from .from_request import made_from, values
from .seam import protocol

GAP = 0.01  # least share of life that a process has
SLACK = 1e-6  # Blender's floats are single

SLIDERS = {
    name: type(
        f"Anthesis{kind.__name__}",
        (bpy.types.PropertyGroup,),
        {"__doc__": kind.__doc__, "__annotations__": made_from(kind)},
    )
    for name, kind in protocol.PROCESSES.items()
}


def keep_apart(early: str, late: str, gap: float) -> dict:
    """Update callbacks for two numbers: the one that is dragged pushes the other before it."""

    def early_changed(group, _context) -> None:
        if getattr(group, early) > 1 - gap + SLACK:
            setattr(group, early, 1 - gap)
        elif getattr(group, late) < getattr(group, early) + gap - SLACK:
            setattr(group, late, getattr(group, early) + gap)

    def late_changed(group, _context) -> None:
        if getattr(group, late) < gap - SLACK:
            setattr(group, late, gap)
        elif getattr(group, early) > getattr(group, late) - gap + SLACK:
            setattr(group, early, getattr(group, late) - gap)

    return {early: early_changed, late: late_changed}


class AnthesisStage(bpy.types.PropertyGroup):
    """One process, its sliders, and when it happens."""

    __annotations__ = {
        "process": EnumProperty(
            name="Process",
            description="What happens to the mesh",
            items=pictures.items,
            default=list(protocol.PROCESSES).index(protocol.name_of(protocol.Stage().process)),
        ),
        **made_from(protocol.Stage, {"process"}, keep_apart("start", "end", GAP)),
        **{name: PointerProperty(type=group) for name, group in SLIDERS.items()},
    }

    @property
    def sliders(self) -> bpy.types.PropertyGroup:
        """Those of its process."""
        return getattr(self, self.process)

    def to_stage(self) -> protocol.Stage:
        kind = protocol.PROCESSES[self.process]
        return protocol.Stage(process=kind(**values(self.sliders, kind)), **values(self, protocol.Stage, {"process"}))


def add(settings, at_once: bool) -> None:
    """One more process: beside the chosen one, or after all others, which then make room for it.

    Raises ValueError where a life has enough of them.
    """
    stages = settings.stages
    if len(stages) >= protocol.STAGES:
        raise ValueError(f"A life has at most {protocol.STAGES} processes: take one out first")
    if not stages:
        _copy(settings.stage, stages.add())
        settings.stage_index = 0
    number, used = settings.stage_index, {stage.process for stage in stages}
    start, end = (stages[number].start, stages[number].end) if at_once else (_room_after(stages), 1.0)
    new = stages.add()
    new.process = next(name for name, kind in protocol.PROCESSES.items() if _may_follow(kind) and name not in used)
    new.start, new.end = start, end
    settings.stage_index = number + 1 if at_once else len(stages) - 1
    stages.move(len(stages) - 1, settings.stage_index)


def _may_follow(kind) -> bool:
    """Whether something may come before it."""
    first, then = protocol.Stage(end=0.5), protocol.Stage(process=kind(), start=0.5)
    try:
        protocol.Animate(stages=(first, then))
    except ValueError:
        return False
    return True


def _room_after(stages) -> float:
    """Where the last process ends; all are moved up where that is the end of life, so that each has as much of it."""
    last = max(stage.end for stage in stages)
    if last > 1 - GAP:
        chapters = _chapters(stages)
        for stage in stages:
            # start first: were it behind the new end for a moment, it would push that away
            stage.start, stage.end = (moment * chapters / (chapters + 1) for moment in (stage.start, stage.end))
        last = max(stage.end for stage in stages)
    return last


def _chapters(stages) -> int:
    """How many there are one after another."""
    count, until = 0, 0.0
    for stage in sorted(stages, key=lambda stage: stage.start):
        count += not count or stage.start >= until
        until = max(until, stage.end)
    return count


def remove(settings) -> None:
    """Take the chosen process out; the last one left has all of life to itself."""
    settings.stages.remove(settings.stage_index)
    settings.stage_index = max(0, settings.stage_index - 1)
    if len(settings.stages) == 1:
        _copy(settings.stages[0], settings.stage)
        settings.stages.clear()
        settings.stage.start, settings.stage.end = 0.0, 1.0


def _copy(source: bpy.types.PropertyGroup, target: bpy.types.PropertyGroup) -> None:
    for name, shown in source.bl_rna.properties.items():
        if shown.type == "POINTER":
            if name != "rna_type":
                _copy(getattr(source, name), getattr(target, name))
        elif not shown.is_readonly:
            setattr(target, name, getattr(source, name))


CLASSES = (*SLIDERS.values(), AnthesisStage)

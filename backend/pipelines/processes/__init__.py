"""The processes that can happen to a mesh: one file each, found by the type of its settings."""

from typing import assert_never

from backend import protocol
from backend.pipelines.processes.process import Circumstances, Process


def kind_of(settings: protocol.Process) -> type[Process]:
    """The process for its settings, imported when it is asked for."""
    match settings:
        case protocol.Wilt():
            from backend.pipelines.processes.wilt import Wilt as Found
        case protocol.Melt():
            from backend.pipelines.processes.melt import Melt as Found
        case protocol.Burn():
            from backend.pipelines.processes.burn import Burn as Found
        case protocol.Freeze():
            from backend.pipelines.processes.freeze import Freeze as Found
        case protocol.Rust():
            from backend.pipelines.processes.rust import Rust as Found
        case protocol.Shrivel():
            from backend.pipelines.processes.shrivel import Shrivel as Found
        case protocol.Rot():
            from backend.pipelines.processes.rot import Rot as Found
        case protocol.Swell():
            from backend.pipelines.processes.swell import Swell as Found
        case protocol.Crumple():
            from backend.pipelines.processes.crumple import Crumple as Found
        case protocol.Bloom():
            from backend.pipelines.processes.bloom import Bloom as Found
        case protocol.Close():
            from backend.pipelines.processes.close import Close as Found
        case protocol.Grow():
            from backend.pipelines.processes.grow import Grow as Found
        case _:
            assert_never(settings)
    return Found


def make(settings: protocol.Process, circumstances: Circumstances) -> Process:
    return kind_of(settings)(settings, circumstances)

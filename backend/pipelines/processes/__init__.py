"""The processes that can happen to a mesh: one file each, found by the type of its settings."""

from backend import protocol
from backend.pipelines.processes.process import Circumstances, Process


def kind_of(settings: protocol.Process) -> type[Process]:
    """The process for its settings, imported when it is asked for."""
    match settings:
        case protocol.Wilt():
            from backend.pipelines.processes.wilt import Wilt as Found
        case protocol.Melt():
            from backend.pipelines.processes.melt import Melt as Found
        case _:
            raise NotImplementedError(protocol.name_of(settings))
    return Found


def make(settings: protocol.Process, circumstances: Circumstances) -> Process:
    return kind_of(settings)(settings, circumstances)

"""What a process is: a page that says what becomes of a body over life, by one of three means.

Most change the intrinsic rest state, and the elastic engine answers (`rest`). Some move the body by a solver of their
own (`motion`). All may change the material (`look`). Whatever a process does not say stays as it is.
"""

from collections.abc import Iterator
from typing import ClassVar, NamedTuple

from backend.geometry.anatomy import Anatomy
from backend.geometry.body import Detail, Look, Reals
from backend.geometry.rest import Rest
from backend.report import Report


class NotForThis(ValueError):
    """The process can do nothing with this mesh. The message says why and what to do."""


class Circumstances(NamedTuple):
    """What a process is told about the life it is part of."""

    anatomy: Anatomy
    amount: float  # in (0, 1], how far it shall go
    seed: int
    detail: Detail


class Posed(NamedTuple):
    """Where a process with a solver of its own has taken the body."""

    positions: Reals  # (N, 3)
    corrected: float = 0.0  # share of the volume that was put back so far
    keeps: Reals | float = 1.0  # (N,) what is left of that which other processes bend at the same time


class Process:
    """Made once a life, from its settings (the request type of the same name) and its circumstances.

    `tau` is the process's own life time: 0 before its start, 1 from its end on. At tau 0 nothing may have changed,
    unless it is a birth.
    """

    elastic: ClassVar[bool] = False  # `rest` says something
    wrinkles: ClassVar[bool] = False  # it needs the skin of the solids
    moves: ClassVar[bool] = False  # `motion` says something
    birth: ClassVar[bool] = False  # its last moment is the artist's mesh, not its first
    may_refuse: ClassVar[bool] = False  # there are bodies that it can do nothing with
    spares: ClassVar[bool] = False  # the vessel that a plant stands in is not part of it
    doing: ClassVar[str]  # for the panel: "Wilting"

    def __init__(self, settings, circumstances: Circumstances):
        self.settings = settings
        self.anatomy, self.amount, self.seed, self.detail = circumstances
        self.body = self.anatomy.body
        self.strength = self.amount * self.body.weight  # (N,) in [0, 1]
        # with a weight group of their own, artists say what lives
        if self.spares and (self.body.weight == 1.0).all():
            self.anatomy = self.anatomy.planted
            self.strength = self.strength * ~self.anatomy.vessel

    @classmethod
    def suits(cls, anatomy: Anatomy) -> None:
        """Raises NotForThis where the process can do nothing with such a body."""

    def rest(self, tau: float, rest: Rest) -> None:
        """Changes the rest state of the N vertices in place: grow, bend, wrinkle, soften, weigh."""

    def motion(self, taus: Reals, report: Report) -> Iterator[Posed]:
        """One pose for each of the ascending `taus`, the first being 0."""
        raise NotImplementedError

    def look(self, tau: float, look: Look) -> Look:
        """The material at tau, from what it would be without this process."""
        return look

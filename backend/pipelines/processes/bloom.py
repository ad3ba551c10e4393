"""Bloom: closing backwards, from the bud to the artist's mesh; the outer petals open first."""

from collections.abc import Iterator

from backend.geometry.body import Look, Reals
from backend.pipelines.processes.closing import Closing
from backend.pipelines.processes.process import Posed
from backend.report import Report


class Bloom(Closing):
    birth = True
    doing = "Blooming"

    def motion(self, taus: Reals, report: Report) -> Iterator[Posed]:
        for tau in taus:
            report(float(tau), self.doing)
            yield Posed(self.pose(1.0 - float(tau)))

    def look(self, tau: float, look: Look) -> Look:
        return self.shade(1.0 - tau, look)

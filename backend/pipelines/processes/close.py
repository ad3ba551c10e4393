"""Close: the petals of a flower come together to a bud, the inner ones first; leaves roll up where there is none."""

from collections.abc import Iterator

from backend.geometry.body import Look, Reals
from backend.pipelines.processes.closing import Closing
from backend.pipelines.processes.process import Posed
from backend.report import Report


class Close(Closing):
    doing = "Closing"

    def motion(self, taus: Reals, report: Report) -> Iterator[Posed]:
        for tau in taus:
            report(float(tau), self.doing)
            yield Posed(self.pose(float(tau)))

    def look(self, tau: float, look: Look) -> Look:
        return self.shade(tau, look)

"""Specimens: how long one takes from its prompt to the finished clip, what is measured of it, and what it looks like.

    python build.py bench specimens [--only rose lily] [--out looked] [--seed 1] [--set petals=20]
    python build.py bench specimens --gallery docs/specimens.png

--out draws eight moments from four sides of each (in the environment "learned"), into NAME.png; --gallery draws six
moments of each into one picture, and measures nothing.

ENVIRONMENT: backend
"""

import argparse
import tempfile
import time
from itertools import islice
from pathlib import Path

import numpy as np

from backend import protocol
from backend.clip import Clip
from backend.files import npz
from backend.pipelines import carry_out
from backend.report import silent
from backend.species import SPECIES, Species
from backend.specimens import grow
from tests import growth
from tests.bench import living
from tests.bench.table import Table

FRAMES = 48
SIDES = [(azimuth, 0.22) for azimuth in np.radians([25, 115, 205, 295])]
LOOKED_AT = np.linspace(0, 1, 17)  # life times at which faces are looked at


def main() -> None:
    arguments = _arguments()
    if arguments.gallery:
        gallery(arguments.only or list(SPECIES), arguments.seed, arguments.gallery)
        return
    settings = dict(pair.split("=", 1) for pair in arguments.set)
    for name in arguments.only or SPECIES:
        record = SPECIES[name](**{key: float(value) if "." in value else int(value) for key, value in settings.items()})
        measured(record, arguments.seed)
        if arguments.out:
            draw(record, arguments.seed, arguments.out / f"{name}.png")


def measured(record: Species, seed: int) -> None:
    """One table."""
    specimen = grow(record, seed)
    frames = [specimen.at(tau) for tau in np.linspace(0, 1, FRAMES)]
    mesh = specimen.mesh
    table = Table(f"{record.__struct_config__.tag}, seed {seed}")
    table.add("vertices", len(mesh.vertices), "")
    table.add("pieces", growth.islands(mesh), "")
    first, took = timed(record, seed)
    table.add("prompt to its first frame", first, "s", bound=0.5)
    table.add(f"prompt to its last of {FRAMES} frames", took, "s", bound=3.0)
    crossing = [growth.crossing_share(mesh, specimen.at(tau).positions) for tau in LOOKED_AT]
    table.add(f"faces that cross, worst at {LOOKED_AT[int(np.argmax(crossing))]:.2f}", 100 * max(crossing), "%", 0.5)
    folded = [growth.folded_share(mesh, specimen.at(tau).positions) for tau in LOOKED_AT]
    table.add(f"edges folded back, worst at {LOOKED_AT[int(np.argmax(folded))]:.2f}", 100 * max(folded), "%", 0.4)
    table.add("largest step between 240 frames", 100 * growth.largest_step(specimen), "% of its size", bound=5.0)
    if specimen.matter:
        off = growth.law_broken(specimen, LOOKED_AT)
        told = ", ".join(f"{specimen.matter.share(tau):.3g}" for tau in (0.0, 0.5, 1.0))
        table.add(f"volume, off its law ({told} at 0, 0.5, 1)", 100 * off, "%", bound=1.0)
    lowest = min(float(frame.positions[:, 2].min()) for frame in frames)
    table.add("lowest point", 100 * lowest / growth.size(frames[-1].positions), "% of its size")
    table.show()


def timed(record: Species, seed: int) -> tuple[float, float]:
    """Seconds from a prompt to the first record of a frame, and to the last, libraries loaded: as a worker has it."""
    words = record.__struct_config__.tag.replace("_", " ")
    asked = protocol.Generate(prompt=words, specimen=record, seed=seed, frames=FRAMES)
    next(carry_out(asked, None, silent))
    began, first, last = time.perf_counter(), 0.0, 0.0
    for number, _ in enumerate(islice(carry_out(asked, None, silent), FRAMES + 1)):
        last = time.perf_counter() - began
        first = last if number == 1 else first
    return first, last


def draw(record: Species, seed: int, path: Path) -> None:
    """Eight moments from four sides."""
    specimen = grow(record, seed)
    clip = Clip.from_frames(specimen.mesh, [specimen.at(tau) for tau in np.linspace(0, 1, 8)], 24.0)
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = path.with_suffix(".npz")
    npz.save(clip, kept)
    views = [part for side in SIDES for part in ("--view", *side)]
    living.look([kept], "-o", path, *views)


def gallery(names: list[str], seed: int, path: Path) -> None:
    """A row of moments of each, with its name."""
    with tempfile.TemporaryDirectory(prefix="gallery-") as folder:
        kept = []
        for name in names:
            specimen = grow(SPECIES[name](), seed)
            frames = [specimen.at(tau) for tau in np.linspace(0, 1, 6)]
            told = {"title": name.replace("_", " ")}
            kept.append(Path(folder) / f"{name}.npz")
            npz.save(Clip.from_frames(specimen.mesh, frames, 24.0, provenance=told), kept[-1])
        living.look(kept, "-o", path, "--moments", 6, "--size", 160, "--columns", 2)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=list(SPECIES), metavar="NAME")
    parser.add_argument("--out", type=Path, help="a folder for pictures")
    parser.add_argument("--gallery", type=Path, help="one picture of all, .png")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="PARAMETER=NUMBER")
    parser.add_argument("--json", type=Path, help="where the tables are added as numbers")  # read by Table
    return parser.parse_known_args()[0]


if __name__ == "__main__":
    main()

"""The same subjects by other means: Blender's cloth and soft body for wilt, libigl's ARAP for a bend, scaling to swell.

ENVIRONMENT: backend

Sheets go into out/comparison/. Each row names its way and what the certificate says of it. None of the others changes
the material. What is asked of each: cloth and soft body hold the lowest 4 % of the height and let the rest fall on a
floor, with the subject 1 m large; ARAP gets the wilted clip's own root and tips as handles, and fills in what lies
between; scaling reaches the swollen clip's volume.
"""

import backend.threads  # noqa: F401  # isort: skip

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from backend import certificate, protocol
from backend.clip import Clip, Frame, Mesh
from tests.bench import living
from tests.bench.subjects import MADE, subjects
from tests.bench.table import Table
from tools.environments import BPY, LEARNED_ENVIRONMENT, ROOT, Environment, ensure

OUT = ROOT / "out" / "comparison"
BLENDER = BPY["5.0"]
ROOT_SHARE, TIP_SHARE = 0.04, 0.04  # of the height; of the vertices
WILTED = ("tulip", "potted_plant", "pepper", "spot")
LIGHT = 0.5  # resolution of the subjects that are simulated: the soft body takes minutes for more
BENT, SWOLLEN = ("mushroom", "spot"), ("bread", "spot")


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    ensure(*(each for each in (BLENDER, LEARNED_ENVIRONMENT) if not each.executable.exists()))
    table = Table("The same subjects by other means, 48 frames")
    with tempfile.TemporaryDirectory() as folder:
        for name in WILTED:
            drawn(wilts(name, Path(folder)), OUT / f"wilt-{name}.png", table)
        for name in BENT:
            drawn(bends(name, Path(folder)), OUT / f"bend-{name}.png", table)
        for name in SWOLLEN:
            drawn(swells(name), OUT / f"swell-{name}.png", table)
    table.show()


def wilts(name: str, folder: Path) -> list[living.Lived]:
    make = subjects()[name]
    mesh = one_metre(make(LIGHT) if make in MADE else make())
    held = mesh.vertices[:, 2] <= ROOT_SHARE * mesh.vertices[:, 2].max()
    stored = folder / "mesh.npz"
    np.savez(stored, vertices=mesh.vertices, corners=mesh.corners, sizes=mesh.sizes, held=held.astype(np.float32))
    found = [ours(mesh, f"{name}: wilt")]
    for kind, words in (("cloth", "Blender's cloth"), ("soft", "Blender's soft body")):
        made = elsewhere(BLENDER, "in_blender", [stored, kind], folder)
        found.append(measured(mesh, *made, f"{name}: {words}"))
    return found


def bends(name: str, folder: Path) -> list[living.Lived]:
    mesh = one_metre(subjects()[name]())
    wilted = ours(mesh, f"{name}: wilt")
    height = mesh.vertices[:, 2]
    tips = height >= np.quantile(height, 1 - TIP_SHARE)
    handles = np.flatnonzero(tips | (height <= ROOT_SHARE * height.max()))
    stored = folder / "mesh.npz"
    targets = wilted.clip.positions[:, handles]
    np.savez(stored, vertices=mesh.vertices, faces=mesh.faces, handles=handles, targets=targets)
    made = elsewhere(LEARNED_ENVIRONMENT, "by_arap", [stored], folder)
    return [wilted, measured(mesh, *made, f"{name}: libigl ARAP to the same root and tips")]


def swells(name: str) -> list[living.Lived]:
    mesh = one_metre(subjects()[name]())
    swollen = ours(mesh, f"{name}: swell", "swell")
    volume = swollen.measured(f"{certificate.VOLUME} at 100 % of the frames")
    grown = 1 + (np.cbrt(volume) - 1) * np.linspace(0, 1, len(swollen.clip.positions))
    scaled = (grown[:, None, None] * mesh.vertices).astype(np.float32)
    return [swollen, measured(mesh, scaled, 0.0, f"{name}: scaled to the same volume")]


def ours(mesh: Mesh, title: str, process: str = "wilt") -> living.Lived:
    asked = living.request(process, {})
    living.live(mesh, asked)  # so that nothing is compiled while it is timed
    return living.live(mesh, asked, title)


def measured(mesh: Mesh, positions: np.ndarray, seconds: float, title: str) -> living.Lived:
    """A clip that others made, measured as ours are."""
    positions = np.ascontiguousarray(positions, np.float32)
    taus = np.linspace(0, 1, len(positions))
    frames = [Frame(float(tau), now) for tau, now in zip(taus, positions, strict=True)]
    clip = Clip.from_frames(mesh, frames, 24.0, provenance={"title": title})
    return living.Lived(clip, living.certificate_of(frames, mesh, seconds), seconds)


def elsewhere(environment: Environment, module: str, options: Sequence, folder: Path) -> tuple[np.ndarray, float]:
    """Positions (T, V, 3) and seconds from a module of this folder that runs in another environment."""
    out = folder / "out.npz"
    command = [environment.executable, "-m", f"tests.bench.{module}", *options, out]
    subprocess.run([str(part) for part in command], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    with np.load(out) as stored:
        return stored["positions"], float(stored["seconds"])


def drawn(found: list[living.Lived], path: Path, table: Table) -> None:
    with tempfile.TemporaryDirectory() as folder:
        clips = []
        for number, lived in enumerate(found):
            title = lived.clip.provenance["title"]
            lived.clip.provenance["title"] = f"{title}: {lived.certificate.summary}"
            clips.append(living.save(lived, Path(folder) / f"{number}.npz"))
            _add_rows(table, title, lived)
        living.look(clips, "-o", path)


def _add_rows(table: Table, title: str, lived: living.Lived) -> None:
    table.add(title, lived.seconds, "s")
    for what, unit in (
        (protocol.Certificate.DISPLACEMENT, "of the size"),
        ("stretch of 99 % of the edges", "times their length at most"),
        (f"{certificate.VOLUME} at 100 % of the frames", "of the subject's"),
        (f"{certificate.CROSSING} in the last frame", "faces"),
        (certificate.COLOUR, "mean change"),
    ):
        if (value := lived.measured(what)) is not None:
            table.add(f"  {what}", value, unit)


def one_metre(mesh: Mesh) -> Mesh:
    """Its largest extent 1 m, its foot on the floor."""
    points = mesh.vertices.astype(np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    return mesh.at(((points - [*(low + high)[:2] / 2, low[2]]) / (high - low).max()).astype(np.float32))


if __name__ == "__main__":
    main()

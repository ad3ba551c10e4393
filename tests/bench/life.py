"""Life cycles, looked at and timed: contact sheets, turntable videos, and tables beside what the project promises.

ENVIRONMENT: backend

python -m tests.bench.life                         all of it, into out/life/
python -m tests.bench.life --only wilt apple       of these processes and subjects
python -m tests.bench.life --subject tulip --process "wilt + burn" --set droop=0.8 --out looked
python -m tests.bench.life --nasty                 every process on meshes as they should not be
python -m tests.bench.life --measured              what the certificates say, as a table
python -m tests.bench.life --pictures              the small pictures of the add-on's menu
python -m tests.bench.life --gallery               the picture of five processes that the README shows
"""

import backend.threads  # noqa: F401  # isort: skip

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from backend import certificate, protocol
from backend.clip import Mesh
from backend.files.mesh import read
from backend.pipelines.lifecycle import UnusableSubject
from backend.pipelines.processes import kind_of
from backend.pipelines.processes.process import NotForThis
from tests.bench import living
from tests.bench.subjects import nasty, subjects
from tests.bench.table import Table
from tools.environments import ROOT

OUT = ROOT / "out" / "life"
PICTURES = ROOT / "blender_addon" / "pictures"

# What each process is looked at on; one of a video first.
CASES = {
    "wilt": "tulip potted_plant daisy fern lily flat_leaf pepper mushroom candle tin_can spot suzanne teapot woody",
    "melt": "candle cheese spot apple tin_can potted_plant paper suzanne teapot woody",
    "shrivel": "apple pepper tulip banana mushroom flat_leaf potted_plant spot suzanne",
    "rot": "apple banana pepper bread tulip potted_plant spot suzanne",
    "grow": "potted_plant tulip fern mushroom daisy apple spot teapot",
    "bloom": "tulip daisy lily poppy potted_plant",
    "close": "tulip daisy lily poppy",
    "swell": "bread mushroom apple bag spot suzanne teapot",
    "burn": "paper potted_plant flat_leaf spot tulip bag suzanne teapot woody",
    "freeze": "apple flat_leaf tulip spot teapot",
    "rust": "tin_can spot teapot suzanne potted_plant",
    "crumple": "paper tin_can bag flat_leaf spot teapot",
}
TOGETHER = {"tulip": "bloom, wilt, rot", "potted_plant": "grow, wilt + burn", "apple": "swell, rot"}
TIMED = {
    "wilt": "bread tulip", "melt": "candle", "grow": "potted_plant", "bloom": "tulip", "close": "tulip",
    "swell": "bread", "burn": "apple paper", "crumple": "bag paper",
}  # fmt: skip


class Pictured(NamedTuple):
    """What the menu shows of a process."""

    subject: str
    tau: float
    view: tuple[float, float] = (0.55, 0.35)  # azimuth, elevation
    above: float = 0.0  # share of the height that is left out
    sliders: dict[str, float] = {}


FROM_ABOVE = (0.55, 0.85)
PICTURED = {
    "wilt": Pictured("daisy", 0.65, above=0.25, sliders={"browning": 0.4}),
    "melt": Pictured("candle", 0.75),
    "shrivel": Pictured("apple", 0.9, sliders={"darkening": 0.35}),
    "rot": Pictured("apple", 0.7),
    "grow": Pictured("potted_plant", 0.6, above=0.25),
    "bloom": Pictured("tulip", 0.95, above=0.68),
    "close": Pictured("tulip", 1.0, above=0.68),
    "swell": Pictured("bread", 1.0, sliders={"rise": 0.8}),
    "burn": Pictured("paper", 0.5, FROM_ABOVE),
    "freeze": Pictured("flat_leaf", 0.8, FROM_ABOVE),
    "rust": Pictured("tin_can", 0.8),
    "crumple": Pictured("paper", 0.9, FROM_ABOVE),
}
GALLERY = {"tulip": "bloom", "potted_plant": "wilt", "apple": "rot", "tin_can": "crumple", "bag": "burn"}
SIDE = 240  # pixels of a moment
TABLE_SIZES = 10_000, 50_000
SECONDS = {"melt": 8.0, "bloom": 15.0, "close": 15.0}
SKIN_SECONDS, LATTICE_SECONDS = 10.0, 4.0  # of sheets and wrinkling skins, and of all others
HEAVIER, PREVIEW_SECONDS = 2.5, 2.0  # at 50k vertices, times what 10k may take; whatever the size
UNCROSSED = {"wilt", "shrivel", "swell", "grow"}
IN_SIGHT = {"burn": 0.002, "melt": 0.02, "close": 0.05, "bloom": 0.05}  # of the faces


def main() -> None:
    arguments = _arguments()
    if arguments.subject:
        one(arguments)
        return
    processes, makers = _chosen(arguments.only)
    if arguments.pictures:
        pictures(processes)
        return
    if arguments.gallery:
        gallery()
        return
    if arguments.measured:
        measured(processes, makers)
        return
    if arguments.nasty:
        on_nasty(processes)
        return
    OUT.mkdir(parents=True, exist_ok=True)
    if not arguments.undrawn:
        for process in processes:
            on_cases(process, makers)
        if not arguments.only:
            together()
    if not arguments.untimed:
        timed(processes)


def one(arguments: argparse.Namespace) -> None:
    """One subject, or several, under one process: what the certificate says, and a sheet."""
    asked = living.request(
        arguments.process, dict(arguments.set), frames=arguments.frames, seed=arguments.seed, reverse=arguments.reverse
    )
    makers = subjects() | nasty()
    out = (arguments.out or OUT / "one").resolve()  # the pictures are made from elsewhere
    out.mkdir(parents=True, exist_ok=True)
    clips = []
    for name in arguments.subject:
        mesh = makers[name]() if name in makers else read(Path(name))
        lived = living.live(mesh, asked, f"{Path(name).stem}: {arguments.process}")
        print(f"{Path(name).stem}, {len(mesh.vertices)} vertices, {lived.seconds:.2f} s: {lived.certificate.summary}")
        for what, value, unit in lived.certificate.measured if arguments.verbose else ():
            print(f"  {what:42} {value:10.4g} {unit}")
        clips.append(living.save(lived, out / f"{Path(name).stem}.npz"))
    sheet = out / f"{arguments.process.replace(', ', '-').replace(' + ', '+')}.png"
    video = ("--video", out / f"{sheet.stem}.mp4") if arguments.video else ()
    views = [str(part) for view in arguments.view or () for part in ("--view", *view)]
    living.look(clips, "-o", sheet, *views, *video)
    print(sheet)


def on_cases(process: str, makers: dict[str, Callable[[], Mesh]]) -> None:
    """A sheet of one process on its subjects, a video of the first, and a table of what was measured."""
    asked = living.request(process, {})
    table = Table(f"{process}, 48 frames")
    with tempfile.TemporaryDirectory() as folder:
        clips = []
        for name in CASES.get(process, "apple tulip spot").split():
            if name not in makers:
                continue
            mesh = makers[name]()
            try:
                lived = living.live(mesh, asked)
            except NotForThis as refused:
                print(f"{process}, {name}: {refused}")
                continue
            lived.clip.provenance["title"] = f"{process}, {name}: {lived.certificate.summary}"
            _add_rows(table, process, name, mesh, lived)
            clips.append(living.save(lived, Path(folder) / f"{name}.npz"))
        if not clips:
            return
        living.look(clips, "-o", OUT / f"{process}.png", "--size", SIDE, "--video", OUT / f"{process}.mp4")
    table.show()


def _add_rows(table: Table, process: str, name: str, mesh: Mesh, lived: living.Lived) -> None:
    table.add(f"{name}: seconds ({len(mesh.vertices)} vertices)", lived.seconds, "s")
    closed = certificate.is_closed(mesh.faces)
    change = lived.measured(certificate.VOLUME_CHANGE)
    if process == "melt" and change is not None:
        table.add(f"{name}: largest change of volume", change, "of the volume", 0.01 if closed else 0.05)
        table.add(f"{name}: put back by correction", lived.measured(certificate.CORRECTED), "of the volume", 0.10)
    new = lived.measured(f"{certificate.CROSSING} in the last frame")
    table.add(f"{name}: new crossing faces at the end", new, "faces", 0 if process in UNCROSSED else None)
    if process in IN_SIGHT:
        when = "first" if process == "bloom" else "last"
        seen = lived.measured(f"{certificate.IN_SIGHT} in the {when} frame") / len(mesh.triangles)
        table.add(f"{name}: of them in sight, {when} frame", 100 * seen, "% of the faces", 100 * IN_SIGHT[process])
    step = lived.measured("largest step between frames")
    table.add(f"{name}: largest step between frames", step, "of the size")


def measured(processes: list[str], makers: dict[str, Callable[[], Mesh]]) -> None:
    """What is promised of a finished clip, in Markdown: crossings, volume, and what was put back of it."""
    print("| process, subject | vertices | newly crossing | in sight | volume at the end | put back |")
    print("|---|---|---|---|---|---|")
    for process in processes:
        for name in CASES[process].split():
            if name not in makers:
                continue
            mesh = makers[name]()
            try:
                lived = living.live(mesh, living.request(process, {}))
            except NotForThis:
                continue
            # of a birth the last frame is the subject itself, and in its first what sprouts has no size yet
            when = ("first", "middle") if kind_of(protocol.PROCESSES[process]()).birth else ("last",)
            crossing, seen = (
                f"{max(lived.measured(f'{what} in the {each} frame') for each in when) / len(mesh.triangles):.2%}"
                for what in (certificate.CROSSING, certificate.IN_SIGHT)
            )
            volume, back = lived.measured(f"{certificate.VOLUME} at 100 % of the frames"), ""
            if volume is not None and process == "melt":
                back = f"{lived.measured(certificate.CORRECTED):.1%}"
            held = "" if volume is None else f"{volume:.1%}"
            cells = f"{process}, {name}", str(len(mesh.vertices)), crossing, seen, held, back
            print(f"| {' | '.join(cells)} |".replace("%", " %"), flush=True)


def gallery() -> None:
    """docs/life.png."""
    makers = subjects()
    with tempfile.TemporaryDirectory() as folder:
        clips = []
        for name, process in GALLERY.items():
            lived = living.live(makers[name](), living.request(process, {}))
            lived.clip.provenance["title"] = f"{name.replace('_', ' ')}: {process}"
            clips.append(living.save(lived, Path(folder) / f"{name}.npz"))
        living.look(clips, "-o", ROOT / "docs" / "life.png", "--size", SIDE)


def together() -> None:
    """Processes at once and one after another."""
    makers = subjects()
    with tempfile.TemporaryDirectory() as folder:
        clips = []
        for name, words in TOGETHER.items():
            lived = living.live(makers[name](), living.request(words, {}, frames=96))
            lived.clip.provenance["title"] = f"{words}, {name}: {lived.certificate.summary}"
            clips.append(living.save(lived, Path(folder) / f"{name}.npz"))
        living.look(clips, "-o", OUT / "together.png", "--size", SIDE, "--video", OUT / "together.mp4")


def timed(processes: list[str]) -> None:
    """Seconds of 48 frames at 10k and 50k vertices, and to the first preview that shows a change."""
    table = Table("48 frames of life")
    for process in processes:
        asked = living.request(process, {})
        for name in TIMED.get(process, "apple").split():
            skin = kind_of(asked.stages[0].process).wrinkles or name in ("tulip", "paper")
            bound = SECONDS.get(process, SKIN_SECONDS if skin else LATTICE_SECONDS)
            for vertices, most in zip(TABLE_SIZES, (bound, HEAVIER * bound), strict=True):
                mesh = sized(name, vertices)
                if vertices == TABLE_SIZES[0]:
                    living.live(mesh, asked)  # so that nothing is compiled while it is timed
                what = f"{process} of {name}, {len(mesh.vertices)} vertices"
                table.add(what, living.live(mesh, asked).seconds, "s", most)
                table.add(f"{what}: first preview", living.first_preview(mesh, asked), "s", PREVIEW_SECONDS)
    table.show()


def sized(name: str, vertices: int) -> Mesh:
    """A subject made with about so many vertices."""
    make, resolution = subjects()[name], 1.0
    for _ in range(3):  # rows are whole numbers, and some have a least
        resolution *= np.sqrt(vertices / len(make(resolution).vertices))
    return make(resolution)


def on_nasty(processes: list[str]) -> None:
    """No crash, no number that is none, and no still: each in eight frames."""
    for name, make in nasty().items():
        mesh = make()
        table = Table(f"{name}, {len(mesh.vertices)} vertices, 8 frames")
        for process in processes:
            try:
                lived = living.live(mesh, living.request(process, {}, frames=8))
            except (NotForThis, UnusableSubject) as refused:
                print(f"{process}, {name}: {refused}")
                continue
            moved = lived.measured(protocol.Certificate.DISPLACEMENT)
            table.add(f"{process}: seconds", lived.seconds, "s")
            table.add(f"{process}: moves", moved, "of the size")
            table.add(f"{process}: moves or changes colour", moved + lived.measured(certificate.COLOUR), "", least=0.02)
        if table.rows:
            table.show()


def pictures(processes: list[str]) -> None:
    """128 x 128 pixels for each process, on no background, into the add-on."""
    PICTURES.mkdir(exist_ok=True)
    makers = subjects()
    with tempfile.TemporaryDirectory() as folder:
        for process in processes:
            name, tau, view, above, sliders = PICTURED[process]
            clip = living.save(living.live(makers[name](), living.request(process, sliders)), Path(folder) / "clip.npz")
            out = PICTURES / f"{process}.png"
            living.look([clip], "--icon", tau, "--view", *view, "--above", above, "-o", out)


def _chosen(only: list[str] | None) -> tuple[list[str], dict[str, Callable[[], Mesh]]]:
    """Processes and subjects by name; of either, all where none is named."""
    names, makers = set(only or ()), subjects()
    unknown = names - set(protocol.PROCESSES) - set(makers)
    if unknown:
        raise SystemExit(f"There is no process or subject called {', '.join(sorted(unknown))}")
    processes = [name for name in protocol.PROCESSES if name in names] or list(protocol.PROCESSES)
    return processes, {name: make for name, make in makers.items() if name in names} or makers


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0], epilog="of one life: --subject and --process, and what follows them"
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="processes and subjects")
    parser.add_argument("--untimed", action="store_true", help="sheets and videos alone")
    parser.add_argument("--undrawn", action="store_true", help="seconds alone")
    parser.add_argument("--nasty", action="store_true", help="on meshes as they should not be")
    parser.add_argument("--measured", action="store_true", help="what the certificates say, as a table")
    parser.add_argument("--gallery", action="store_true", help="the README's picture")
    parser.add_argument("--pictures", action="store_true", help="for the add-on's menu")
    parser.add_argument("--subject", nargs="+", help="names of subjects, or files")
    parser.add_argument("--process", default="wilt", help='"wilt", or in words: "bloom, wilt + burn"')
    parser.add_argument("--set", nargs="+", default=(), type=_slider, metavar="NAME=VALUE", help="sliders")
    parser.add_argument("--out", type=Path, help="a folder")
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reverse", action="store_true")
    parser.add_argument("--video", action="store_true")
    parser.add_argument("--verbose", action="store_true", help="all of the certificate")
    parser.add_argument("--view", type=float, nargs=2, action="append", metavar=("AZIMUTH", "ELEVATION"))
    parser.add_argument("--json", type=Path, help="where the tables are added as numbers")  # read by Table
    return parser.parse_args()


def _slider(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    return name, float(value)


if __name__ == "__main__":
    main()

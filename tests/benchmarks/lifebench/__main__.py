"""LifeBench: the open benchmark of growth and decay.

    python -m tests.benchmarks.lifebench data                       everything there is to see, into out/lifebench
    python -m tests.benchmarks.lifebench score FILE --case mesh/rose-SEED
    python -m tests.benchmarks.lifebench entries                    baselines and our own engines, scored
    python -m tests.benchmarks.lifebench registrations              two more baselines, on a part: they are slow
    python -m tests.benchmarks.lifebench page                       RESULTS.md from what was scored

`data` needs the environment "learned" (torch), the others "backend"; the entry `arap` finds libigl in "learned".
"""

import argparse
import shlex
import sys
import time
from datetime import date
from pathlib import Path
from typing import NamedTuple

from backend.species import SPECIES
from tests.benchmarks.lifebench.metrics import Counts
from tests.benchmarks.lifebench.tasks import FRAMES, SEEDS, Task, cases
from tools.environments import ROOT

MODULE = "tests.benchmarks.lifebench"
EXAMPLE = f"mesh/rose-{SEEDS[0]}"
FORMS = ".usdc", ".glb", ".npz"  # the first has colours over life, and others read it; a .glb has one frame's
OUT = ROOT / "out" / "lifebench"


class Usual(NamedTuple):
    """What is done where nothing else is asked for; published results have it."""

    seeds: tuple[int, ...]
    frames: int
    points: int  # on each surface
    detail: float  # of the meshes


USUAL = Usual(SEEDS, FRAMES, Counts().to, 1.0)
OF_REGISTRATIONS = Usual(SEEDS[:1], 16, 20_000, 0.5)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.lifebench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    def action(function, name: str) -> argparse.ArgumentParser:
        added = actions.add_parser(name, help=function.__doc__.split("\n")[0])
        added.set_defaults(action=function)
        added.add_argument("--out", type=Path, default=OUT, help="folder of data and scores (out/lifebench)")
        return added

    for function in (data, entries, registrations):
        added = action(function, function.__name__)
        usual = OF_REGISTRATIONS if function is registrations else USUAL
        added.add_argument("--only", nargs="+", choices=list(SPECIES), default=list(SPECIES), metavar="SPECIMEN")
        added.add_argument("--seeds", nargs="+", type=int, default=usual.seeds)
        added.add_argument("--tasks", nargs="+", type=Task, metavar="TASK", help="only these")
        added.add_argument("--frames", type=int, default=usual.frames)
        added.add_argument("--detail", type=float, default=usual.detail, help=f"of the meshes ({usual.detail:g})")
        if function is data:
            added.add_argument("--side", type=int, default=256, help="pixels of a picture")
        else:
            added.add_argument("--form", choices=FORMS, default=FORMS[0], help="of the files that answers go through")
            added.add_argument("--entries", nargs="+", metavar="NAME", help="only these")
            added.add_argument(
                "--points", type=int, default=usual.points, help="on each surface; ActionBench has 100,000"
            )
    added = action(scored, "score")
    added.add_argument("answer", type=Path, help="a file, or a folder of .obj or .ply, one a frame")
    added.add_argument("--case", required=True, help=f"TASK/SPECIMEN-SEED, such as {EXAMPLE}")
    added.add_argument("--up", choices=("Y", "Z"), help="which way is up in it (default: by format)")
    added.add_argument("--fps", type=float, help="of a folder of meshes")
    added = action(page, "page")
    added.add_argument("--page", type=Path, default=Path(__file__).parent / "RESULTS.md")
    added.add_argument("--note", default="", metavar="TEXT", help="what else the machine did, for the seconds")
    arguments = parser.parse_args()
    arguments.action(arguments)


def data(arguments: argparse.Namespace) -> None:
    """Make what there is to see of every life, and what each task gives."""
    from tests.benchmarks.lifebench import data as making

    for task in arguments.tasks or Task:
        for case in cases(task, arguments.only, arguments.seeds, arguments.detail):
            began = time.perf_counter()
            print(f"{case.task.value}/{case.name}: drawing its films", flush=True)
            making.make(case, arguments.out, arguments.frames, arguments.side)
            home = making.give(case, arguments.out, arguments.frames, arguments.side)
            print(f"{home}  {time.perf_counter() - began:.0f} s", flush=True)


def scored(arguments: argparse.Namespace) -> None:
    """Score one answer."""
    from tests.benchmarks.lifebench.metrics import score
    from tests.benchmarks.lifebench.readers import Unreadable, read

    task, _, name = arguments.case.partition("/")
    specimen, _, seed = name.rpartition("-")
    known = specimen in SPECIES and seed.isdigit() and task in [one.value for one in Task]
    found = cases(Task(task), [specimen], [int(seed)]) if known else []
    if not found:
        sys.exit(f"{arguments.case} is no case: write TASK/SPECIMEN-SEED, such as {EXAMPLE}")
    (case,) = found
    try:
        sequence = read(arguments.answer, fps=arguments.fps, up=arguments.up)
    except Unreadable as error:
        sys.exit(str(error))
    if case.seed not in SEEDS:
        print(f"{case.seed} is none of the held-out seeds ({SEEDS[0]} to {SEEDS[-1]}): for trying, not for publishing")
    print(f"Growing {case.name} and measuring against it: about half a minute", file=sys.stderr, flush=True)
    for one in score(sequence, case.truth(), case.task.freedom).scores:
        value = f"{one.value:12.4g}" if one.told else f"{'-':>12}"
        print(f"{one.name:<18}{value}  {one.unit}  ({one.sense.value} is better)")


def entries(arguments: argparse.Namespace) -> None:
    """Let the baselines and our own engines answer, and score them, but for what was scored in the same way before."""
    from tests.benchmarks.lifebench.entries import WHOLE

    _run(WHOLE, arguments)


def registrations(arguments: argparse.Namespace) -> None:
    """The same for two baselines that take minutes a life, and others beside them, on a part."""
    from tests.benchmarks.lifebench.entries import REGISTRATIONS

    _run(REGISTRATIONS, arguments)


def _run(part, arguments: argparse.Namespace) -> None:
    from tests.benchmarks.lifebench.page import Conditions
    from tests.benchmarks.lifebench.running import Run, Unknown

    conditions = Conditions(arguments.frames, arguments.points, arguments.detail, arguments.form)
    command = f"python -m {MODULE} {shlex.join(sys.argv[1:])}"
    try:
        run = Run.of(part, arguments.out, conditions, arguments.tasks, arguments.entries, command)
    except Unknown as error:
        sys.exit(str(error))
    for line in run(arguments.only, arguments.seeds):
        print(line, flush=True)


def page(arguments: argparse.Namespace) -> None:
    """Write the page of results."""
    from tests.benchmarks.lifebench.page import Mixed, write

    try:
        write(arguments.out, arguments.page, ", ".join(filter(None, [date.today().isoformat(), arguments.note])))
    except Mixed as error:
        sys.exit(str(error))
    print(arguments.page)


if __name__ == "__main__":
    main()

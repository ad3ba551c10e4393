#!/usr/bin/env python3
"""The one entrance: set up, demo, test, bench, package, run, train. Needs Python 3.11 or later and nothing else.

python build.py demo       everything set up, then the main job in a real Blender; pictures and files in out/demo/
python build.py test       everything set up, then all the tests
"""

import argparse
import itertools
import json
import mimetypes
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036  (said before newer syntax is met)
    sys.exit(f"Anthesis needs Python 3.11 or later to build; this is {sys.version.split()[0]}")

from tools import package, testing
from tools.environments import (
    BACKEND_ENVIRONMENT,
    BPY,
    EDITOR,
    LEARNED_ENVIRONMENT,
    MAIN_BLENDER,
    ROOT,
    SetupError,
    ensure,
    say,
    variables,
)

BACKEND, LEARNED = BACKEND_ENVIRONMENT, LEARNED_ENVIRONMENT
STOPPED = 130  # exit code after Ctrl-C


def main() -> int:
    # all after it belongs to the backend's own parser, --help as well
    if sys.argv[1:2] in (["run"], ["models"], ["train"], ["doctor"]):
        return in_backend(*sys.argv[1:])
    parser = _parser()
    arguments, others = parser.parse_known_args()
    if others and not (arguments.action is bench and arguments.name):
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    arguments.others = others
    return arguments.action(arguments) or 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    def action(function, name: str, **more) -> argparse.ArgumentParser:
        about = function.__doc__
        added = actions.add_parser(name, help=about.split("\n")[0], description=about, **more)
        added.set_defaults(action=function)
        return added

    added = action(demo, "demo")
    added.add_argument(
        "--blender", choices=BPY, default=MAIN_BLENDER, help="which bpy wheel to use (default: %(default)s)"
    )
    added.add_argument("--out", type=Path, default=ROOT / "out" / "demo", help="where the files go (out/demo)")
    added = action(test, "test")
    added.add_argument(
        "--quick", action="store_true", help=f"all but the other Blenders than {MAIN_BLENDER}, and the window"
    )
    added.add_argument("--whole", action="store_true", help=f"in each Blender all that is tested in {MAIN_BLENDER}")
    added.add_argument("--only", metavar="NAME", nargs="+", choices=testing.PARTS, help="parts to run: %(choices)s")
    added.add_argument("pytest", nargs="*", help="after --: passed on to pytest, for example -- -k melt")
    added = action(
        bench, "bench", allow_abbrev=False, usage="build.py bench [NAME [--json FILE] [OPTIONS OF THAT BENCHMARK]]",
        epilog="What else follows NAME goes to that benchmark, for example: bench life --subject tulip.obj "
               "--process wilt --out looked. The first lines of tests/bench/NAME.py tell what it takes.",
    )  # fmt: skip
    added.add_argument("name", nargs="?", metavar="NAME", help="a module of tests/bench; without it, all of them")
    added.add_argument("--json", type=Path, metavar="FILE", help="write the tables there as well")
    added.add_argument("--demo", action="store_true", help="of kernels: a shape from its pictures, into out/kernels/")
    added = action(make_package, "package")
    added.add_argument("--python", choices=package.PYTHONS, nargs="+", default=package.PYTHONS)
    added.add_argument("--platform", choices=package.PLATFORMS, nargs="+", default=list(package.PLATFORMS))
    added.add_argument("--out", type=Path, default=ROOT / "dist", help="where the zips go (dist)")
    action(dev, "dev")
    actions.add_parser("run", help="make a file from words, a mesh or a picture; run --help has its own options")
    actions.add_parser("models", help="public checkpoints, which are here, and getting them; models --help says more")
    actions.add_parser("train", help="train the networks of the learned engine; train --help has its own options")
    actions.add_parser("doctor", help="say what this machine can do, and what is missing; doctor --help says more")
    return parser


def demo(arguments) -> None:
    """The main job in a real Blender, from the built extension: a rose and a melting monkey, into out/demo/.

    The last line is JSON: the files and the seconds that each step took.
    """
    began = time.monotonic()
    blender = BPY[arguments.blender]
    ensure(BACKEND, blender, package.BUILDER)
    seconds = {"set up": time.monotonic() - began}
    began = time.monotonic()
    zips = package.build([blender.python], [package.this_platform()], ROOT / "dist")
    seconds["package"] = time.monotonic() - began
    out = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    for old in [*out.glob("rose.*"), *out.glob("monkey.*")]:  # of an earlier demo; anything else there is the user's
        old.unlink()
    with tempfile.TemporaryDirectory(prefix="anthesis-demo-") as private:
        # Blender's settings and extensions, and the backend's jobs, are private: the user's own stay untouched.
        environment = os.environ | {"BLENDER_USER_RESOURCES": f"{private}/blender", "ANTHESIS_HOME": f"{private}/home"}
        script = [blender.executable, ROOT / "tools" / "demo.py"]
        options = ["--zip", zips[0], "--python", BACKEND.executable, "--out", out]
        try:
            told = _follow_demo([*script, *options], environment)
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # an impatient second Ctrl-C would leave orphans
            ender = [BACKEND.executable, ROOT / "tools" / "end_processes.py", environment["ANTHESIS_HOME"]]
            subprocess.run(ender, env=os.environ, check=False)
            signal.signal(signal.SIGINT, signal.default_int_handler)
    seconds |= told["seconds"]
    told["seconds"] = {step: round(value, 1) for step, value in seconds.items()}
    told["total"] = round(sum(seconds.values()), 1)
    print(json.dumps(told))


def _follow_demo(command: list, environment: dict[str, str]) -> dict:
    """Blender at work, with its steps printed as they are done; what it told in its last line."""
    lines = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        try:
            for line in process.stdout:
                lines.append(line)
                if line.startswith("[demo]"):
                    print(line, end="", flush=True)
        except KeyboardInterrupt:
            _end(process, patience=0)
            raise
    if process.returncode or not lines or not lines[-1].startswith("{"):
        said = "".join(lines[-40:])
        raise SetupError(f"The demo ended with code {process.returncode}. Blender's last words:\n{said}")
    return json.loads(lines[-1])


def test(arguments) -> int:
    """Style, the tests of the backend, of what needs torch, of each Blender, a tour of the window; all counted last.

    All that is tested of the add-on is tested in one Blender; in the others, what Blender's version can change. What is
    marked `once` lies beyond Blender: the processes that it starts and installs. --whole runs that in each as well.

    The tour needs a Blender with a window: ANTHESIS_BLENDER names its executable, or ANTHESIS_BLENDER_GUI a script that
    drives one (see tests/window_tour.py). ANTHESIS_BLENDER_PYTHON says which Python such a script's Blender has (3.13).
    """
    parts = arguments.only or (testing.QUICK if arguments.quick else testing.PARTS)
    told = testing.run(parts, arguments.whole, arguments.pytest)
    print(f"{told['passed']} passed, {told['failed']} failed, {told['skipped']} skipped")
    return 1 if told["failed"] or not told["passed"] else 0


def bench(arguments) -> int:
    """Measure, and print tables of ratios. A bound that is exceeded is marked, and does not fail."""
    if arguments.json:
        arguments.json = arguments.json.resolve()
        arguments.json.unlink(missing_ok=True)
    modules = benchmarks()
    if arguments.demo and arguments.name != "kernels":
        raise SetupError("--demo belongs to one benchmark: python build.py bench kernels --demo")
    if arguments.name and arguments.name not in modules:
        raise SetupError(f"There is no benchmark {arguments.name!r}: there are {', '.join(modules)}")
    environments = {each.name: each for each in (BACKEND, LEARNED, *BPY.values())}
    worst = 0
    for name in [arguments.name] if arguments.name else modules:
        environment = environments[modules[name]]
        ensure(BACKEND, environment)
        # -P: a folder called tests where the user stands must not be taken for ours
        command = [environment.executable, "-P", "-m", f"tests.bench.{name}", *(["--demo"] if arguments.demo else [])]
        if arguments.json:
            command += ["--json", arguments.json]
        # an option may name a file, as seen from where the user stands; without one, all lies in out/
        place = None if arguments.others else ROOT
        worst = max(worst, abs(subprocess.run([*command, *arguments.others], cwd=place, env=variables()).returncode))
    return worst


def benchmarks() -> dict[str, str]:
    """Name -> environment; a benchmark says it in its first lines: "ENVIRONMENT: backend", "ENVIRONMENT: bpy-5.0"."""
    return {
        path.stem: said[1]
        for path in sorted((ROOT / "tests" / "bench").glob("*.py"))
        if (said := re.search(r"^ENVIRONMENT: (\S+)$", path.read_text(), re.MULTILINE))
    }


def make_package(arguments) -> None:
    """The extension zips and a static repository index, into dist/. Point Blender at dist/index.json."""
    for path in package.build(arguments.python, arguments.platform, arguments.out):
        print(path)


def dev(arguments) -> None:
    """An environment for an editor, with everything that any part imports and fake-bpy-module."""
    ensure(EDITOR)
    print(EDITOR.executable)


def in_backend(command: str, *options: str) -> int:
    """`python -m backend COMMAND` in the project's own environment, with paths as seen from here."""
    learned = command in ("models", "train") or any(map(_is_picture, options)) or _wants_views(options)
    learned = LEARNED.fits() if command == "doctor" else learned  # it looks at what there is, and fetches no torch
    environment = LEARNED if learned else BACKEND
    ensure(BACKEND, environment)
    # -P: a folder called backend where the user stands must not be taken for ours
    command = [environment.executable, "-P", "-m", "backend", command, *options]
    process = subprocess.Popen(command, env=variables(ANTHESIS_COMMAND=_called()))
    try:
        return process.wait()
    except KeyboardInterrupt:
        _end(process, patience=3)  # it heard the terminal's Ctrl-C too
        return process.returncode if process.returncode >= 0 else STOPPED


def _called() -> str:
    """How this was called: backend/terminal.py begins with it what it tells the user to type."""
    python = Path(sys.orig_argv[0]).name
    return shlex.join([python if shutil.which(python) else sys.orig_argv[0], sys.argv[0]])


def _is_picture(name: str) -> bool:
    """By its ending: what is made of a picture wants the learned engine."""
    return (mimetypes.guess_type(name, strict=False)[0] or "").startswith("image/")


def _wants_views(options: tuple[str, ...]) -> bool:
    """Whether words are to be made something of by a model of views."""
    return "--engine=views" in options or ("--engine", "views") in itertools.pairwise(options)


def _end(process: subprocess.Popen, patience: float) -> None:
    """Wait for a child to end by itself, then ask it to, then end it: each after so many seconds."""
    for order, seconds in ((process.terminate, patience), (process.kill, 5)):
        try:
            process.wait(seconds)
            return
        except subprocess.TimeoutExpired:
            order()
    process.wait()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SetupError as error:
        sys.exit(f"build.py: {error}")
    except KeyboardInterrupt:
        say("build.py: stopped")
        sys.exit(STOPPED)

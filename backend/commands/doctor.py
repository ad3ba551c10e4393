"""Say in words whether this machine can run the backend, and what to do where it cannot.

It runs where packages are missing, so everything beyond the standard library is imported where it is asked about.
"""

import argparse
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from backend import learned, terminal  # of the standard library alone

_REQUIREMENTS = Path(__file__).parents[1] / "requirements.txt"
_ASKING = 10  # seconds for the driver's answer
_MUCH = 2e9  # bytes free that a long, heavy clip wants
_WAIT = 2000  # milliseconds for a backend's answer
_LOADING = 120  # seconds for a library and its drivers
_PLACE = {  # of each library that learned engines need: prints in its last line where it computes
    "torch": """
import torch, warnings
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    usable = torch.cuda.is_available()
why = " ".join(str(said[0].message).split()) if said else "it finds no CUDA GPU"
print(torch.cuda.get_device_name() if usable else f"the CPU: {why}")
""",
    "warp-lang": """
import warp
warp.config.log_level = warp.LOG_ERROR
warp.init()
usable = warp.is_cuda_available()
print(warp.get_device("cuda:0").name if usable else "the CPU: it finds no CUDA GPU")
""",
}


@dataclass(frozen=True)
class Finding:
    well: bool
    text: str


def main(options: list[str]) -> int:
    """0 where the backend can work here, 1 where something must be done first."""
    parser = argparse.ArgumentParser(prog=terminal.command("doctor"), description=__doc__.split("\n")[0])
    parser.add_argument("--home", type=Path, help="the backend's folder to look into (default: this user's)")
    parser.add_argument(
        "--load", action="store_true",
        help="load the learned engine's libraries too, and say what they compute on; takes some seconds",
    )  # fmt: skip
    arguments = parser.parse_args(options)
    sick = False
    for finding in _findings(arguments.home, arguments.load):
        print(f"{'ok  ' if finding.well else 'BAD '} {finding.text}")
        sick |= not finding.well
    print("Something above must be done first" if sick else "The backend can work here")
    return 1 if sick else 0


def _findings(home: Path | None, load: bool) -> Iterator[Finding]:
    yield _python()
    wanted = _requirements(_REQUIREMENTS)
    missing = _missing(wanted)
    if missing:
        fix = f'"{sys.executable}" -m pip install -r "{_REQUIREMENTS}"'
        yield Finding(False, f"Not installed: {', '.join(missing)}. Run: {fix}")
        return  # the rest could only say so again
    yield Finding(True, f"All {len(wanted)} packages are installed")
    from backend import protocol

    home = home or protocol.default_home()
    yield _folder(home)
    yield _connection(home)
    yield _compiled(home)
    yield from _learned(load)
    yield from _checkpoints(home)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    well = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return Finding(well, f"Python {version} at {sys.executable}" + ("" if well else ": 3.11, 3.12 or 3.13 is needed"))


def _requirements(file: Path) -> list[str]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return [re.match(r"[\w.-]+", line)[0] for line in lines if line and not line.startswith("#")]


def _missing(names: Iterable[str]) -> list[str]:
    return [name for name in names if not any(importlib.metadata.distributions(name=name))]


def _folder(home: Path) -> Finding:
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        return Finding(False, f"Cannot write to {home} ({error.strerror}): set ANTHESIS_HOME to a folder of yours")
    free = shutil.disk_usage(home).free
    text = f"Jobs and logs are kept in {home}, with {free / 1e9:.1f} GB free on its disk"
    return Finding(free >= _MUCH, text if free >= _MUCH else f"{text}: make room, {_MUCH / 1e9:.0f} GB at least")


def _connection(home: Path) -> Finding:
    """Whether a backend runs for this home, and answers."""
    from backend import protocol

    connection = protocol.read_connection(home)
    if connection is None:
        return Finding(True, "No backend is running for this folder; Blender starts one when it needs it")
    where = f"The backend of process {connection.pid} at {connection.endpoint}"
    answer = _greet(connection)
    if answer is None:
        return Finding(False, f"{where} does not answer: end that process, or delete {home / protocol.CONNECTION_FILE}")
    return Finding(True, f"{where} answers: {answer}")


def _greet(connection) -> str | None:
    import uuid

    import zmq

    from backend import protocol

    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.linger = 0
        if connection.server_key:
            socket.curve_serverkey = connection.server_key.encode()
            socket.curve_publickey = connection.client_public.encode()
            socket.curve_secretkey = connection.client_secret.encode()
        socket.connect(connection.endpoint)
        socket.send_multipart(protocol.encode(protocol.Hello(client=uuid.uuid4().hex, software="doctor")))
        if not socket.poll(_WAIT):
            return None
        answer, _ = protocol.decode_answer(socket.recv_multipart())
        socket.send_multipart(protocol.encode(protocol.Bye()))
        if isinstance(answer, protocol.Welcome):
            return f"{answer.software}, protocol {answer.protocol}"
        return answer.failure.text


def _compiled(home: Path) -> Finding:
    """How much of the kernels is compiled already: what is not, makes the first job start later."""
    folder = home / "cache"
    numba, warp = (len(list(folder.rglob(ending))) for ending in ("*.nbc", "*.meta"))
    held = f"{numba} by numba and {warp} by Warp so far" if numba or warp else "none so far, made on first use"
    return Finding(True, f"Compiled kernels are kept in {folder}: {held}")


def _learned(load: bool) -> Iterator[Finding]:
    """Whether the learned engine's libraries are there, and its model. The built-in engine needs neither."""
    wanted = _requirements(learned.REQUIREMENTS)
    missing = _missing(wanted)
    there = [name for name in wanted if name not in missing]
    if there:
        versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in there)
        yield Finding(True, f"The learned engine's libraries: {versions}")
    if missing:
        text = f"Not installed, and not needed by the built-in engine: {', '.join(missing)}. {learned.advice()}"
        yield Finding(True, text)
    yield from _models()
    if "torch" in there:
        yield _gpu()
    if load:
        yield from _loaded([name for name in _PLACE if name in there])


def _models() -> Iterator[Finding]:
    """Those that come with us."""
    from backend.pipelines import expected, views_of

    yield _model(expected.WEIGHTS, "", "pictures come to life")
    yield _model(views_of.WEIGHTS, " of views", "words become views and a mesh by the engine views")


def _model(folder: Path, of: str, makes: str) -> Finding:
    """Its folder, its size, and what its card says first."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    if not files:
        return Finding(True, f"No trained model{of} comes with this version: {makes} with one that you name")
    if not any(path.suffix == ".safetensors" for path in files):
        return Finding(False, f"The model{of} in {folder} has no weights: install Anthesis again")
    size, card = sum(path.stat().st_size for path in files), folder / "README.md"
    lines = card.read_text(encoding="utf-8").splitlines() if card.is_file() else []
    about = next((line for line in lines if line and line[0] not in "#-|"), "it has no card")
    return Finding(True, f"A trained model{of} of {size / 1e6:.1f} MB lies in {folder}: {about}")


def _checkpoints(home: Path) -> Iterator[Finding]:
    """Which public checkpoints are here. None is needed by the other engines, and none is fetched by asking."""
    from backend import models

    try:
        states = [models.look(model, models.load(home)) for model in models.MODELS]
    except models.ModelError as error:
        yield Finding(False, str(error))
        return
    yield from (Finding(state.word != "damaged", state.say()) for state in states if state.word != "missing")
    if missing := [state.model.name for state in states if state.word == "missing"]:
        yield Finding(True, f"Public checkpoints not here: {', '.join(missing)}. See {terminal.command('models')}")


def _gpu() -> Finding:
    """Whether an NVIDIA driver answers, and what it drives. What torch makes of it, only loading tells."""
    ask = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(ask, capture_output=True, text=True, timeout=_ASKING)
    except (OSError, subprocess.TimeoutExpired):
        return Finding(True, "GPU: no, for no NVIDIA driver answers. The learned engine computes on the CPU")
    names = done.stdout.strip().splitlines()
    if done.returncode or not names:
        return Finding(True, "GPU: no, for the NVIDIA driver finds none. The learned engine computes on the CPU")
    text = f"GPU: yes, {names[0].replace(', ', ', driver ')}"
    if importlib.metadata.version("torch").endswith("+cpu"):
        return Finding(True, f"{text}; but this torch is for the CPU. Install the learned engine again, for the GPU")
    return Finding(True, f"{text}. {terminal.command('doctor --load')} says whether torch can use it")


def _loaded(names: list[str]) -> Iterator[Finding]:
    """Whether libraries load, and see a GPU."""
    on_gpu = {}
    for name in names:
        title = f"{name} {importlib.metadata.version(name)}"
        well, said = _run(_PLACE[name])
        on_gpu[name] = not said.startswith("the CPU") if well else None
        fix = f'"{sys.executable}" -m pip install --force-reinstall {name}'
        yield Finding(well, f"{title} computes on {said}" if well else f"{title} does not load: {said}. Run: {fix}")
    if on_gpu == {"torch": True, "warp-lang": False}:
        yield Finding(True, "Warp wants an NVIDIA driver R580 or newer: update it, and kernels use the GPU as well")


def _run(script: str) -> tuple[bool, str]:
    """Whether it ends well, and its last line; in a process of its own, so that a library may crash there."""
    options = {"capture_output": True, "text": True, "timeout": _LOADING}
    try:
        done = subprocess.run([sys.executable, "-P", "-c", script], **options)
    except subprocess.TimeoutExpired:
        return False, f"it takes longer than {_LOADING} s"
    well = done.returncode == 0
    return well, ((done.stdout if well else done.stderr).strip() or "it crashed").splitlines()[-1]

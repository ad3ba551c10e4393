"""`python -m backend run` and `doctor` as a user types them: real processes, what they write, say and return."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
import trimesh
from pxr import Usd, UsdGeom

from backend import protocol
from backend.commands import bar
from backend.files import npz
from backend.geometry.fields import parts
from tests.service_client import SECONDS

ROOT = Path(__file__).resolve().parents[1]


def command(*arguments) -> list:
    return [sys.executable, "-P", "-m", "backend", *arguments]


def run(folder: Path, *arguments, **more) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "ANTHESIS_HOME": str(folder / "home")}
    options = {"cwd": folder, "env": environment, "capture_output": True, "text": True, "timeout": 120}
    return subprocess.run(command(*arguments), **options, **more)


@pytest.fixture
def ball(tmp_path) -> Path:
    path = tmp_path / "ball.ply"
    trimesh.creation.icosphere(subdivisions=2, radius=0.5).export(path)
    return path


def test_words_become_a_file_and_a_line_of_json(tmp_path):
    done = run(tmp_path, "run", "a red rose blooming wonderfully", "--frames", "3", "--seed", "5", "-o", "rose.npz")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    clip = npz.load(tmp_path / "rose.npz")
    assert told["file"] == "rose.npz"
    assert told["bytes"] == (tmp_path / "rose.npz").stat().st_size
    assert (told["frames"], told["vertices"]) == clip.positions.shape[:2] == (3, len(clip.subject.vertices))
    assert told["understood"] == "a red rose, blooming; passed over: wonderfully"
    assert told["passed_over"] == ["wonderfully"]
    assert "anthesis: a red rose, blooming; passed over: wonderfully" in done.stderr
    request = protocol.Generate(prompt="a red rose blooming wonderfully", frames=3, seed=5)
    assert clip.provenance == protocol.provenance(request)
    assert told["made"] == {"kind": "generate", **msgspec.structs.asdict(request), "version": protocol.VERSION}
    assert set(told["seconds"]) == {"make", "write"}
    assert told["measured"]["frames"] == 3


def test_what_a_specimen_is_like_can_be_set(tmp_path):
    options = ["--set", "petals=14", "--set", "height=0.6", "--count", "2", "--frames", "1"]
    done = run(tmp_path, "run", "five roses in bloom", *options, "-o", "rose.npz")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout.splitlines()[-1])["made"]["specimen"]
    assert (made["petals"], made["height"]) == (14, 0.6)
    mesh = npz.load(tmp_path / "rose.npz").subject
    petals = mesh.parts == mesh.part_names.index("petals")
    found = np.unique(parts(len(mesh.vertices), mesh.faces)[petals])
    assert len(found) == 2 * 14 and mesh.vertices[:, 2].max() == pytest.approx(0.6, rel=0.2)


def test_a_mesh_melts_into_a_glb(tmp_path, ball):
    done = run(tmp_path, "run", ball.name, "--process", "melt", "--frames", "3", "--amount", "0.4", "-o", "melt.glb")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["made"]["process"], told["made"]["stages"][0]["amount"]) == ("melt", 0.4)
    assert told["vertices"] == 162
    moved = told["measured"]["largest displacement"]
    assert moved > 0.05
    assert f"anthesis: melt.glb: moves {moved:.2f} of its size, volume" in done.stderr  # the certificate in one line
    (mesh,) = trimesh.load_scene(tmp_path / "melt.glb").geometry.values()
    assert mesh.extents.max() == pytest.approx(1.0, abs=0.01)  # the first frame is the artist's mesh


@pytest.fixture
def clock(monkeypatch):
    """What the bar takes for the time, to be set: no test waits."""
    seconds = SimpleNamespace(now=100.0)
    monkeypatch.setattr(bar, "time", SimpleNamespace(monotonic=lambda: seconds.now))
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    return seconds


def test_in_a_file_a_line_now_and_then_says_how_far_it_is(clock, capsys):
    heard = []
    with bar.shown() as report:
        for second in range(100):
            clock.now = 100.0 + second
            report(second / 100, f"Frame {second} of 100")
            heard.append(capsys.readouterr().err)
    assert [line for line in heard if line] == [
        f"anthesis: {second} % done: Frame {second} of 100\n" for second in (30, 60, 90)
    ]
    with bar.shown() as report:  # what is over soon
        clock.now += 29.0
        report(0.99, "Frame 99 of 100")
    assert capsys.readouterr().err == ""


def test_a_terminal_has_its_bar_alone(clock, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    with bar.shown() as report:
        for second in range(100):
            clock.now = 100.0 + second
            report(second / 100, f"Frame {second} of 100")
    assert "% done" not in capsys.readouterr().err


def test_reverse_and_a_folder_of_obj(tmp_path, ball):
    for options, name in ((["--reverse"], "back"), ([], "forth")):
        done = run(tmp_path, "run", ball.name, "--process", "wilt", "--frames", "2", *options, "-o", name)
        assert done.returncode == 0, done.stderr
    files = [tmp_path / name / f"{name}_{k:04d}.obj" for name, k in (("back", 2), ("forth", 1))]
    assert files[0].read_text() == files[1].read_text()
    assert json.loads(done.stdout)["bytes"] == sum(path.stat().st_size for path in (tmp_path / "forth").iterdir())


def artists_mesh(folder: Path) -> None:
    """A drum with eight sides, octagons for ends, a seam in its UVs, a loose vertex, a doubled face and a flat one."""
    angles = np.arange(8) * np.pi / 4
    rim = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points = [(x, y, z) for z in (0.0, 1.5) for x, y in rim] + [(0.2, 0.1, 5.0)]
    walls = [[k, (k + 1) % 8, 8 + (k + 1) % 8, 8 + k] for k in range(8)]
    faces = [*walls, list(range(8, 16)), list(range(7, -1, -1)), walls[2], [3, 3, 4]]
    lines = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in points]
    lines += [f"vt {k / 8} {top}" for k in range(9) for top in (0, 1)]
    for number, face in enumerate(faces):
        seam = [2 * number, 2 * number + 2, 2 * number + 3, 2 * number + 1]
        uv = seam if number < 8 else [v % 18 for v in face]
        lines.append("f " + " ".join(f"{v + 1}/{t + 1}" for v, t in zip(face, uv, strict=True)))
    (folder / "mine.obj").write_text("\n".join(lines))


def drawn(path: Path) -> tuple[np.ndarray, list[list[int]], list[list[list[str]]]]:
    """Vertices, faces, and UVs of the faces' corners, of an .obj."""
    lines = [line.split() for line in path.read_text().splitlines()]
    vertices = np.array([line[1:4] for line in lines if line[0] == "v"], float)
    uv = [[float(word) for word in line[1:]] for line in lines if line[0] == "vt"]
    faces = [[[int(word) for word in corner.split("/")] for corner in line[1:]] for line in lines if line[0] == "f"]
    return vertices, [[v for v, _ in face] for face in faces], [[uv[t - 1] for _, t in face] for face in faces]


@pytest.mark.parametrize(("process", "whole"), [("wilt", 1), ("grow", 2)])
def test_the_artists_mesh_comes_back_as_it_was(tmp_path, process, whole):
    artists_mesh(tmp_path)
    for output in ("life", "life.usdc"):
        done = run(tmp_path, "run", "mine.obj", "--process", process, "--frames", "2", "-o", output)
        assert done.returncode == 0, done.stderr
    vertices, faces, uv = drawn(tmp_path / "mine.obj")
    for frame in (1, 2):
        positions, same, own = drawn(tmp_path / "life" / f"life_{frame:04d}.obj")
        assert same == faces
        assert own == uv
        assert positions.shape == vertices.shape
        away = np.abs(positions - vertices).max()
        assert (away < 1e-5) == (frame == whole)
    stage = Usd.Stage.Open(str(tmp_path / "life.usdc"))
    (mesh,) = (UsdGeom.Mesh(prim) for prim in stage.Traverse() if prim.IsA(UsdGeom.Mesh))
    assert list(mesh.GetFaceVertexCountsAttr().Get()) == [len(face) for face in faces]
    assert [v + 1 for v in mesh.GetFaceVertexIndicesAttr().Get()] == [v for face in faces for v in face]


def test_a_mesh_far_from_the_origin_is_moved_there_and_that_is_said(tmp_path):
    trimesh.creation.icosphere(1, 0.025).apply_translation([1e5, 0, -3e4]).export(tmp_path / "far.ply")
    done = run(tmp_path, "run", "far.ply", "--process", "rust", "--frames", "1", "-o", "far.npz")
    assert done.returncode == 0, done.stderr
    assert "too far for the result's numbers: moved by -100000 +0 +30000" in done.stderr
    assert npz.load(tmp_path / "far.npz").provenance["moved"] == "-100000 +0 +30000"


REFUSED = {
    "five": (["ball.obj", "--process", "wilt,melt,rot,burn,rust", "-o", "x.glb"], "at most 4 processes"),
    "between": (["ball.obj", "--process", "wilt,,melt", "-o", "x.glb"], 'In "wilt,,melt" a process is missing'),
    "setting of words": (["ball.obj", "--process", "wilt", "--set", "droop=3", "-o", "x.glb"], "wilt.droop is"),
    "empty": (["", "-o", "x.glb"], "The prompt is empty"),
    "long": (["a" * 10_000, "-o", "x.glb"], "10,000 bytes and 8,192 are allowed"),
    "not utf-8": ([b"a r\xff\xfese", "-o", "x.glb"], "not valid text"),
    "unknown": (["a dragon", "-o", "x.glb"], 'cannot make "a dragon"'),
    "unknown and not utf-8": ([b"x.obj\xff", "--process", "melt", "-o", "x.glb"], "no file"),
    "no such file": (["nothing.obj", "--process", "melt", "-o", "x.glb"], "no file nothing.obj"),
    "no process": (["nothing.obj", "-o", "x.glb"], "--process with one of wilt, melt"),
    "no faces": (["points.obj", "--process", "melt", "-o", "x.glb"], "no faces"),
    "infinite": (["inf.obj", "--process", "wilt", "-o", "x.glb"], "not numbers"),
    "flat": (["flat.obj", "--process", "wilt", "-o", "x.glb"], "folded flat into lines"),
    "junk": (["junk.obj", "--process", "wilt", "-o", "x.glb"], "not a sound .obj file"),
    "nan": (["nan.obj", "--process", "wilt", "-o", "x.glb"], "not numbers"),
    "frames": (["rose", "--frames", "0", "-o", "x.glb"], "--frames is a whole number from 1 to 1,024, and 0 is not"),
    "setting of none": (["a rose", "--set", "wicks=2", "-o", "x.glb"], 'has no setting "wicks": it has'),
    "setting too large": (["a rose", "--set", "petals=900", "-o", "x.glb"], "whole number from 12 to 60, and 900"),
    "too many": (["a rose", "--count", "51", "-o", "x.glb"], "1 to 50 can be made"),
    "at odds": (["an apple rotting and drying", "-o", "x.glb"], "cannot rot and dry in one life"),
    "amount of words": (["a rose", "--amount", "0.3", "-o", "x.glb"], "--amount is for a mesh file with --process"),
    "up of words": (["a rose", "--up", "Y", "-o", "x.glb"], "--up is for a mesh file with --process"),
    "fps": (["rose", "--fps", "nan", "-o", "x.glb"], "--fps"),
    "ending": (["a dragon", "-o", "x.png"], "Cannot write .png"),
    "folder": (["rose", "-o", "nowhere/x.glb"], "does not exist"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_is_refused_with_one_sentence(tmp_path, name):
    arguments, words = REFUSED[name]
    (tmp_path / "points.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\n")
    (tmp_path / "nan.obj").write_text("v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    (tmp_path / "inf.obj").write_text("v inf 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    (tmp_path / "flat.obj").write_text("v 0 0 0\nv 1 0 0\nf 1 1 2\n")
    (tmp_path / "junk.obj").write_bytes(np.random.default_rng(4).bytes(3000))
    before = sorted(tmp_path.iterdir())
    done = run(tmp_path, "run", *arguments)
    assert done.returncode == 2
    (line,) = (line for line in done.stderr.splitlines() if line.strip())
    assert words in line
    assert "No module" not in line
    assert done.stdout == ""
    assert sorted(tmp_path.iterdir()) == before


def test_a_mesh_of_two_million_vertices_is_refused(tmp_path):
    points = np.zeros((2_000_001, 3), np.float32)
    points[:, 0] = np.arange(len(points))
    points[-1, 1] = 1
    path = tmp_path / "huge.ply"
    trimesh.Trimesh(points, [[0, 1, 2_000_000]], process=False).export(path)
    done = run(tmp_path, "run", path.name, "--process", "melt", "-o", "x.glb")
    assert done.returncode == 2
    assert "2,000,001 vertices; 1,000,000 are allowed" in done.stderr


@pytest.mark.parametrize("name", ["rose.npz", "rose.glb", "rose.usdc", "rose.usdz", "rose"])
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path, name):
    def limit():
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    if sys.platform == "win32":
        pytest.skip("Windows has no limit of a file's size to stand in for a full disk")
    done = run(tmp_path, "run", "a rose", "--frames", "2", "-o", name, preexec_fn=limit)
    assert done.returncode == 1
    assert f"Could not write {name}: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("*rose*"))


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C reaches a process group there, pytest's own")
def test_ctrl_c_ends_it_quietly(tmp_path):
    # The bar is drawn into the pipe, so that the moment is known when frames are being made.
    environment = os.environ | {"PYTHONPATH": str(ROOT), "FORCE_COLOR": "1", "COLUMNS": "80"}
    arguments = command("run", "a rose", "--frames", "1000", "-o", "rose.npz")

    def hear_ctrl_c():  # which a shell's background jobs ignore, and so would their children
        signal.signal(signal.SIGINT, signal.default_int_handler)

    options = {"cwd": tmp_path, "env": environment, "stderr": subprocess.PIPE, "preexec_fn": hear_ctrl_c}
    process = subprocess.Popen(arguments, **options)
    said = b""
    try:
        while b"Frame" not in said:
            said += process.stderr.read1()
            assert process.poll() is None, said
        process.send_signal(signal.SIGINT)
        said += process.communicate(timeout=SECONDS)[1]
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert b"Stopped: nothing was written" in said
    assert b"Traceback" not in said
    assert list(tmp_path.iterdir()) == []


SWALLOWING = """
import runpy, signal, sys
class Finder:  # a library that imports a part of itself and minds no error
    def find_spec(self, name, *_):
        if name == "trimesh":
            try:
                signal.raise_signal(signal.SIGINT)
            except BaseException:
                pass
sys.meta_path.insert(0, Finder())
sys.argv[0] = "backend"
runpy.run_module("backend", run_name="__main__")
"""


def test_ctrl_c_is_not_swallowed_by_an_import(tmp_path):
    trimesh.creation.icosphere(subdivisions=1, radius=0.5).export(tmp_path / "ball.stl")  # which trimesh reads
    arguments = ["run", "ball.stl", "--process", "melt", "--frames", "2", "-o", "melt.npz"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    started = [sys.executable, "-P", "-c", SWALLOWING, *arguments]
    done = subprocess.run(started, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 130
    assert done.stderr.strip() == "anthesis: Stopped: nothing was written"
    assert not (tmp_path / "melt.npz").exists()


UNREAD = """
import runpy, sys
import backend.commands.run as run
{}
sys.argv = ["backend", "run", "a rose", "-o", "rose.npz"]
runpy.run_module("backend", run_name="__main__")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has another error for it")
@pytest.mark.parametrize("instead", ["run.make = lambda _: {}", "run.main = lambda _: print(1) or 0"])
def test_a_reader_that_goes_away_ends_it_quietly(tmp_path, instead):
    read, write = os.pipe()
    os.close(read)
    started = [sys.executable, "-P", "-c", UNREAD.format(instead)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(started, cwd=tmp_path, env=environment, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not remove a file that is open")
@pytest.mark.parametrize("name", ["rose.npz", "rose"])
def test_ctrl_c_removes_what_is_half_written(tmp_path, name):
    code = (
        "import signal, sys; from pathlib import Path\n"
        "from backend import files; from backend.commands import interrupt\n"
        "part = files.part_of(Path(sys.argv[1])); interrupt.end_at_once(unfinished=part)\n"
        "part.write_text('half') if part.suffix == '.npz' else (part.mkdir(), (part / 'x').write_text('half'))\n"
        "signal.raise_signal(signal.SIGINT)"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code, name], cwd=tmp_path, env=environment, timeout=SECONDS)
    assert done.returncode == 130
    assert list(tmp_path.iterdir()) == []


def test_help_says_each_default_once_and_from_the_protocol(tmp_path):
    words = " ".join(run(tmp_path, "run", "--help").stdout.split())
    assert f"(default: {protocol.Animate().frames})" in words
    for name in ("--frames", "--fps", "--seed", "--amount", "--reverse", "--process", "--up", "--output"):
        assert name in words


# --- doctor


def test_doctor_finds_this_machine_well(tmp_path):
    done = run(tmp_path, "doctor")
    assert done.returncode == 0, done.stdout
    assert "The backend can work here" in done.stdout
    assert str(tmp_path / "home") in done.stdout


def test_doctor_says_what_to_do_where_packages_are_missing(tmp_path):
    # -S: a Python that sees nothing but the standard library
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    bare = [sys.executable, "-S", "-m", "backend", "doctor"]
    done = subprocess.run(bare, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 1
    assert "numpy" in done.stdout
    assert "-m pip install -r" in done.stdout


def install(folder: Path, name: str, module: str, code: str) -> None:
    """A library of this name in `folder`, as importlib.metadata and an import would find it."""
    metadata = folder / f"{name.replace('-', '_')}-7.8.dist-info" / "METADATA"
    for path, text in ((folder / module / "__init__.py", code), (metadata, f"Name: {name}\nVersion: 7.8\n")):
        path.parent.mkdir(parents=True)
        path.write_text(text)


ON_A_GPU = """
class cuda:
    is_available = lambda: True
    get_device_name = lambda: "GPU of a test"
"""
OLD_DRIVER = """
import warnings
class cuda:
    is_available = lambda: warnings.warn("The NVIDIA driver is too old.\\nPlease update")
"""
WITHOUT = """
LOG_ERROR = config = init = lambda: None
is_cuda_available = lambda: False
"""
LIBRARIES = {  # code of torch, code of Warp, the exit code, what is said
    "a GPU for torch alone": (ON_A_GPU, WITHOUT, 0, ["torch 7.8 computes on GPU of a test", "driver R580 or newer"]),
    "an old driver": (OLD_DRIVER, WITHOUT, 0, ["torch 7.8 computes on the CPU: The NVIDIA driver is too old. Please"]),
    "a broken torch": ("raise ImportError('no libc10')", WITHOUT, 1, ["load: ImportError: no libc10. Run:", "-lang"]),
    "a crash": (ON_A_GPU, "import os\nos._exit(3)", 1, ["warp-lang 7.8 does not load: it crashed. Run:"]),
}


@pytest.mark.parametrize("name", LIBRARIES)
def test_doctor_tries_the_learned_engines_libraries(tmp_path, name):
    torch, warp, code, said = LIBRARIES[name]
    install(tmp_path / "site", "torch", "torch", torch)
    install(tmp_path / "site", "warp-lang", "warp", warp)
    environment = os.environ | {"PYTHONPATH": f"{tmp_path / 'site'}{os.pathsep}{ROOT}", "ANTHESIS_HOME": str(tmp_path)}
    asked = command("doctor", "--load")
    done = subprocess.run(asked, env=environment, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == code, done.stderr
    for words in said:
        assert words in done.stdout
    assert ("R580" in done.stdout) == ("a GPU" in name)


def test_doctor_and_help_speak_of_commands_as_they_were_called(tmp_path):
    said = doctored(tmp_path, HF_HOME=str(tmp_path), ANTHESIS_COMMAND="python build.py").stdout
    assert "See python build.py models\n" in said
    environment = os.environ | {"PYTHONPATH": str(ROOT), "ANTHESIS_COMMAND": "python build.py"}
    for name in ("run", "doctor", "models", "train"):
        done = subprocess.run(command(name, "--help"), env=environment, capture_output=True, text=True, timeout=120)
        assert done.stdout.startswith(f"usage: python build.py {name} "), done.stderr


def doctored(tmp_path: Path, code: str = "", **more: str) -> subprocess.CompletedProcess:
    """What doctor says after `code`, which may change `doctor` and `expected`."""
    code = f"import sys; from backend.commands import doctor; from backend.pipelines import expected\n{code}\n"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "ANTHESIS_HOME": str(tmp_path)} | more
    asked = [sys.executable, "-c", f"{code}sys.exit(doctor.main([]))"]
    return subprocess.run(asked, env=environment, capture_output=True, text=True, timeout=SECONDS)


def test_doctor_needs_no_library_of_learned_engines(tmp_path):
    file = tmp_path / "requirements-learned.txt"
    file.write_text("# a comment\nno-such==1\n")
    done = doctored(tmp_path, f"from pathlib import Path; doctor.learned.REQUIREMENTS = Path({str(file)!r})")
    assert done.returncode == 0, done.stdout
    assert "not needed by the built-in engine: no-such. Press" in done.stdout
    assert "-m pip install -r" in done.stdout and "GPU" not in done.stdout


SMI = "#!/bin/sh\necho 'A Card, 580.65'\n"


@pytest.mark.skipif(os.name == "nt", reason="a shell script stands for the driver's program")
@pytest.mark.parametrize(
    ("version", "smi", "said"),
    [
        ("7.8", "", "GPU: no, for no NVIDIA driver answers"),
        ("7.8", "#!/bin/sh\nexit 9\n", "GPU: no, for the NVIDIA driver finds none"),
        ("7.8", SMI, "GPU: yes, A Card, driver 580.65. python -m backend doctor --load says"),
        ("7.8+cpu", SMI, "this torch is for the CPU"),
    ],
)
def test_doctor_tells_of_learned_engines_without_loading_them(tmp_path, version, smi, said):
    install(tmp_path / "site", "torch", "torch", "raise ImportError('loaded')")
    (metadata,) = (tmp_path / "site").glob("torch-*.dist-info/METADATA")
    metadata.write_text(f"Name: torch\nVersion: {version}\n")
    (tmp_path / "bin").mkdir()
    if smi:
        (tmp_path / "bin" / "nvidia-smi").write_text(smi)
        (tmp_path / "bin" / "nvidia-smi").chmod(0o755)
    done = doctored(tmp_path, PATH=str(tmp_path / "bin"), PYTHONPATH=f"{tmp_path / 'site'}{os.pathsep}{ROOT}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert said in done.stdout and f"libraries: torch {version}" in done.stdout


@pytest.mark.parametrize(("room", "of"), [("expected", ""), ("views_of", " of views")])
def test_doctor_tells_of_the_model(tmp_path, room, of):
    there = f"from pathlib import Path; from backend.pipelines import {room}; "
    there += f"{room}.WEIGHTS = Path({str(tmp_path / 'weights')!r})"
    assert f"No trained model{of} comes with this version" in doctored(tmp_path, there).stdout
    (tmp_path / "weights" / "vae").mkdir(parents=True)
    (tmp_path / "weights" / "README.md").write_text("# A model\n\nIt sways what it sees.\n\nMore.\n")
    done = doctored(tmp_path, there)
    assert done.returncode == 1 and f"The model{of} in" in done.stdout and "has no weights" in done.stdout
    (tmp_path / "weights" / "vae" / "model.fp16.safetensors").write_bytes(bytes(2_500_000))
    said = doctored(tmp_path, there).stdout
    assert f"A trained model{of} of 2.5 MB lies in" in said and "More" not in said
    assert said.count("It sways what it sees.") == 1


def test_doctor_finds_a_backend_that_does_not_answer(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    endpoint = f"ipc://{tmp_path}/nobody"
    connection = {"protocol": 1, "boot": "0" * 32, "pid": 1, "endpoint": endpoint}
    (home / protocol.CONNECTION_FILE).write_text(json.dumps(connection))
    done = run(tmp_path, "doctor", "--home", str(home))
    assert done.returncode == 1
    assert "does not answer" in done.stdout


def test_doctor_greets_a_backend_that_runs(tmp_path):
    home = tmp_path / "home"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    backend = subprocess.Popen(command("serve", "--home", str(home)), env=environment, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + SECONDS
        while protocol.read_connection(home) is None and time.monotonic() < until:
            time.sleep(0.05)
        done = run(tmp_path, "doctor", "--home", str(home))
    finally:
        backend.terminate()
        backend.wait(SECONDS)
    assert done.returncode == 0, done.stdout
    assert f"answers: {protocol.VERSION}" in done.stdout or "protocol 1" in done.stdout

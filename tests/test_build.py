"""What build.py makes: zips that Blender takes, holding what they must and nothing else, the same from the same."""

import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

import build
from backend import protocol, terminal
from tools import environments, package, testing

ROOT = Path(__file__).resolve().parents[1]


def test_the_manifest_and_the_protocol_name_one_version():
    assert package.manifest()["version"] == protocol.VERSION


def test_the_metadata_takes_version_and_dependencies_from_where_they_stand():
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert sorted(metadata["project"]["dynamic"]) == ["dependencies", "optional-dependencies", "version"]
    dynamic = metadata["tool"]["setuptools"]["dynamic"]
    assert dynamic["version"] == {"attr": "backend.requests.VERSION"}
    assert dynamic["dependencies"] == {"file": ["backend/requirements.txt"]}
    for extra in ("learned", "pytorch3d"):
        assert dynamic["optional-dependencies"][extra] == {"file": [f"backend/requirements-{extra}.txt"]}


def requirements(name: str | Path) -> dict[str, str]:
    lines = (ROOT / name).read_text().splitlines()
    return dict(re.fullmatch(r"([\w.-]+)(.*)", line).groups() for line in lines if line and line[0] != "#")


def test_the_add_on_asks_for_nothing_the_backend_would_refuse():
    from packaging.specifiers import SpecifierSet

    backend, add_on = requirements("backend/requirements.txt"), requirements("blender_addon/requirements.txt")
    for name, pinned in add_on.items():
        assert pinned.startswith("=="), f"{name} must be pinned: what was tested is what ships"
        assert pinned[2:] in SpecifierSet(backend[name]), name


def test_what_no_index_has_is_asked_for_where_it_lies_as_it_was_tested():
    from packaging.requirements import Requirement

    (name, where), *others = requirements("backend/requirements-pytorch3d.txt").items()
    assert not others
    assert re.search("@[0-9a-f]{40}$", Requirement(name + where).url)


def test_what_learned_engines_need_is_asked_for_there_and_nowhere_else():
    pictures = {"imageio-ffmpeg", "opencv-python-headless", "pillow"}
    meshes = {"fast-simplification", "scikit-image", "xatlas"}
    priors = {"diffusers", "huggingface_hub", "safetensors", "torch", "transformers", "warp-lang"}
    learned = pictures | meshes | priors
    assert set(requirements("backend/requirements-learned.txt")) == learned
    others = [path for path in ROOT.glob("*/requirements*.txt") if path.name != "requirements-learned.txt"]
    assert len(others) == 4
    for path in [*others, ROOT / "tests" / "requirements-learned.txt"]:
        assert not learned & set(requirements(path)), path


def test_environments_with_torch_say_so_by_their_name():
    asking = "backend/requirements-learned.txt"
    every = [environments.BACKEND_ENVIRONMENT, environments.LEARNED_ENVIRONMENT, environments.EDITOR]
    assert [each.name for each in [*every, *environments.BPY.values()] if asking in each.files] == ["learned", "dev"]


def zip_names(path: Path) -> set[str]:
    with zipfile.ZipFile(path) as zipped:
        assert zipped.testzip() is None
        return set(zipped.namelist())


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> dict[tuple[str, str], Path]:
    """Zips for both Pythons on Linux, and one for another system."""
    if not package.BUILDER.fits():
        pytest.skip("The extension is built with the tool in the bpy wheel: run build.py test once")
    out = tmp_path_factory.mktemp("dist")
    linux = package.build(["3.11", "3.13"], ["linux-x64"], out)
    (windows,) = package.build(["3.11"], ["windows-x64"], out)
    return {("3.11", "linux-x64"): linux[0], ("3.13", "linux-x64"): linux[1], ("3.11", "windows-x64"): windows}


def test_zips_hold_the_add_on_the_backend_and_the_kernels_and_no_more(built):
    sources = {
        path.relative_to(ROOT if room != "blender_addon" else ROOT / room).as_posix()
        for room in ("blender_addon", "backend", "kernels")
        for path in (ROOT / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name[0] != "."
    } - {"requirements.txt"}
    for path in built.values():
        names = zip_names(path)
        wheels = {name for name in names if name.startswith("wheels/")}
        assert names - wheels == sources | {"backend/LICENSE", "kernels/LICENSE"}
        assert {"blender_manifest.toml", "__init__.py", "backend/requirements.txt", "LICENSE"} <= names
        assert "backend/requirements-learned.txt" in names
        assert len(wheels) == len(requirements("blender_addon/requirements.txt"))


def test_wheels_fit_the_python_and_the_platform_and_the_manifest_names_them(built):
    for (python, platform), path in built.items():
        with zipfile.ZipFile(path) as zipped:
            manifest = tomllib.loads(zipped.read("blender_manifest.toml").decode())
        wheels = sorted(name.removeprefix("wheels/") for name in zip_names(path) if name.endswith(".whl"))
        assert sorted(manifest["wheels"]) == [f"./wheels/{name}" for name in wheels]
        assert manifest["platforms"] == [platform]
        tag = f"cp{python.replace('.', '')}"
        system = {"linux-x64": "x86_64", "windows-x64": "win_amd64"}[platform]
        for name in wheels:
            assert name.endswith("-py3-none-any.whl") or (
                system in name and re.search(f"-({tag}-{tag}|cp312-abi3)-", name)
            )
        assert any(f"-{tag}-" in name for name in wheels)  # that is how Blender knows which Python it is for


def test_the_index_offers_each_blender_its_own_zip(built):
    folder = next(iter(built.values())).parent
    offered = json.loads((folder / "index.json").read_text())["data"]
    assert len(offered) == 3
    for entry in offered:
        (key,) = ((python, name) for python in entry["python_versions"] for name in entry["platforms"])
        assert entry["archive_url"] == f"./{built[key].name}"
        assert entry["archive_hash"] == "sha256:" + hashlib.sha256(built[key].read_bytes()).hexdigest()
    assert (folder / "index.html").exists()


def test_the_same_sources_give_the_same_bytes(built, tmp_path):
    (again,) = package.build(["3.11"], ["linux-x64"], tmp_path)
    assert again.read_bytes() == built["3.11", "linux-x64"].read_bytes()


INSTALL = """
import sys, bpy
bpy.ops.preferences.addon_enable(module="bl_pkg")
try:
    bpy.ops.extensions.package_install_files(filepath=sys.argv[1], repo="user_default", enable_on_install=True)
except RuntimeError as error:
    print("REFUSED", error)
print("ENABLED", "bl_ext.user_default.anthesis" in bpy.context.preferences.addons)
"""


def install(version: str, path: Path, private: Path) -> str:
    environment = environments.BPY[version]
    if not environment.fits():
        pytest.skip(f"There is no environment with bpy {version}: run build.py test once")
    command = [environment.executable, "-c", INSTALL, str(path)]
    variables = os.environ | {"BLENDER_USER_RESOURCES": str(private), "ANTHESIS_HOME": str(private / "home")}
    variables.pop("PYTHONPATH", None)
    done = subprocess.run(command, cwd=private, env=variables, capture_output=True, text=True, timeout=120)
    return done.stdout + done.stderr


@pytest.mark.skipif(package.this_platform() != "linux-x64", reason="the zips of this test are for Linux")
@pytest.mark.parametrize("version", environments.BPY)
def test_blender_installs_the_zip_with_its_wheels(built, tmp_path, version):
    python = environments.BPY[version].python
    said = install(version, built[python, "linux-x64"], tmp_path)
    assert "ENABLED True" in said, said
    wheels = tmp_path / "extensions" / ".local" / "lib" / f"python{python}" / "site-packages"
    assert {"zmq", "msgspec", "xxhash", "platformdirs"} <= {path.name for path in wheels.iterdir()}
    assert (tmp_path / "extensions" / "user_default" / "anthesis" / "backend" / "__main__.py").exists()


@pytest.mark.skipif(package.this_platform() != "linux-x64", reason="the zips of this test are for Linux")
def test_blender_refuses_a_zip_for_another_python_with_words(built, tmp_path):
    said = install("4.5", built["3.13", "linux-x64"], tmp_path)
    assert "REFUSED" in said
    assert "This Python version (3.11) isn't compatible with (3.13)" in said


def test_a_half_made_environment_is_made_again_and_a_whole_one_is_left_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(environments, "FOLDER", tmp_path)
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    environment = environments.Environment("small", here, (), ("platformdirs",))
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "rest").write_text("of an interrupted run")
    environments.ensure(environment, environment)  # one that is named twice is made once
    assert capsys.readouterr().err.count("[small] making") == 1
    assert environment.fits()
    assert not (tmp_path / "small" / "rest").exists()
    assert subprocess.run([environment.executable, "-c", "import pip"]).returncode == 0
    (tmp_path / "small" / "mark").write_text("")
    environments.ensure(environment)
    assert (tmp_path / "small" / "mark").exists()
    changed = environments.Environment("small", here, (), ("an-invented-package-that-does-not-exist==0",))
    assert not changed.fits()


ENSURE = """
import sys
from pathlib import Path
from tools import environments
environments.FOLDER = Path(sys.argv[1])
environments.ensure(environments.Environment("small", "%d.%d" % sys.version_info[:2], (), ("platformdirs",)))
"""


def test_two_at_once_make_one_environment_and_the_second_waits_with_words(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", ENSURE, tmp_path]
    both = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert "".join(said).count("[small] making") == 1
    assert "".join(said).count("another build.py is at work on it") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="there a process is ended without being asked")
def test_processes_of_a_private_home_are_ended_and_no_others(tmp_path):
    def start(home: str) -> subprocess.Popen:
        environment = os.environ | {"ANTHESIS_HOME": str(tmp_path / home)}
        return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env=environment)

    with start("one") as theirs, start("two") as other:
        try:
            ender = [sys.executable, ROOT / "tools" / "end_processes.py", str(tmp_path / "one")]
            subprocess.run(ender, check=True, timeout=60)
            assert theirs.wait(60) < 0
            assert other.poll() is None
        finally:
            theirs.kill()
            other.kill()


def test_a_python_that_is_missing_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(environments, "FOLDER", tmp_path)
    with pytest.raises(environments.SetupError, match=r"Python 3\.2 was not found: put python3\.2 on PATH"):
        environments.ensure(environments.Environment("old", "3.2", ()))


def test_bench_passes_on_what_it_does_not_know_and_no_other_action_does(monkeypatch, capsys):
    import build

    called = []
    monkeypatch.setattr(build, "ensure", lambda *environments: None)
    done = subprocess.CompletedProcess([], 0)
    monkeypatch.setattr(build.subprocess, "run", lambda command, **options: called.append((command, options)) or done)
    passed_on = ["--subject", "here.obj", "--process", "wilt + burn", "--out", "looked"]
    monkeypatch.setattr(sys, "argv", ["build.py", "bench", "life", *passed_on])
    assert build.main() == 0
    ((command, options),) = called
    assert command[command.index("-m") + 1 :] == ["tests.bench.life", *passed_on]
    assert options["cwd"] is None  # here.obj is a file as seen from where the user stands
    for refused in (["bench", *passed_on[4:]], ["package", *passed_on]):
        monkeypatch.setattr(sys, "argv", ["build.py", *refused])
        with pytest.raises((SystemExit, environments.SetupError)):
            build.main()
    assert len(called) == 1


@pytest.mark.parametrize(
    ("asked", "environment"),
    [
        (["run", "a rose", "-o", "rose.glb"], "backend"),
        (["run", "my photo.JPG", "-o", "film.mp4"], "learned"),
        (["run", "leaf.webp", "-o", "film.npz"], "learned"),
        (["run", "a red mushroom", "--engine", "views", "-o", "mushroom.glb"], "learned"),
        (["run", "a red mushroom", "--engine=views", "-o", "mushroom.glb"], "learned"),
        (["run", "views", "--engine", "builtin", "-o", "mushroom.glb"], "backend"),
        (["train", "dynamics", "--out", "trained"], "learned"),
    ],
)
def test_pictures_and_training_run_where_the_learned_engine_is(monkeypatch, asked, environment):
    import build

    called, made = [], []
    monkeypatch.setattr(build, "ensure", lambda *environments: made.extend(one.name for one in environments))
    done = SimpleNamespace(wait=lambda: 7)
    monkeypatch.setattr(build.subprocess, "Popen", lambda command, **options: called.append(command) or done)
    monkeypatch.setattr(sys, "argv", ["build.py", *asked])
    assert build.main() == 7
    ((executable, *rest),) = called
    assert environment in made and environment in str(executable)
    assert rest == ["-P", "-m", "backend", *asked]


@pytest.mark.parametrize("there", [False, True])
def test_doctor_looks_at_the_learned_engine_where_that_is_set_up(monkeypatch, there):
    called, made = [], []
    monkeypatch.setattr(build, "ensure", lambda *environments: made.extend(one.name for one in environments))
    monkeypatch.setattr(environments.Environment, "fits", lambda environment: there)
    done = SimpleNamespace(wait=lambda: 0)
    monkeypatch.setattr(build.subprocess, "Popen", lambda command, **options: called.append(command) or done)
    monkeypatch.setattr(sys, "argv", ["build.py", "doctor", "--load"])
    assert build.main() == 0
    ((executable, *rest),) = called
    assert ("learned" in made) == ("learned" in str(executable)) == there
    assert rest == ["-P", "-m", "backend", "doctor", "--load"]


@pytest.mark.parametrize(
    ("python", "begins"),
    [("/somewhere/sh", "sh '../the clone/build.py'"), ("/some where/pythonx", "'/some where/pythonx' '../the clone")],
)
def test_the_backend_is_told_how_it_was_called(monkeypatch, python, begins):
    given, done = [], SimpleNamespace(wait=lambda: 0)
    monkeypatch.setattr(build, "ensure", lambda *environments: None)
    monkeypatch.setattr(build.subprocess, "Popen", lambda command, env: given.append(env) or done)
    monkeypatch.setattr(sys, "argv", ["../the clone/build.py", "models"])
    monkeypatch.setattr(sys, "orig_argv", [python, *sys.argv])
    assert build.main() == 0
    assert given[0][terminal.VARIABLE].startswith(begins)


@pytest.fixture
def runs_of_pytest(monkeypatch):
    """Call it with options of `build.py test`: (environment, options, the words before its Python) of each run."""
    found = []

    def run(environment, options, out, before):
        found.append((environment.name, options, before))
        return testing.Counter(passed=1)

    monkeypatch.setattr(testing, "ensure", lambda *environments: None)
    monkeypatch.setattr(testing, "_ensure_validator", lambda: None)
    monkeypatch.setattr(testing, "_has_python", lambda version: True)
    monkeypatch.setattr(testing, "_pytest", run)

    def ask(*options: str) -> list[tuple]:
        found.clear()
        monkeypatch.setattr(sys, "argv", ["build.py", "test", *options])
        assert build.main() == 0
        return found.copy()

    return ask


def test_every_test_file_of_the_backend_is_in_one_run(runs_of_pytest):
    asked = [options for _, options, _ in runs_of_pytest("--only", "backend")]
    waiting, rest = sorted(asked, key=lambda options: options[0] == "tests")
    assert waiting and all((ROOT / name).is_file() for name in waiting)
    assert {option.removeprefix("--ignore=") for option in rest[1:]} == {"tests/blender", "tests/learned", *waiting}


def test_all_is_tested_in_one_blender_and_in_the_others_what_may_differ_or_all_if_asked(runs_of_pytest):
    def chosen(*options: str) -> dict[str, bool]:
        return {name: "not once" in asked for name, asked, _ in runs_of_pytest("--only", *environments.BPY, *options)}

    assert chosen() == {f"bpy-{version}": version != environments.MAIN_BLENDER for version in environments.BPY}
    assert set(chosen("--whole").values()) == {False}


def test_what_waits_comes_first_at_the_cores(runs_of_pytest):
    before = {options[0]: words for _, options, words in runs_of_pytest("--only", "backend", "learned")}
    assert before.pop(testing.WAITING[0]) == []
    assert set(before) == {"tests", "tests/learned"}
    assert all(words == testing.STEPPING_BACK for words in before.values())


@pytest.mark.parametrize("action", ["", "demo", "test", "bench", "package", "dev"])
def test_every_action_has_help_and_needs_the_standard_library_alone(tmp_path, action):
    # -S: no site-packages
    command = [sys.executable, "-S", ROOT / "build.py", *filter(None, [action]), "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "usage: build.py" in done.stdout


def test_every_benchmark_that_a_page_names_is_there():
    pages = [
        ROOT / "README.md",
        ROOT / "BENCHMARKS.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "tests/bench").glob("*.py"),
    ]
    named = {name for page in pages for name in re.findall(r"build\.py bench (?!NAME)(\w+)", page.read_text())}
    assert {"specimens", "prompts", "kernels"} <= named <= set(build.benchmarks())

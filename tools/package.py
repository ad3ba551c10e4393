"""The extension zips and their static repository index.

One zip for each platform and Python: Blender reads from the names of the wheels inside which Python a zip is for, so
the same index serves Blender 4.2 to 5.0 (Python 3.11) and 5.1 and later (3.13), as well as a distribution's 4.x that
was built with 3.13. A zip that mixes both Pythons works in most versions and is refused by 4.3.
Files go in sorted, with one date and one mode, so that the same sources give the same bytes.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

from tools.environments import BACKEND_ENVIRONMENT, BPY, FOLDER, ROOT, SetupError, ensure, locked, say

PYTHONS = ("3.11", "3.13")
# Blender's name of a platform -> what pip calls the wheels that run there. Blender itself asks for glibc 2.28.
PLATFORMS = {
    "linux-x64": ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"),
    "windows-x64": ("win_amd64",),
    "macos-arm64": ("macosx_11_0_arm64",),
    "macos-x64": ("macosx_11_0_x86_64",),
}
WHEELS = ROOT / "blender_addon" / "requirements.txt"
BUILDER = BPY["5.0"]  # its wheel brings Blender's own extension tool
_DATE = (2020, 1, 1, 0, 0, 0)
_LEAVE_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".*", "tests")


def this_platform() -> str:
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}.get(platform.machine().lower(), platform.machine())
    system = {"linux": "linux", "win32": "windows", "darwin": "macos"}.get(sys.platform, sys.platform)
    return f"{system}-{machine.lower()}"


def build(pythons: list[str], platforms: list[str], out: Path) -> list[Path]:
    """Write the zips into `out`, and index.json and index.html over all that lie there. Returns the zips."""
    ensure(BACKEND_ENVIRONMENT, BUILDER)
    with locked("package"):
        return _build(pythons, platforms, out)


def _build(pythons: list[str], platforms: list[str], out: Path) -> list[Path]:
    out.mkdir(parents=True, exist_ok=True)
    version = manifest()["version"]
    # Blender 5.0 was the last for Intel Macs.
    all_kinds = [(python, name) for python in PYTHONS for name in PLATFORMS if (python, name) != ("3.13", "macos-x64")]
    names = {kind: f"anthesis-{version}-{kind[1]}-python{kind[0]}.zip" for kind in all_kinds}
    for old in set(out.glob("anthesis-*.zip")) - {out / name for name in names.values()}:
        old.unlink()  # of an earlier version: the index would offer it
    zips = []
    for kind in (kind for kind in all_kinds if kind[0] in pythons and kind[1] in platforms):
        zips.append(_zip(*kind, out / names[kind]))
        say(f"[package] {zips[-1].name}: {zips[-1].stat().st_size / 1e6:.1f} MB")
    _blender_tool("server-generate", "--repo-dir", out, "--html")
    return zips


def manifest() -> dict:
    return tomllib.loads((ROOT / "blender_addon" / "blender_manifest.toml").read_text())


def _zip(python: str, name: str, target: Path) -> Path:
    with tempfile.TemporaryDirectory(prefix="anthesis-package-") as folder:
        stage = Path(folder) / "anthesis"
        _stage(stage, _wheels(python, name), name)
        _blender_tool("validate", stage)
        _blender_tool("build", "--source-dir", stage, "--output-filepath", Path(folder) / target.name)
        _repack(Path(folder) / target.name, target)
    return target


def _stage(stage: Path, wheels: list[Path], name: str) -> None:
    """The extension as Blender will unpack it: the add-on with the backend, the kernels and the wheels inside."""
    shutil.copytree(ROOT / "blender_addon", stage, ignore=_LEAVE_OUT)
    for room in ("backend", "kernels"):
        shutil.copytree(ROOT / room, stage / room, ignore=_LEAVE_OUT)
        shutil.copy(ROOT / "LICENSE", stage / room)
    (stage / "requirements.txt").unlink()  # said by the wheels themselves
    (stage / "wheels").mkdir()
    for wheel in wheels:
        shutil.copy(wheel, stage / "wheels")
    said = json.dumps([f"./wheels/{wheel.name}" for wheel in wheels])
    lines = (stage / "blender_manifest.toml").read_text().splitlines()
    first_table = next((k for k, line in enumerate(lines) if line.startswith("[")), len(lines))
    lines[first_table:first_table] = [f"platforms = {json.dumps([name])}", f"wheels = {said}", ""]
    (stage / "blender_manifest.toml").write_text("\n".join(lines) + "\n")


def _wheels(python: str, name: str) -> list[Path]:
    """The wheels for one Python and platform, downloaded once."""
    folder = FOLDER / "wheels" / f"{python}-{name}"
    stamp = folder / "requirements.txt"
    if not (stamp.is_file() and stamp.read_text() == WHEELS.read_text()):
        say(f"[package] downloading wheels for Python {python} on {name}")
        shutil.rmtree(folder, ignore_errors=True)
        asked = [part for tag in PLATFORMS[name] for part in ("--platform", tag)]
        run = subprocess.run(
            [BACKEND_ENVIRONMENT.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet",
             "--only-binary=:all:", "--no-deps", "--implementation", "cp", "--python-version", python, *asked,
             "--dest", folder, "-r", WHEELS],
            capture_output=True, text=True,
        )  # fmt: skip
        if run.returncode:
            raise SetupError(f"No wheels for Python {python} on {name}: {run.stderr.strip()[-600:]}")
        shutil.copy(WHEELS, stamp)
    return sorted(folder.glob("*.whl"))


def _blender_tool(*arguments) -> None:
    """Blender's own `extension` command, which ships in the bpy wheel and needs no Blender to run."""
    tool = next(BUILDER.folder.rglob("addons_core/bl_pkg/cli/blender_ext.py"))
    run = subprocess.run([BUILDER.executable, tool, *arguments], capture_output=True, text=True)
    if run.returncode:
        raise SetupError(f"Blender's extension tool refused {arguments[0]}: {(run.stdout + run.stderr).strip()}")


def _repack(built: Path, target: Path) -> None:
    part = target.with_suffix(".part")
    with zipfile.ZipFile(built) as source, zipfile.ZipFile(part, "w") as result:
        for name in sorted(source.namelist()):
            entry = zipfile.ZipInfo(name, _DATE)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_STORED if name.endswith(".whl") else zipfile.ZIP_DEFLATED
            result.writestr(entry, source.read(name))
    os.replace(part, target)

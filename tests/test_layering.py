"""Rooms, and who may import whom: the arrows of the design, read from the source and not from good intentions."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Room -> what it may import beside itself and the standard library. The longest room that holds a file counts;
# a room of ours stands for all that is in it.
NOUNS = {"backend.clip", "backend.report", "numpy"}
ALLOWED = {
    "kernels": {"numpy", "numba", "torch", "warp"},
    "kernels/lanes.py": {"llvmlite", "numba"},
    "backend/requests": {"msgspec", "backend.species"},
    "backend/species.py": {"msgspec"},
    "backend/protocol": {"numpy", "msgspec", "platformdirs", "backend.requests", "backend.species"},
    "backend/clip.py": {"numpy"},
    "backend/images.py": {"PIL", "numpy"},
    "backend/report.py": set(),
    "backend/learned.py": set(),
    "backend/terminal.py": set(),
    "backend/saved.py": {"torch"},
    "backend/spectral.py": {"numpy"},
    "backend/oscillators.py": {"numpy"},
    "backend/wind.py": {"backend.oscillators", "backend.spectral", "numpy"},
    "backend/lifting.py": {"backend.render", "backend.spectral", "kernels", "numpy", "scipy", "torch"},
    "backend/prompt": {"backend.protocol", "backend.species", "msgspec", "rapidfuzz"},
    "backend/wire.py": NOUNS | {"backend.images", "backend.protocol"},
    "backend/certificate": NOUNS | {"backend.protocol", "kernels"},
    "backend/geometry": NOUNS | {"kernels", "scipy"},
    "backend/geometry/factor.py": {"backend.geometry", "cholespy", "numpy", "scipy"},
    # Their libraries come with the learned engines, and are imported in the functions that use them.
    "backend/geometry/isosurface.py": NOUNS | {"backend.geometry", "scipy", "skimage"},
    "backend/geometry/decimation.py": NOUNS | {"backend.geometry", "fast_simplification", "kernels", "scipy"},
    "backend/geometry/texture.py": NOUNS | {"backend.geometry", "scipy", "xatlas"},
    "backend/fields": {"kernels", "torch"},
    "backend/render": NOUNS | {"kernels", "torch", "pytorch3d"},
    # Of fields it knows what they offer, and none by name.
    "backend/render/volume.py": {"backend.fields", "backend.render", "kernels", "torch"},
    "backend/render/bands.py": {"backend.fields", "backend.render", "torch"},
    # The only door to diffusers and transformers.
    "backend/priors": NOUNS | {"backend.spectral", "diffusers", "kernels", "safetensors", "torch", "transformers"},
    # Guidance knows of a prior what the protocol says, and samples are drawn with the same guidance.
    "backend/guidance.py": {"backend.priors.prior", "torch"},
    "backend/priors/sampling.py": {"backend.guidance", "backend.priors.prior", "torch"},
    # Told without any library of learned engines: huggingface_hub is imported where something is fetched.
    "backend/models": {"backend.learned", "backend.protocol", "backend.report", "backend.terminal"}
    | {"huggingface_hub", "msgspec"},
    "backend/training": NOUNS
    | {"backend.geometry", "backend.priors", "backend.prompt.vocabulary", "backend.protocol", "backend.render"}
    | {"backend.saved", "backend.species", "backend.specimens", "backend.spectral", "backend.wind"}
    | {"cv2", "kernels", "msgspec", "safetensors", "torch", "trimesh", "xxhash"}
    | {"torchvision"},  # where it is installed, in the function that uses it
    "backend/specimens": NOUNS | {"backend.species", "kernels", "scipy"},
    "backend/pipelines": NOUNS
    | {"backend.certificate", "backend.geometry", "backend.learned", "backend.models", "backend.prompt"}
    | {"backend.protocol"}
    | {"backend.species", "backend.specimens", "backend.spectral", "backend.wind", "backend.wire", "kernels", "scipy"},
    # Their imports of learned things stand in the functions that use them, or are for types: others load no torch.
    "backend/pipelines/expected.py": NOUNS
    | {"backend.learned", "backend.pipelines", "backend.priors", "backend.protocol", "backend.spectral"}
    | {"backend.wire", "torch"},
    "backend/pipelines/picture.py": NOUNS
    | {"backend.oscillators", "backend.pipelines", "backend.priors", "backend.protocol", "backend.spectral"}
    | {"backend.wire", "torch"},
    "backend/pipelines/plane.py": NOUNS
    | {"backend.pipelines", "backend.priors", "backend.protocol", "backend.spectral", "scipy"},
    "backend/pipelines/views_of.py": NOUNS
    | {"backend.certificate", "backend.guidance", "backend.learned", "backend.models", "backend.pipelines"}
    | {"backend.priors", "backend.prompt", "backend.protocol", "backend.terminal", "backend.wire", "msgspec", "torch"},
    "backend/pipelines/subjects.py": {"backend.protocol", "msgspec", "xxhash"},
    # What trains is imported in the function that does.
    "backend/pipelines/learning.py": NOUNS
    | {"backend.certificate", "backend.files", "backend.learned", "backend.models", "backend.pipelines"}
    | {"backend.prompt", "backend.protocol", "backend.saved", "backend.terminal", "backend.training"}
    | {"msgspec", "torch", "xxhash"},
    "backend/pipelines/kept.py": {"backend.models", "backend.pipelines", "backend.protocol", "backend.wire"}
    | {"msgspec", "numpy", "xxhash"},
    "backend/pipelines/text_to_mesh.py": NOUNS
    | {"backend.certificate", "backend.guidance", "backend.images", "backend.pipelines"}
    | {"backend.prompt", "backend.protocol", "backend.wire", "msgspec", "torch"},
    # What it knows of trainings is imported where a model is not found.
    "backend/pipelines/trained.py": {"backend.learned", "backend.terminal", "backend.training", "torch"},
    # It loads torch, and is imported by whoever has found it there.
    "backend/pipelines/seen.py": NOUNS
    | {"backend.lifting", "backend.pipelines", "backend.priors", "backend.protocol", "backend.render"}
    | {"backend.spectral", "backend.wind", "torch"},
    # These load torch as well: from words to a field, and from a field to a mesh.
    "backend/pipelines/mvdream.py": {"backend.fields", "backend.guidance", "backend.pipelines", "backend.priors.prior"}
    | {"backend.priors.sampling", "backend.render", "backend.saved", "numpy", "torch"},
    "backend/pipelines/recipes.py": {"backend.guidance", "backend.priors.sampling", "backend.render", "numpy", "torch"},
    "backend/pipelines/finishing.py": NOUNS
    | {"backend.fields", "backend.geometry", "backend.images", "backend.learned", "backend.protocol", "torch"},
    "backend/files": NOUNS | {"backend.protocol", "backend.wire", "pxr", "scipy", "trimesh"},
    # Imported where a picture comes to life: with learned engines alone.
    "backend/files/film.py": {"PIL", "backend.files", "backend.learned", "imageio_ffmpeg", "numpy"},
    "backend/files/picture.py": NOUNS | {"PIL", "backend.files", "backend.learned", "backend.protocol"},
    # Knows jobs, not meshes: pipelines are named to the worker and imported there, by name.
    "backend/service": {"backend.prompt", "backend.protocol", "backend.report", "msgspec", "psutil", "xxhash", "zmq"},
    "backend/commands": NOUNS
    | {"backend.files", "backend.images", "backend.learned", "backend.models", "backend.pipelines", "backend.prompt"}
    | {"backend.protocol", "backend.terminal", "backend.wire", "msgspec", "rich", "zmq"},
    # Imports of what trains stand in the functions that do: where no torch is installed, it says so.
    "backend/commands/train.py": {"backend.commands", "backend.learned", "backend.report", "backend.saved"}
    | {"backend.terminal", "backend.training", "rich", "torch"},
    "backend/commands/trainings.py": {"backend.commands", "backend.files", "backend.learned", "backend.priors"}
    | {"backend.report", "backend.training"},
    "backend/threads.py": set(),
    "backend/__main__.py": {"backend.commands", "backend.service", "backend.threads"},
    "backend/__init__.py": set(),
    "blender_addon/seam.py": {"backend.protocol", "blender_addon.backend.protocol"},
    "blender_addon/client": {"blender_addon.seam", "msgspec", "numpy", "xxhash", "zmq"},
    "blender_addon/scene": {"blender_addon.seam", "bpy", "gpu", "mathutils", "numpy"},
    "blender_addon": {"bpy", "bpy_extras", "bl_operators", "bl_ui", "msgspec"},
}


def sources() -> list[str]:
    paths = [path for room in ("backend", "kernels", "blender_addon") for path in (ROOT / room).rglob("*.py")]
    return sorted(path.relative_to(ROOT).as_posix() for path in paths)


def imports(name: str) -> Iterator[str]:
    """What a file imports, absolute: "numpy", "backend.clip.Mesh", "blender_addon.seam.protocol"."""
    package = name.removesuffix(".py").split("/")[:-1]
    for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            yield from (".".join([*base, *filter(None, [node.module]), alias.name]) for alias in node.names)


def within(module: str, room: str) -> bool:
    return module == room or module.startswith(f"{room}.")


def room_of(name: str) -> str:
    rooms = [room for room in ALLOWED if name == room or name.startswith(f"{room}/")]
    assert rooms, f"{name} is in no room: say in ALLOWED what it may import"
    return max(rooms, key=len)


@pytest.mark.parametrize("name", sources())
def test_imports_follow_the_arrows(name):
    room = room_of(name)
    itself = room.removesuffix(".py").replace("/", ".")
    allowed = ALLOWED[room] | ({itself} if not room.endswith("__.py") else set())
    strangers = [
        module
        for module in imports(name)
        if module.split(".")[0] not in sys.stdlib_module_names
        and not any(within(module, one) for one in allowed)
        and module != "backend"  # the bare package is empty; only its folder is of use
    ]
    assert not strangers, f"{room} may not import {strangers}"


def test_only_the_seam_knows_where_the_protocol_lies():
    reaching = [name for name in sources() if name.startswith("blender_addon/") and name != "blender_addon/seam.py"]
    for name in reaching:
        assert not [module for module in imports(name) if within(module, "backend") or ".backend." in module], name


MESH_DATA = {"foreach_get", "foreach_set", "from_pydata", "shape_key_add", "to_mesh", "new_from_object"}


def test_mesh_data_is_read_and_written_in_one_folder():
    for name in sources():
        if name.startswith("blender_addon/") and not name.startswith("blender_addon/scene/"):
            tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
            used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} & MESH_DATA
            assert not used, f"{name} uses {used}: that belongs into blender_addon/scene"


@pytest.mark.parametrize(
    ("start", "absent"),
    [
        ("backend.service.serve", {"numba", "scipy", "trimesh", "torch", "backend.pipelines", "backend.clip"}),
        ("backend.pipelines", {"numba", "scipy", "trimesh", "torch", "pxr"}),
        ("backend.protocol", {"zmq", "scipy", "backend.clip"}),
    ],
)
def test_what_must_start_fast_loads_nothing_heavy(start, absent):
    script = f"import sys, {start}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not absent & set(run.stdout.split())

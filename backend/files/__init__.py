"""Clips to files and meshes from files: one module a format, chosen by the ending of the name."""

from pathlib import Path

from backend.clip import Clip, Texture

ENDINGS = (".npz", ".glb", ".usdc", ".usdz")


class Unwritable(ValueError):
    """A place or format that no clip can be written to; the message says what to do."""


def check_output(path: Path) -> None:
    """Refuse before any work is done what could not be written after it."""
    if path.suffix.lower() not in (*ENDINGS, ""):
        raise Unwritable(
            f"Cannot write {path.suffix} files: end the name with {', '.join(ENDINGS)}, or name a folder for one .obj "
            f"a frame"
        )
    if not path.absolute().parent.is_dir():
        raise Unwritable(f"The folder {path.absolute().parent} does not exist: make it, or write somewhere else")
    if not path.suffix and path.exists() and not path.is_dir():
        raise Unwritable(f"{path} is a file without an ending: name a folder, or end the name with {ENDINGS[0]}")


def part_of(path: Path) -> Path:
    """Where the file or folder grows until it is whole, on the same disk."""
    path = path.resolve()
    if path.is_dir():
        return path / ".part"  # its parent may be closed to us
    # the ending stays: USD chooses its format by it
    return path.with_name(f".{path.stem}.part{path.suffix.lower()}")


def beside(path: Path, texture: Texture) -> dict[Path, bytes]:
    """The files, and what is in them, that lie beside a .usdc or an .obj which shows a texture: the colours first."""
    files = {path.with_name(f"{path.stem}_picture{texture.ending}"): texture.albedo}
    if texture.roughness is not None:
        files[path.with_name(f"{path.stem}_roughness.png")] = texture.roughness
    return files


def save(clip: Clip, path: Path) -> None:
    """Write a clip: .npz, .glb, .usdc or .usdz by the ending, else a folder of .obj. It appears whole or not at all.

    Raises Unwritable, and OSError where the disk is full.
    """
    check_output(path)
    path = path.resolve()
    ending = path.suffix.lower()
    if ending in ("", ".usdc", ".usdz"):  # of several files
        if ending:
            from backend.files import usd as form
        else:
            from backend.files import obj as form
        form.save(clip, path)
        return
    if ending == ".npz":
        from backend.files import npz as form
    else:
        from backend.files import gltf as form
    part = part_of(path)
    try:
        form.save(clip, part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)

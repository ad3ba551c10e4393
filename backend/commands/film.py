"""`run` with a picture: its options, the film that is made of it, and what its plane shows."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import msgspec
import numpy as np

from backend import protocol, wire
from backend.clip import Texture
from backend.commands import interrupt
from backend.commands.bar import say, shown
from backend.files import Unwritable, beside, film, part_of, picture
from backend.pipelines import filming

ENDINGS = picture.ENDINGS
KINDS = {
    protocol.Picture: f"become a film ({', '.join(film.ENDINGS)}, .npz or a folder of .png)",
    protocol.Plane: f"become an upright plane that sways ({', '.join(film.PLANES)})",
}
IN_BLENDER = {protocol.Plane: ("damping",)}  # of a poke: files hold the loop alone


class BadPull(ValueError):
    """--pull that is none; the message says what to do."""


def kind_of(output: Path) -> type[protocol.Picture | protocol.Plane]:
    """What a picture becomes, by the ending of its file."""
    return protocol.Plane if output.suffix.lower() in film.PLANES else protocol.Picture


def settings(kind: type[protocol.Picture | protocol.Plane]) -> list[msgspec.structs.FieldInfo]:
    """What --set sets of a picture; the rest are options of their own."""
    others = {*protocol.Animate.__struct_fields__, *IN_BLENDER.get(kind, ())}
    return [field for field in msgspec.structs.fields(kind) if get_args(field.type)[0] in (int, float, bool)
            and field.name not in others]  # fmt: skip


def help_text() -> str:
    """The settings of a picture, as help shows them."""
    lines = []
    for made, becomes in KINDS.items():
        lines.append(f"pictures ({', '.join(ENDINGS)}) {becomes}, and what of it can be set:")
        for field in settings(made):
            kind, meta = get_args(field.type)
            limits = "0 or 1" if kind is bool else f"{meta.ge:g} to {meta.le:g}"
            unit = f", {meta.extra['unit']}s" if meta.extra else ""
            lines.append(f"  {field.name}, {limits}{unit}: {meta.description} (default: {float(field.default):g})")
    return "\n".join(lines)


def pull_of(text: str) -> tuple[float, ...]:
    """The four numbers of --pull. Raises BadPull."""
    try:
        x, y, across, down = map(float, text.split(","))
    except ValueError:
        raise BadPull(
            f'--pull takes four shares of the picture, X,Y,DX,DY, such as 0.5,0.2,0.1,0, and not "{text}"'
        ) from None
    return x, y, across, down


def make(request: protocol.Picture, path: Path, output: Path) -> dict:
    """Carry the request out and write the file; what was made, for the last line."""
    began = time.perf_counter()
    film.check_output(output)
    interrupt.end_at_once(unfinished=part_of(output))
    read = _read(path)
    with shown() as report:
        moving, frames = filming.filmed(request, bytes(wire.pack_picture(read.pixels)), report)
        for sentence in moving.said:
            say(f"{path.name}: {sentence}")
        if output.suffix.lower() == ".npz":
            _save_motion(moving, request, output)
        else:
            film.save(frames, output, request.fps, moving.loop)
    seconds = time.perf_counter() - began
    certificate = filming.film_certificate(moving, request.loop, seconds)
    say(f"{output}: {certificate.summary}")
    return {
        "file": str(output),
        "bytes": sum(part.stat().st_size for part in _parts(output.resolve())),
        "frames": len(moving.motions),
        "width": moving.picture.shape[1],
        "height": moving.picture.shape[0],
        "made": protocol.provenance(request) | msgspec.to_builtins(msgspec.structs.asdict(request)),
        "said": [*read.said, *moving.said],
        "measured": {name: value for name, value, _ in certificate.measured},
        "seconds": {"make": round(seconds, 2)},
    }


def for_plane(path: Path, output: Path) -> tuple[bytes, Texture]:
    """The record that a plane is made of, and what it shows. Raises Unreadable, Unwritable, NotInstalled."""
    read = _read(path)
    photo = picture.photo(path, read.pixels)
    (place,) = beside(output, photo)
    if output.suffix.lower() == ".usdc" and place.exists() and place.samefile(path):
        raise Unwritable(f"{path} would be written over, for the plane's own picture goes there: name another output")
    return bytes(wire.pack_picture(read.pixels)), photo


def _read(path: Path) -> picture.Read:
    read = picture.read(path)
    for sentence in read.said:
        say(f"{path.name}: {sentence}")
    return read


def _save_motion(moving, request: protocol.Picture, path: Path) -> None:
    """coefficients (K, H, W, 2) complex64, pixels of (H, W), base () Hz, picture (h, w, 3) and provenance, as JSON."""
    part = part_of(path)
    made = msgspec.json.encode(protocol.provenance(request)).decode()
    try:
        np.savez(
            part,
            coefficients=moving.volume.coefficients,
            base=np.float64(moving.volume.base),
            picture=moving.picture,
            provenance=np.array(made),
        )
        part.replace(path.resolve())
    finally:
        part.unlink(missing_ok=True)


def _parts(path: Path) -> Iterator[Path]:
    yield from [path] if path.is_file() else film.frames_in(path)

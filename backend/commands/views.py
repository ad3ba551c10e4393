"""`run` with words and --engine views: its options, and the strip of views that is made of them."""

import time
from pathlib import Path
from typing import get_args

import msgspec
import numpy as np

from backend import images, pipelines, protocol, wire
from backend.commands import interrupt
from backend.commands.bar import say, shown
from backend.files import Unwritable, part_of

STRIP = ".png"
KINDS = {
    protocol.Views: f"become views side by side ({STRIP})",
    protocol.TextToMesh: "become a textured mesh, and live through what they say or --process names",
}


def kind_of(output: Path) -> type[protocol.Views | protocol.TextToMesh]:
    """What words become, by the ending of the file."""
    return protocol.Views if output.suffix.lower() == STRIP else protocol.TextToMesh


def settings(kind: type[protocol.Views | protocol.TextToMesh]) -> list[msgspec.structs.FieldInfo]:
    """What --set sets; the rest are options of their own."""
    others = {*protocol.Animate.__struct_fields__, "count"}
    return [field for field in msgspec.structs.fields(kind) if get_args(field.type)[0] in (int, float, bool)
            and field.name not in others]  # fmt: skip


def help_text() -> str:
    """The settings, as help shows them."""
    lines = []
    for made, becomes in KINDS.items():
        lines.append(f"with --engine views, words {becomes}, and what of it can be set:")
        for field in settings(made):
            kind, meta = get_args(field.type)
            limits = "0 or 1" if kind is bool else f"{meta.ge:g} to {meta.le:g}"
            unit = f", {meta.extra['unit']}s" if meta.extra else ""
            about = f"{meta.title}: {meta.description}"
            lines.append(f"  {field.name}, {limits}{unit}: {about} (default: {float(field.default):.4g})")
    return "\n".join(lines)


def make(request: protocol.Views, output: Path) -> dict:
    """Carry the request out and write the strip; what was made, for the last line. Raises Unwritable."""
    began = time.perf_counter()
    if not output.absolute().parent.is_dir():
        raise Unwritable(f"The folder {output.absolute().parent} does not exist: make it, or write somewhere else")
    interrupt.end_at_once(unfinished=part_of(output))
    with shown() as report:
        for packed in pipelines.carry_out(request, None, report):
            record, _ = protocol.unpack(packed)
            if isinstance(record, protocol.ViewsRecord):
                pixels, header = wire.unpack_views(packed)
    part = part_of(output)
    try:
        part.write_bytes(images.png(np.concatenate([*pixels], axis=1)))
        part.replace(output.resolve())
    finally:
        part.unlink(missing_ok=True)
    if header.passed_over:
        say(f"passed over: {', '.join(header.passed_over)}")
    say(f"{output}: {record.summary}")
    count, height, width, _ = pixels.shape
    return {
        "file": str(output),
        "bytes": output.stat().st_size,
        "views": count,
        "width": width,
        "height": height,
        "made": protocol.provenance(request) | msgspec.to_builtins(msgspec.structs.asdict(request)),
        "passed_over": header.passed_over,
        "measured": {name: value for name, value, _ in record.measured},
        "seconds": {"make": round(time.perf_counter() - began, 2)},
    }

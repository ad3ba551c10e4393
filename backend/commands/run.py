"""Make a file from words, a mesh or a picture, in this terminal: the panel's jobs without Blender or a server.

The options are made from the request types of the protocol, and checked by them.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args, get_origin

import msgspec
import numpy as np

from backend import pipelines, protocol, terminal, wire
from backend.commands import film, interrupt, views
from backend.commands.bar import say, shown
from backend.files import ENDINGS, Unwritable, check_output, part_of, save
from backend.files import film as film_files
from backend.files.mesh import ENDINGS as MESH_ENDINGS
from backend.files.mesh import Placed, Unreadable, placed
from backend.files.obj import frames_in
from backend.prompt import record_of, understand

BAD_INPUT, FAILED = 2, 1


class _BadOption(ValueError):
    pass


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=terminal.command("run"), description=__doc__.split("\n")[0],
        epilog="\n\n".join([_processes(), _swaying(), film.help_text(), views.help_text(), _specimens()]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument(
        "subject",
        help='words, for example "a red rose blooming"; with --process, a mesh file; or a picture',
    )
    parser.add_argument(
        "-o", "--output", required=True, type=Path, metavar="PATH",
        help=f"where it goes; by its ending {', '.join(ENDINGS)}, or without one a folder of .obj, one a frame; of a "
             f"picture {', '.join(film_files.ENDINGS)}, .npz for the motion alone, a folder of .png, or "
             f"{', '.join(film_files.PLANES)} for a plane that shows it",
    )  # fmt: skip
    parser.add_argument(
        "--process", metavar="WORDS",
        help='what happens to the mesh: one of the processes below, or several: "bloom, wilt + burn" is bloom, then '
             "wilt while it burns; or sway, by itself: a loop in the wind",
    )  # fmt: skip
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=N",
        help="a setting of a process, such as wilt.droop=0.8, or wilt.start=0.5 (amount, start and end are "
             "shares of all), of a specimen that the words name, such as petals=40, or of a picture, such as "
             "amplitude=2; may be given again",
    )  # fmt: skip
    parser.add_argument(
        "--count", type=int, default=argparse.SUPPRESS, metavar="N",
        help="how many of what the words name (default: as many as they say)",
    )  # fmt: skip
    parser.add_argument(
        "--pull", metavar="X,Y,DX,DY",
        help="of a picture: take hold of the point X,Y, pull it by DX,DY and let go, shares of the picture from its "
             "upper left corner; the film is of its ringing",
    )  # fmt: skip
    parser.add_argument(
        "--model", metavar="FOLDER",
        help="of a picture, or with --engine views: a trained model, or the name of a public one of views (default: "
             "the one that comes with Anthesis)",
    )  # fmt: skip
    parser.add_argument(
        "--engine", choices=("builtin", "views"), default="builtin",
        help="what makes something of words: builtin, a specimen; views, a model of what things look like from all "
             f"sides, a textured mesh of it, or with -o NAME{views.STRIP} its views (default: builtin)",
    )  # fmt: skip
    parser.add_argument(
        "--negative", metavar="WORDS", default=argparse.SUPPRESS, help="with --engine views: what it should not be like"
    )
    (amount,) = (field for field in msgspec.structs.fields(protocol.Stage) if field.name == "amount")
    for field in (amount, *msgspec.structs.fields(protocol.Animate)):
        if field.name not in ("stages", "engine", "preview"):
            _add_option(parser, field)
    parser.add_argument(
        "--up", choices=("Y", "Z"),
        help=f"which way is up in the mesh file (default: by format; Y in .obj, .glb and .gltf, else Z). "
             f"Files may be {', '.join(MESH_ENDINGS)}; units are left as they are",
    )  # fmt: skip
    return parser


def _add_option(parser: argparse.ArgumentParser, field: msgspec.structs.FieldInfo) -> None:
    kind, meta = get_args(field.type)
    about = f"{meta.description} (default: {field.default})"
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        parser.add_argument(f"--{field.name}", choices=choices, default=argparse.SUPPRESS, help=about)
    elif kind is bool:
        parser.add_argument(f"--{field.name}", action="store_true", default=argparse.SUPPRESS, help=meta.description)
    else:
        parser.add_argument(f"--{field.name}", type=kind, default=argparse.SUPPRESS, metavar="N", help=about)


def _processes() -> str:
    """Every process with its settings, as help shows them."""
    lines = ["processes, and what of them can be set, from 0 to 1:"]
    for name, kind in protocol.PROCESSES.items():
        lines.append(f"  {name:<9}{kind.__doc__}")
        for field in msgspec.structs.fields(kind):
            meta = get_args(field.type)[1]
            lines.append(f"{'':11}{name}.{field.name}: {meta.description} (default: {field.default})")
    return "\n".join(lines)


def _swaying() -> str:
    """The settings of a sway, as help shows them."""
    lines = ["sway, and what of it can be set:"]
    for field in _of_sway():
        _, meta = get_args(field.type)
        lines.append(f"  {field.name}, {meta.ge:g} to {meta.le:g}: {meta.description} (default: {field.default:g})")
    return "\n".join(lines)


def _of_sway() -> list[msgspec.structs.FieldInfo]:
    """What --set sets; the rest are options of every request."""
    others = {*protocol.Animate.__struct_fields__}
    return [field for field in msgspec.structs.fields(protocol.Sway) if field.name not in others]


def _specimens() -> str:
    """Every specimen with its settings, as help shows them."""
    lines = ["specimens, which words can name, and what of them can be set:"]
    for name, kind in protocol.SPECIES.items():
        lines.append(f"  {name:<11}{kind.__doc__}")
        for field in msgspec.structs.fields(kind):
            value, meta = get_args(field.type)
            if value in (int, float):
                lines.append(f"{'':13}{field.name}, {meta.ge:g} to {meta.le:g}: {meta.description} ({field.default:g})")
    return "\n".join(lines)


def main(options: list[str]) -> int:
    """The exit code: 0 made, 1 failed, 2 asked for what cannot be made; Ctrl-C ends it with 130."""
    arguments = _parser().parse_args(options)
    try:
        told = make(arguments)
    except (Unreadable, Unwritable, _BadOption, film.BadPull) as error:
        say(str(error))
        return BAD_INPUT
    except OSError as error:
        say(f"Could not write {arguments.output}: {error.strerror or error}")
        return FAILED
    except Exception as error:  # pipelines know which errors have words; the others go on
        failure = pipelines.failure(error)
        if failure is None:
            raise
        say(failure.text)
        return FAILED if failure.code == "nan_result" else BAD_INPUT
    print(json.dumps(told), flush=True)
    return 0


def make(arguments: argparse.Namespace) -> dict:
    """Carry the request out and write the file; what was made, for the last line."""
    began = time.perf_counter()
    request = _request(arguments)
    if isinstance(request, protocol.Picture):
        return film.make(request, Path(arguments.subject), arguments.output)
    if isinstance(request, protocol.Views):
        return views.make(request, arguments.output)
    check_output(arguments.output)
    interrupt.end_at_once(unfinished=part_of(arguments.output))
    subject, photo, moved = None, None, {}
    if isinstance(request, protocol.Plane):
        subject, photo = film.for_plane(Path(arguments.subject), arguments.output)
    elif isinstance(request, protocol.Animate | protocol.Sway):
        found = placed(Path(arguments.subject), arguments.up)
        subject, moved = bytes(wire.pack_mesh(found.mesh)), _told_of_moving(found)
    with shown() as report:
        clip, certificate, line, passed_over, told = pipelines.made(request, subject, report)
        shows = clip.subject if photo is None else replace(clip.subject, texture=photo)
        clip = replace(clip, subject=shows, provenance=clip.provenance | moved)
        made = time.perf_counter()
        report(1.0, f"Writing {arguments.output}")
        save(clip, arguments.output)
    written = time.perf_counter()
    if isinstance(request, protocol.Sway) and request.storm == 0:
        told = (*told, "All frames of the file are alike: raise the wind with --set storm=0.4, or more")
    for sentence in [line, *told]:
        if sentence:
            say(sentence)
    say(f"{arguments.output}: {certificate.summary}")
    return {
        "file": str(arguments.output),
        "bytes": _size(arguments.output.resolve()),
        "frames": len(clip.positions),
        "vertices": len(clip.subject.vertices),
        "triangles": len(clip.subject.triangles),
        # with numbers as numbers, where the files' provenance is text
        "made": clip.provenance | msgspec.to_builtins(msgspec.structs.asdict(request)),
        **({"understood": line, "passed_over": passed_over} if line else {}),
        **({"said": told} if told else {}),
        "measured": {name: value for name, value, _ in certificate.measured},
        "seconds": {"make": round(made - began, 2), "write": round(written - made, 2)},
    }


def _told_of_moving(found: Placed) -> dict[str, str]:
    """For the clip's provenance, and said: a mesh that its files cannot hold where it is."""
    if not found.moved.any():
        return {}
    by = " ".join(f"{way:+g}" for way in found.moved)
    away = float(np.abs(found.moved).max())
    say(f"The mesh lies {away:g} units from the origin, too far for the result's numbers: moved by {by} (x y z, Z up)")
    return {"moved": by}


def _request(arguments: argparse.Namespace) -> protocol.Request:
    given = vars(arguments)
    asked = {name: given[name] for name in protocol.Animate.__struct_fields__ if name in given and name != "engine"}
    is_picture = Path(arguments.subject).suffix.lower() in film.ENDINGS
    by_views = arguments.engine == "views"
    if not is_picture:
        for name in ("pull", "model"):
            if given[name] is not None and not (by_views and name == "model"):
                raise _BadOption(f"--{name} is for a picture ({', '.join(film.ENDINGS)}): leave it out")
    if "negative" in given and not by_views:
        raise _BadOption("--negative is for --engine views: leave it out, or choose that")
    if by_views:
        kind = views.kind_of(arguments.output)
        asked |= _of_views(kind, arguments)
    elif is_picture:
        kind = film.kind_of(arguments.output)
        asked |= _picture_settings(kind, given, dict(map(_setting, arguments.set)))
    elif arguments.process and arguments.process.strip().lower() == "sway":
        kind = protocol.Sway
        asked |= _sway_settings(given, dict(map(_setting, arguments.set)))
    elif arguments.process:
        kind = protocol.Animate
        asked["preview"] = False
        asked["stages"] = _stages(arguments.process, dict(map(_setting, arguments.set)), given)
    elif Path(arguments.subject).suffix.lower() in MESH_ENDINGS:
        raise _BadOption(
            f"Say what should happen to {arguments.subject}: --process with one of {', '.join(protocol.PROCESSES)}"
        )
    else:
        kind = protocol.Generate
        for name in ("amount", "up", "first", "last", "timing"):
            if given.get(name):
                raise _BadOption(f"--{name} is for a mesh file with --process, not for words: leave it out")
        asked["prompt"] = arguments.subject
        if "count" in given:
            asked["count"] = arguments.count
        if arguments.set:
            asked["specimen"] = _specimen(arguments.subject, dict(map(_setting, arguments.set)))
    try:
        return msgspec.convert(asked, kind)
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at `$.")
        name = where.rstrip("`")
        raise _BadOption(_bounds(kind, name, asked) if name in kind.__struct_fields__ else problem) from None


def _of_views(kind: type, arguments: argparse.Namespace) -> dict:
    given, path = vars(arguments), Path(arguments.subject)
    if path.suffix.lower() in (*film.ENDINGS, *MESH_ENDINGS):
        raise _BadOption(f"--engine views makes something of words, and {path.name} is a file: leave --engine out")
    others = ("pull", "up", *(() if kind is protocol.Views else ("count",)))
    if kind is protocol.Views:
        others += ("process", "frames", "fps", "amount", "first", "last", "timing", "reverse")
    for name in others:
        if given.get(name) is not None:
            what = "views" if kind is protocol.Views else "a mesh by views"
            raise _BadOption(f"--{name} is not for {what}: leave it out")
    fields = {field.name: field for field in views.settings(kind)}
    chosen = dict(map(_setting, arguments.set))
    own = {name: value for name, value in chosen.items() if name in fields or not given.get("process")}
    asked = {"prompt": arguments.subject} | _chosen("What --engine views makes", own, fields)
    asked |= {name: given[name] for name in ("model", "negative", "count") if given.get(name) is not None}
    if given.get("process"):
        sliders = {name: value for name, value in chosen.items() if name not in own}
        asked["stages"] = _stages(arguments.process, sliders, given)
    elif "amount" in given:
        raise _BadOption("--amount is for --process, and words say it themselves: leave it out")
    return asked


def _stages(words: str, sliders: dict[str, float], given: dict) -> tuple[protocol.Stage, ...]:
    amount = {"amount": given["amount"]} if "amount" in given else {}
    try:
        return protocol.from_words(words, sliders, **amount)
    except ValueError as error:
        raise _BadOption(str(error)) from None


def _sway_settings(given: dict, settings: dict[str, float]) -> dict[str, float]:
    for name in ("frames", "amount", "first", "last", "timing", "reverse"):
        if name in given:
            raise _BadOption(
                f"--{name} is not for sway, a loop without an end, which lasts 1 / lowest seconds: leave it out"
            )
    return _chosen("Sway", settings, {field.name: field for field in _of_sway()})


def _picture_settings(kind: type, given: dict, settings: dict[str, float]) -> dict:
    others = ("process", "frames", "amount", "count", "first", "last", "timing", "reverse", "up")
    if kind is protocol.Plane:
        owner, becomes, others = "a picture's plane", "sways in a loop of 5 seconds", (*others, "pull")
    else:
        owner, becomes = "a picture", "becomes a film of 5 seconds over its speed"
    for name in others:
        if given.get(name) is not None:
            raise _BadOption(f"--{name} is not for {owner}, which {becomes}: leave it out")
    chosen = _chosen(owner.capitalize(), settings, {field.name: field for field in film.settings(kind)})
    pull = {} if given["pull"] is None else {"pull": film.pull_of(given["pull"])}
    return chosen | pull | ({} if given["model"] is None else {"model": given["model"]})


def _specimen(prompt: str, settings: dict[str, float]) -> dict:
    """The record that the words name, with its settings."""
    record = record_of(understand(prompt))
    name = protocol.name_of_species(record)
    numbers = {field.name: field for field in msgspec.structs.fields(record) if field.name != "colour"}
    return msgspec.to_builtins(record) | _chosen(f"A specimen of {name}", settings, numbers)


def _chosen(owner: str, settings: dict[str, float], fields: dict[str, msgspec.structs.FieldInfo]) -> dict[str, float]:
    """The settings as numbers of their kinds, each within its limits."""
    found = {}
    for name, value in settings.items():
        if name not in fields:
            raise _BadOption(f'{owner} has no setting "{name}": it has {", ".join(fields)}')
        kind, meta = get_args(fields[name].type)
        least, most = (0, 1) if kind is bool else (meta.ge, meta.le)
        if not least <= value <= most or kind(value) != value:
            what = "a number" if kind is float else "a whole number"
            raise _BadOption(f"{owner} has {name}, {what} from {least:g} to {most:g}, and {value:g} is not")
        found[name] = kind(value)
    return found


def _setting(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name.strip(), float(value)
    except ValueError:
        such = "such as wilt.droop=0.8 or petals=40"
        raise _BadOption(f'--set takes a name and a number, {such}, not "{text}"') from None


def _bounds(kind: type, name: str, asked: dict) -> str:
    (field,) = (field for field in msgspec.structs.fields(kind) if field.name == name)
    number, meta = get_args(field.type)
    if meta.ge is None:
        return f"--{name} has more than {meta.max_length:,} characters: shorten it"
    what = "a whole number" if number is int else "a number"
    return f"--{name} is {what} from {meta.ge:,} to {meta.le:,}, and {asked[name]:,} is not: choose another"


def _size(path: Path) -> int:
    return sum(part.stat().st_size for part in ([path] if path.is_file() else frames_in(path)))

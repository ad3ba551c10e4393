"""Whether a model is here, told from the disk alone: no library of learned engines, no network, no loading."""

import hashlib
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from backend import terminal
from backend.report import Report, silent

from .catalogue import File, Model, Part
from .errors import NotHere, NotReadable
from .places import Cache, Folder, place_of
from .settings import Settings, load

_SMALL = 16_000_000  # bytes whose checksum is not felt
_CHUNK = 4_000_000  # bytes from one report to the next
_POINTER = b"version https://git-lfs"
_LONGEST = 25_000_000  # bytes of a safetensors header, as that library has it


@dataclass(frozen=True)
class State:
    """What there is of a model: each file whole, damaged, or missing."""

    model: Model
    place: Cache | Folder
    folder: Path | None  # in which the files of its first part lie
    whole: dict[File, Path]
    damaged: dict[File, tuple[Path, str]]  # where, and what is wrong with it
    begun: int  # bytes of files that have arrived in part
    foreign: str = ""  # what says that the files are another model's

    @property
    def word(self) -> Literal["here", "partly here", "missing", "damaged"]:
        if self.damaged or self.foreign:
            return "damaged"
        if not self.missing:
            return "here"
        return "partly here" if self.whole or self.begun else "missing"

    @property
    def missing(self) -> tuple[File, ...]:
        return tuple(
            file for file in self.model.files if file.needed and file not in self.whole and file not in self.damaged
        )

    @property
    def left(self) -> int:
        """Bytes to get, by the table."""
        return max(sum(file.size for file in (*self.missing, *self.damaged)) - self.begun, 0)

    def say(self) -> str:
        """One line for the user."""
        model, about = self.model, "" if self.model.exact else "about "
        get = terminal.command(f"models get {model.name}")
        match self.word:
            case "here":
                return f"{model.title} is here, {size(held(self))} in {self.place.root}"
            case "missing":
                return f"{model.title} is not here: {get} fetches {about}{size(model.size)} ({commerce(model)})"
            case "partly here":
                files = f"{len(self.whole)} of {len(self.whole) + len(self.missing)} files"
                return f"{model.title} is partly here, {files} in {self.place.root}: {get} fetches the rest, " + (
                    f"{about}{size(self.left)}"
                )
        if self.foreign:
            return f"{model.title} is not what lies in {self.place.root}: {self.foreign}. Name another folder"
        path, fault = next(iter(self.damaged.values()))
        more = f", and {len(self.damaged) - 1} more" if len(self.damaged) > 1 else ""
        return f"{model.title} is damaged: {path} {fault}{more}. {get} fetches it again"


@dataclass(frozen=True)
class Found:
    """A model that is here."""

    model: Model
    folder: Path  # of its first part; in diffusers' layout, if the model has one
    files: dict[str, Path] = field(repr=False)  # by each name that the catalogue has for it


def look(model: Model, settings: Settings | None = None, thorough: bool = False, report: Report = silent) -> State:
    """What there is of the model. Damage shows in a file's form and in checksums of small files; `thorough` reads all.

    Never asks the network. Reports, and stops by its report's Cancelled, while it reads.
    """
    place = place_of(model, load() if settings is None else settings)
    try:
        return _looked(model, place, thorough, report)
    except OSError as error:
        text = f"Cannot look into {place.root} ({error.strerror}): name another folder for {model.title}"
        raise NotReadable(text) from error


def _looked(model: Model, place: Cache | Folder, thorough: bool, report: Report) -> State:
    chosen = [(part, _fullest(place, part)) for part in model.parts]
    total = sum(_bytes(folder / name) for part, folder in chosen if folder for name in _present(folder, part))
    done, whole, damaged, begun = 0, {}, {}, set()
    for part, folder in chosen:
        begun |= set(place.partials(part))
        for file in part.files if folder else ():
            for name in (name for name in file.names if (folder / name).is_file()):
                path, etag = folder / name, place.etag(folder, name)

                def read(count: int, name: str = name) -> None:
                    nonlocal done
                    done += count
                    report(min(done / max(total, 1), 1.0), f"{model.title}: reading {name}")

                fault = _misshapen(path) or _altered(path, etag if thorough or _bytes(path) <= _SMALL else None, read)
                if not fault:
                    whole[file] = path
                    damaged.pop(file, None)
                    break
                damaged.setdefault(file, (path, fault))
    report(1.0, f"{model.title} has been read")
    return State(model, place, chosen[0][1], whole, damaged, sum(map(_bytes, begun)), _foreign(model, whole))


def found(model: Model, settings: Settings | None = None) -> Found:
    """Where a pipeline finds the files; raises NotHere, and never downloads."""
    state = look(model, settings)
    if state.word != "here":
        raise NotHere(state.say())
    return Found(model, state.folder, {name: path for file, path in state.whole.items() for name in file.names})


def lacking(model: Model, folder: Path) -> str:
    """Why a folder of the user's cannot stand for the model, and what to do, in a sentence; "" where it can."""
    if not folder.is_dir():
        return f"{folder} is no folder: name the one in which {model.title} lies"
    state = look(model, Settings(folders={model.name: str(folder.absolute())}))
    if state.foreign:
        return state.say()
    faults = [f"{' or '.join(file.names)} is missing" for file in state.missing]
    faults += [f"{path.relative_to(state.place.root)} {fault}" for path, fault in state.damaged.values()]
    if not faults:
        return ""
    more = f", and {len(faults) - 1} more of its files" if len(faults) > 1 else ""
    get = terminal.command(f"models get {model.name} --folder D")
    return f"{folder} does not hold {model.title}: {faults[0]}{more}. Name another folder, or have it fetched by {get}"


def held(state: State) -> int:
    """Bytes of what is whole."""
    return sum(map(_bytes, set(state.whole.values())))


def size(count: float) -> str:
    """Bytes as people read them."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


def commerce(model: Model) -> str:
    return f"{model.licence.name}{'' if model.licence.commercial else ', NON-COMMERCIAL USE ONLY'}"


def checksum(path: Path, etag: str, read: Callable[[int], None]) -> str:
    """The file's own, of the kind that `etag` is: SHA-256, or Git's SHA-1 of a blob. `read` hears of bytes."""
    sha = hashlib.sha256() if len(etag) == 64 else hashlib.sha1(b"blob %d\0" % path.stat().st_size)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            sha.update(chunk)
            read(len(chunk))
    return sha.hexdigest()


def _fullest(place: Cache | Folder, part: Part) -> Path | None:
    """Of several commits in the cache, the newest known unless an older one has more of the files."""

    def count(folder: Path) -> int:
        return sum(any((folder / name).exists() for name in file.names) for file in part.files if file.needed)

    return max(place.folders(part), key=count, default=None)


def _present(folder: Path, part: Part) -> set[str]:
    return {name for file in part.files for name in file.names if (folder / name).is_file()}


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _altered(path: Path, etag: str | None, read: Callable[[int], None]) -> str:
    if etag is None:
        read(_bytes(path))
        return ""
    try:
        return "" if checksum(path, etag, read) == etag else "has another checksum than it came with"
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _misshapen(path: Path) -> str:
    """What a file's form says against it, in a moment however large it is; "" where nothing does."""
    try:
        length = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(len(_POINTER))
        if not length:
            return "is empty"
        if head == _POINTER:
            return "is a pointer of Git LFS and not the file itself: run git lfs pull there"
        match path.suffix:
            case ".safetensors":
                ends = _end(path)
                said = f"has {length} bytes, and its header says {ends}" if ends else "has no header"
                return "" if ends == length else said
            case ".pt" | ".bin" if head[:1] != b"\x80":  # torch's old format, of which only reading all would tell
                return "" if zipfile.is_zipfile(path) else "is cut short, or none of torch's files"
            case ".json":
                json.loads(path.read_bytes())
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    except ValueError:
        return "is not JSON"
    return ""


def _end(path: Path) -> int:
    """Where a safetensors file should end: its header's length, the header, and the last tensor's; 0: no header."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= _LONGEST:
            return 0
        try:
            header = json.loads(file.read(length))
            ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        except (ValueError, TypeError, KeyError, IndexError, AttributeError):
            return 0
    return 8 + length + max(ends, default=0)


def _foreign(model: Model, whole: dict[File, Path]) -> str:
    mark = model.mark
    path = next((path for file, path in whole.items() if mark and mark.file in file.names), None)
    if mark is None or path is None:
        return ""
    entries = json.loads(path.read_bytes())
    there = entries.get(mark.entry) if isinstance(entries, dict) else None
    return "" if there == mark.value else f"{mark.file} says {mark.entry} {there}, and not {mark.value}"

"""Get a model from the hub: what is missing or damaged of it, from where it broke off, each file by its checksum.

huggingface_hub finds the files, and carries the user's token, proxies and certificates. The bytes are read here: its
own download (2.4) deletes what has arrived when it ends early, and says nothing for 10 MB at a time.
"""

import errno
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from backend import learned
from backend.report import Report, silent
from backend.report import part as share

from . import errors
from .catalogue import File, Model, Part
from .places import Cache, Folder
from .settings import Settings, accept, load, offline, use
from .state import Found, State, checksum, commerce, found, look, size

_ROOM = 1_000_000_000  # bytes that a disk keeps free beside what is got
_TRIES = 5  # in a row without a byte more
_WAIT = 1.0  # seconds from one try to the next
_TIMEOUT = 20.0  # seconds without a byte
_OFTEN = 0.1  # seconds from one report to the next
_HEX = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@dataclass(frozen=True)
class _Wanted:
    """A file to get, as the hub describes it."""

    part: Part
    file: File
    name: str
    commit: str
    etag: str
    size: int  # bytes


def get(
    model: Model, accepted: bool, report: Report = silent, folder: Path | None = None, home: Path | None = None
) -> Found:
    """Have the model here: get what is not, and return where it is. The only function that goes to the network.

    `accepted`: the user has read the licence (model.licence) and accepts it; that is remembered, as is `folder`, where
    one is named. `report` hears of bytes and files, and stops it by raising Cancelled; what has arrived stays, and the
    next `get` goes on from there. Raises a ModelError, or learned.NotInstalled.
    """
    settings = load(home)
    if not accepted and not settings.has_accepted(model):
        raise errors.LicenceNotAccepted(
            f"{model.title} comes under {commerce(model)} ({model.licence.address}): read and accept it first"
        )
    if folder is not None:
        _refuse_foreign(model, folder, settings)
        use(model, folder, home)
    accept(model, home)
    settings = load(home)
    state = look(model, settings, thorough=True, report=share(report, 0.0, 0.1))
    if state.foreign:
        raise errors.Foreign(state.say())
    if state.word != "here":
        if why := offline(settings):
            raise errors.Offline(f"{model.title} cannot be fetched in offline mode; {why}")
        learned.wanted(huggingface_hub="huggingface_hub")
        _fetch(state, share(report, 0.1, 1.0))
    there = found(model, settings)
    report(1.0, f"{model.title} is here")
    return there


def _refuse_foreign(model: Model, folder: Path, settings: Settings) -> None:
    """A folder is the model's if something of it lies there, or nothing does."""
    if folder.exists() and not folder.is_dir():
        raise errors.Foreign(f"{folder} is a file: name a folder for {model.title}")
    other = next((name for name, path in settings.folders.items() if Path(path) == folder.absolute()), model.name)
    if other != model.name:
        raise errors.Foreign(f"{folder} is the folder of {other}: name another one for {model.title}")
    state = look(model, Settings(folders={model.name: str(folder.absolute())}))
    if state.foreign:
        raise errors.Foreign(state.say())
    anything = folder.is_dir() and any(path.name not in (".cache", ".DS_Store") for path in folder.iterdir())
    if anything and not state.whole and not state.damaged:
        raise errors.Foreign(f"{folder} holds something else, and nothing of {model.title}: name an empty folder")


def _fetch(state: State, report: Report) -> None:
    """Everything of the model that is missing or damaged."""
    model, place = state.model, state.place
    report(0.0, f"{model.title}: asking the hub")
    wanted = [wanted for part in model.parts for wanted in _listed(state, part)]
    with _disk_errors(model, place):
        here = {one: _held(place, one, one.file in state.damaged) for one in wanted}
        _check_room(model, place.root, sum(one.size for one in wanted) - sum(here.values()))
        for one in here:
            place.partial(one.part, one.etag).parent.mkdir(parents=True, exist_ok=True)
        tally = _Tally(model, report, wanted, sum(here.values()))
        for index, one in enumerate(wanted):
            tally.file = index
            _have(place, one, tally, one.file in state.damaged)
        for one in {one.part: one for one in wanted}.values():
            place.finish(one.part, one.commit)


class _Tally:
    """How much has arrived of all: told in bytes and files, not more often than is of use."""

    def __init__(self, model: Model, report: Report, wanted: list[_Wanted], done: int) -> None:
        self.model, self.report, self.wanted, self.done = model, report, wanted, done
        self.total, self.file, self.last = sum(one.size for one in wanted), 0, 0.0

    def __call__(self, count: int, doing: str = "") -> None:
        """`count` bytes more, or fewer where a file begins anew."""
        self.done += count
        if time.monotonic() - self.last >= _OFTEN or doing:
            self.last = time.monotonic()
            text = f"{size(self.done)} of {size(self.total)}, file {self.file + 1} of {len(self.wanted)}"
            what = doing or self.wanted[self.file].name
            self.report(min(self.done / max(self.total, 1), 1.0), f"{self.model.title}: {text}, {what}")


def _listed(state: State, part: Part) -> Iterator[_Wanted]:
    """What the hub has of the files of this part that are not here and whole."""
    from huggingface_hub import HfApi

    lacking = [file for file in part.files if file not in state.whole]
    if not any(file.needed or file in state.damaged for file in lacking):
        return
    asked = {"revision": part.revision, "files_metadata": True, "timeout": _TIMEOUT}
    with _hub_errors(state.model, part):
        info = HfApi(endpoint=_endpoint()).model_info(part.repository, **asked)
    there = {sibling.rfilename: sibling for sibling in info.siblings}
    chosen = {}
    for file in lacking:
        name = next((name for name in file.names if name in there), None)
        if name is not None:
            chosen.setdefault(name, file)
        elif file.needed:
            raise errors.NotPublished(
                f"{part.repository} has no {file.names[0]} (any more): get the model elsewhere, and name its folder"
            )
    for name, file in chosen.items():
        sibling = there[name]
        etag = sibling.lfs.sha256 if sibling.lfs else sibling.blob_id
        if not (_HEX.fullmatch(etag or "") and _HEX.fullmatch(info.sha or "") and sibling.size):
            raise errors.NotPublished(f"{_endpoint() or 'The hub'} gives no size and checksum of {name}: try it later")
        yield _Wanted(part, file, name, info.sha, etag, sibling.size)


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or None


def _held(place: Cache | Folder, one: _Wanted, damaged: bool) -> int:
    """Bytes of it that need not be got."""
    if place.holds(one.part, one.etag) is not None and not damaged:
        return one.size
    partial = place.partial(one.part, one.etag)
    held = partial.stat().st_size if partial.is_file() else 0
    if held > one.size:
        partial.unlink()
        return 0
    return held


def _check_room(model: Model, root: Path, needed: int) -> None:
    disk = next(path for path in (root, *root.absolute().parents) if path.exists())
    free = shutil.disk_usage(disk).free
    if free < needed + _ROOM:
        raise errors.NoSpace(
            f"{model.title} wants {size(needed)} more, and {size(_ROOM)} to spare, and {disk} has {size(free)} free: "
            f"make room, or name a folder on another disk"
        )


def _have(place: Cache | Folder, one: _Wanted, tally: _Tally, damaged: bool) -> None:
    """The file lies in its place when this returns, with the hub's checksum."""
    from huggingface_hub.utils import WeakFileLock

    lock = place.lock(one.part, one.name, one.etag)
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with WeakFileLock(lock, timeout=_WAIT):
            if place.holds(one.part, one.etag) is not None and not damaged:
                return place.keep(one.part, one.commit, one.name, one.etag)
            partial = place.partial(one.part, one.etag)
            for _ in range(2):
                with _hub_errors(tally.model, one.part):
                    _transfer(partial, one, tally)
                if _whole(partial, one, tally):
                    return place.keep(one.part, one.commit, one.name, one.etag)
                partial.unlink()
                tally(-one.size)
    except TimeoutError as error:
        raise errors.Busy(f"Another process is getting {one.name} of {tally.model.title}: wait for it") from error
    raise errors.ArrivedDamaged(
        f"{one.name} of {one.part.repository} arrived twice with another checksum than the hub says: try it later, or "
        f"see what stands between this machine and {_endpoint() or 'the hub'}"
    )


def _whole(path: Path, one: _Wanted, tally: _Tally) -> bool:
    return checksum(path, one.etag, lambda count: tally(0, f"checking {one.name}")) == one.etag


def _transfer(partial: Path, one: _Wanted, tally: _Tally) -> None:
    """All bytes of the file into `partial`, after those that it has; tries again while more come."""
    from huggingface_hub.errors import HfHubHTTPError, HTTPError

    tries = 0
    while (before := partial.stat().st_size if partial.is_file() else 0) < one.size:
        tally(0)
        try:
            _stream(partial, before, one, tally)
        except HfHubHTTPError as error:
            if error.response.status_code == 416:  # it says that the file ends before
                partial.unlink()
                tally(-before)
            elif error.response.status_code not in (408, 429) and error.response.status_code < 500:
                raise
        except HTTPError:  # the connection: not there, broken, or silent
            pass
        after = partial.stat().st_size if partial.is_file() else 0
        tries = 0 if after > before else tries + 1
        if tries == _TRIES:
            raise errors.NoNetwork(
                f"The connection broke at {size(tally.done)} of {size(tally.total)}, and {_TRIES} more tries brought "
                f"nothing: get {tally.model.name} again, and it goes on from there"
            )
        if after < one.size:
            time.sleep(_WAIT * tries)


def _stream(partial: Path, start: int, one: _Wanted, tally: _Tally) -> None:
    """One connection: what it brings from byte `start` on is in `partial` even if it ends by an error."""
    from huggingface_hub import get_session, hf_hub_url
    from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

    url = hf_hub_url(one.part.repository, one.name, revision=one.commit, endpoint=_endpoint())
    headers = build_hf_headers() | {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with get_session().stream("GET", url, headers=headers, timeout=_TIMEOUT, follow_redirects=True) as response:
        hf_raise_for_status(response)
        if start and response.status_code != 206:  # it gives all of it again
            tally(-start)
            start = 0
        with partial.open("r+b" if start else "wb") as file:
            file.seek(start)
            left = one.size - start
            for chunk in response.iter_bytes():
                file.write(chunk[:left])
                tally(len(chunk[:left]))
                left -= len(chunk)
                if left <= 0:
                    return


@contextmanager
def _hub_errors(model: Model, part: Part) -> Iterator[None]:
    """What that library raises, in our words."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HTTPError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    where = _endpoint() or "https://huggingface.co"
    page = f"{where}/{part.repository}"
    try:
        yield
    except OfflineModeIsEnabled as error:  # that library reads the variable when it is imported
        raise errors.Offline(f"{model.title} cannot be fetched, for HF_HUB_OFFLINE was set: start again") from error
    except GatedRepoError as error:
        raise errors.Gated(
            f"{model.title} is gated: ask for it at {page}, then set HF_TOKEN to a token of yours, or run hf auth login"
        ) from error
    except RepositoryNotFoundError as error:
        raise errors.NotPublished(
            f"{page} is not there (any more), or is private: get the model elsewhere, and name its folder"
        ) from error
    except HfHubHTTPError as error:
        code = error.response.status_code
        if code in (401, 403):
            raise errors.Gated(
                f"{where} refuses this user or this token (code {code}): see HF_TOKEN, and {page}"
            ) from error
        if code == 404:
            raise errors.NotPublished(f"{page} lacks a file that it lists: try it later") from error
        raise errors.NoNetwork(f"{where} answers with code {code}: try it later") from error
    except HTTPError as error:
        raise errors.NoNetwork(
            f"{where} does not answer: see the network, or get the model elsewhere and name its folder"
        ) from error
    except json.JSONDecodeError as error:
        raise errors.NoNetwork(
            f"{where} answers with something else: see whether this network asks to log in"
        ) from error


@contextmanager
def _disk_errors(model: Model, place: Cache | Folder) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise errors.NoSpace(
                f"The disk of {place.root} is full: make room and get {model.name} again, it goes on from there"
            ) from error
        raise errors.NotWritable(
            f"Cannot write to {place.root} ({error.strerror or error}): name another folder for {model.title}"
        ) from error

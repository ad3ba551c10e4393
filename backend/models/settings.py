"""What the user has said about models: their folders, the licences accepted, offline mode. One file in the home."""

import os
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from backend import protocol, terminal

from .catalogue import Model
from .errors import ModelError, NotWritable

FILE = "models.json"
_TRUE = {"1", "ON", "YES", "TRUE"}  # as huggingface_hub reads its variables


class Settings(Struct, frozen=True):
    folders: dict[str, str] = {}  # model -> where it lies, in place of the hub's cache
    accepted: dict[str, str] = {}  # model -> the licence that was accepted
    offline: bool = False

    def has_accepted(self, model: Model) -> bool:
        return self.accepted.get(model.name) == f"{model.licence.name} {model.licence.address}"


def load(home: Path | None = None) -> Settings:
    path = (home or protocol.default_home()) / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Settings)
    except FileNotFoundError:
        return Settings()
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} cannot be read ({error}): delete it, and say again what it held") from error


def remember(settings: Settings, home: Path | None = None) -> None:
    """In place of what was remembered, all at once."""
    home = home or protocol.default_home()
    new = home / f"{FILE}.{os.getpid()}.new"
    try:
        home.mkdir(parents=True, exist_ok=True)
        new.write_bytes(msgspec.json.format(msgspec.json.encode(settings), indent=2))
        new.replace(home / FILE)
    except OSError as error:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise NotWritable(
            f"Cannot write to {home} ({error.strerror}): set ANTHESIS_HOME to a folder of yours"
        ) from error


def use(model: Model, folder: Path | None, home: Path | None = None) -> None:
    """The model lies in `folder` from now on; None: in the hub's cache."""
    settings = load(home)
    folders = {name: path for name, path in settings.folders.items() if name != model.name}
    remember(replace(settings, folders=folders | ({model.name: str(folder.absolute())} if folder else {})), home)


def accept(model: Model, home: Path | None = None) -> None:
    settings = load(home)
    if not settings.has_accepted(model):
        accepted = settings.accepted | {model.name: f"{model.licence.name} {model.licence.address}"}
        remember(replace(settings, accepted=accepted), home)


def offline(settings: Settings) -> str:
    """Why nothing may be downloaded; "" where it may."""
    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        if os.environ.get(variable, "").upper() in _TRUE:
            return f"the environment variable {variable} is set: unset it"
    return f"it is set for models: {terminal.command('models offline off')}" if settings.offline else ""

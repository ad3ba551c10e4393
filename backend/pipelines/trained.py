"""Trained models that requests name: where they lie, and what is said where one cannot be used."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from backend import terminal
from backend.learned import NotInstalled

Model = TypeVar("Model")

CARDS = {"dynamics.json": ("motion", "a picture"), "seedling.json": ("views", "words")}  # what tells their folders


class NoModel(ValueError):
    """There is no such model, or it cannot be used; the message says what to do."""


class TooLittleMemory(ValueError):
    """The GPU has less memory than the smallest way needs; the message says what to do."""


def lacking_one(ours: Path, of: str = "") -> str:
    """Why a model must be named, and what to do, in a sentence; "" where one comes with us."""
    if ours.is_dir():
        return ""
    return f"No trained model{of} comes with this version: train one, and name its folder as the model"


def loaded(load: Callable[[Path, str], Model], named: str, ours: Path, training: str, of: str = "") -> Model:
    """What `load` makes of a folder and a device: of the folder that is `named`, or `ours`.

    Raises NoModel, TooLittleMemory.

    `training` is the command that trains such models, and `of` what they are of, where that must be said.
    """
    try:
        folder = Path(named).expanduser() if named else ours
    except RuntimeError:
        raise NoModel(f"No model lies in {named}, for there is no such user: name its folder in full") from None
    with read(f"the model in {folder}", "copy it again, or train another", lambda: _refuse_other(folder, training)):
        try:
            return load(folder, device())
        except FileNotFoundError:
            _refuse_unfinished(folder)
            lies = f"No model lies in {folder}" if named else f"No trained model{of} comes with this version"
            train = terminal.command(f"train {training} --preset seedling --out FOLDER")
            raise NoModel(f"{lies}: train one with `{train}`, and name FOLDER/model as the model") from None


@contextmanager
def read(title: str, instead: str, check: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Whatever loading a model of this title runs into becomes a sentence, in which is said what to do `instead`.

    Raises NoModel, TooLittleMemory; and before them what `check` raises, which may know better.
    """
    try:
        yield
    except (NoModel, NotInstalled):
        raise
    except Exception as error:  # of a stranger's files the libraries raise what they like
        check()
        if type(error).__name__ == "OutOfMemoryError":  # torch's
            raise TooLittleMemory(
                f"The GPU has too little memory for {title}: close what else uses it, or name another model"
            ) from error
        told = f"{type(error).__name__}: {str(error)[:200]}"
        raise NoModel(f"{title[:1].upper()}{title[1:]} cannot be read ({told}): {instead}") from error


def device() -> str:
    """Where it computes, in torch's words."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _refuse_unfinished(folder: Path) -> None:
    """Raises NoModel where the folder is a training's that has not come to a model yet, or would be that model's."""
    from backend.training.checkpoint import FILE
    from backend.training.loop import MODEL

    for out in (folder, folder.parent):
        if (out / FILE).is_file() and not (out / MODEL).exists():
            raise NoModel(
                f"No model lies in {folder} yet, for the training in {out} is not finished: go on with it by the same "
                f"`{terminal.command('train')} ...` and --resume"
            )


def _refuse_other(folder: Path, training: str) -> None:
    """Raises NoModel where the folder is an unfinished training's, or holds a model of another kind than is wanted."""
    _refuse_unfinished(folder)
    own = "dynamics.json" if training == "dynamics" else "seedling.json"
    for card, (of, makes) in CARDS.items():
        if card != own and (folder / card).is_file() and not (folder / own).is_file():
            wanted, _ = CARDS[own]
            raise NoModel(
                f"The model in {folder} is one of {of}, for what is made from {makes}: name a model of {wanted}"
            )

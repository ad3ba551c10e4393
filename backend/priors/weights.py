"""Weights from files into networks: tensors alone, never pickled code, and each in its place or not at all.

A network is built on torch's meta device, which takes no memory and no time, and gets its weights here. What diffusers
and transformers do themselves with a file that lacks some of them is to leave these as chance has them, with a warning.
"""

import json
import pickle
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)
SHOWN = 3  # names in a message
# diffusers' names of what attends in an autoencoder, before its version 0.18 and since then.
FORMER = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}


class Damaged(ValueError):
    """A file that cannot be read as what it says it is; the message names it."""


class AnotherLayout(ValueError):
    """A file or a folder that holds something else than what is wanted; the message names both."""


def tensors(file: Path) -> dict[str, Tensor]:
    """All tensors in a file of safetensors or of torch.save, by their names; they are read when they are used.

    Raises:
        FileNotFoundError: there is no such file.
        Damaged: it cannot be read, or would run code.
        AnotherLayout: it holds no tensors with names.
    """
    if not file.is_file():
        raise FileNotFoundError(f"No weights lie at {file}")
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        found = torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    except pickle.UnpicklingError as reason:
        first = str(reason).splitlines()[0]
        raise Damaged(f"{file} is damaged, or holds something else than tensors; get it again ({first})") from reason
    except (SafetensorError, RuntimeError, ValueError, KeyError, EOFError, OSError) as reason:
        raise Damaged(f"{file} is damaged or not whole; get it again ({reason})") from reason
    found = found.get("state_dict", found) if isinstance(found, Mapping) else {}
    named = {name: one for name, one in found.items() if isinstance(one, Tensor)}
    if not named:
        raise AnotherLayout(f"{file} holds no tensors with names")
    return named


def settings(file: Path, layout: str) -> dict:
    """A file of JSON.

    Raises:
        AnotherLayout: it is not there, and so this is not the `layout`.
        Damaged: it is no JSON.
    """
    if not file.is_file():
        raise AnotherLayout(f"{file} is missing: {layout}")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as reason:
        raise Damaged(f"{file} is damaged; get it again ({reason})") from reason
    if not isinstance(found, dict):
        raise Damaged(f"{file} is damaged; get it again (it holds no settings)")
    return found


def file_in(folder: Path, dtype: torch.dtype, stems: Iterable[str] = ("diffusion_pytorch_model",)) -> Path:
    """Where the weights of one network in diffusers' layout lie: the smaller file, where half precision is enough.

    Raises:
        AnotherLayout: there are none.
    """
    kinds = [".fp16.safetensors", ".safetensors", ".fp16.bin", ".bin"]
    if dtype == torch.float32:
        kinds = [kinds[at] for at in (1, 0, 3, 2)]
    names = [stem + kind for kind in kinds for stem in stems]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise AnotherLayout(f"No weights lie in {folder}: {', '.join(sorted(names))} were looked for")


def of_today(named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """An autoencoder's weights under diffusers' names of today."""
    renamed = {}
    for name, one in named.items():
        for former, now in FORMER.items():
            name = name.replace(former, now) if ".attentions." in name else name
        renamed[name] = one
    return renamed


def filled(
    network: Network, named: Mapping[str, Tensor], source: Path | str, device: torch.device | str, dtype: torch.dtype
) -> Network:
    """A network that was built on the meta device, with weights from `source`; it is not to be trained.

    Raises:
        AnotherLayout: a weight is missing, has another shape, or has no place.
    """
    wanted = network.state_dict()
    wrong = {
        "is missing": [name for name in wanted if name not in named],
        "has another shape": [
            f"{name} {tuple(named[name].shape)} for {tuple(one.shape)}"
            for name, one in wanted.items()
            if name in named and named[name].shape != one.shape
        ],
        "has no place": [name for name in named if name not in wanted],
    }
    if any(wrong.values()):
        found = "; ".join(f"{_some(names)} {what}" for what, names in wrong.items() if names)
        raise AnotherLayout(f"{source} does not fit this {type(network).__name__} of {len(wanted)} tensors: {found}")
    network.load_state_dict({name: one.to(device, dtype) for name, one in named.items()}, assign=True)
    return network.eval().requires_grad_(False)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more

"""Dense flow from one frame to later ones: by OpenCV's DIS, or by RAFT where torchvision is installed.

RAFT is torchvision's raft_large, with the weights that it takes by default, and not raft_small: DIS is there for
whoever is in a hurry, the small one errs nearly half as much again (1.99 pixels on Sintel's clean pass and 1.38, where
neither has seen any of it, says torchvision), and for the large one alone are there weights that have seen real
pictures. torchvision is imported, and weights are looked for, where RAFT is asked for; nothing is ever downloaded.
"""

import hashlib
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import nn

DIS = "dis"
TORCHVISION = "torchvision==0.28.0"  # the one for the torch of requirements-learned.txt; another one does not load
BUILDS = "https://download.pytorch.org/whl"  # a folder each
WEIGHTS = "raft_large_C_T_SKHT_V2-ff5fadd5.pth"
URL = f"https://download.pytorch.org/models/{WEIGHTS}"
FETCH = (
    f"fetch {WEIGHTS} from {URL} (21 MB, published with torchvision, which is under the BSD-3-Clause licence; it "
    "learned from FlyingChairs, FlyingThings3D, Sintel, KITTI and HD1K, and whether their terms allow your use is for "
    "you to see)"
)
SUM = re.compile(r"-([0-9a-f]{8})\.pth$")  # how files of torchvision's tell the first digits of their SHA-256
BATCH = 8  # pairs of frames at once
GRAIN, SMALLEST = 8, 128  # pixels: what a side must be a multiple of for RAFT, and may not be below

Pictures = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Flow:
    """A way to find it: find(first (H, W, 3), later (T, H, W, 3)), both sRGB -> (T, H, W, 2) pixels, x to the right,
    then y down. What the first shows at p, later[t] shows at p + flow[t, p]."""

    name: str  # what was found by ways of two names is not mixed
    find: Callable[[Pictures, Pictures], NDArray[np.float32]]


class Lacking(ValueError):
    """RAFT is wanted, and what it needs is not there; the message says what to do."""


def dis() -> Flow:
    """Dense inverse search (Kroeger et al., arXiv:1603.03590), in grey; each search begins with what the one before
    found."""

    def find(first: Pictures, later: Pictures) -> NDArray[np.float32]:
        finder = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        finder.setUseSpatialPropagation(True)
        start, flow = _grey(first), np.zeros((*later.shape[:3], 2), np.float32)
        for t, frame in enumerate(later):
            flow[t] = finder.calc(start, _grey(frame), flow[max(t - 1, 0)].copy())
        return flow

    return Flow(DIS, find)


def _grey(picture: Pictures) -> Pictures:
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)


def raft(weights: Path | None = None, device: str = "cpu") -> Flow:
    """RAFT (Teed & Deng, arXiv:2003.12039), by torchvision's raft_large with weights from a file, by default from the
    one in torch.hub's folder. Each pair of frames is looked at by itself.

    It was run with random weights alone, for which nothing but the equality with torchvision's own call could be shown;
    how good its flow is in videos has not been seen.

    Raises:
        Lacking: torchvision or the weights.
    """
    import torch

    if find_spec("torchvision") is None:
        raise Lacking(f"--flow raft wants torchvision, which is not installed: {_install()}")
    try:
        from torchvision.models.optical_flow import Raft_Large_Weights, raft_large
    except (ImportError, RuntimeError) as error:  # RuntimeError where it was built for another torch
        raise Lacking(
            f"torchvision cannot be loaded beside torch {torch.__version__} ({_line(error)}); install the one that was "
            f"built for it: {_install()}"
        ) from None
    path = weights_file(weights)
    network = raft_large()
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (RuntimeError, TypeError, ValueError, AttributeError, EOFError, UnpicklingError):
        raise Lacking(f"{path} holds no weights of torchvision's raft_large: {FETCH}") from None
    network.to(device).eval()
    return Flow(f"raft_large-{_sum(path)}", by_network(network, Raft_Large_Weights.DEFAULT.transforms(), device))


def by_network(network: "nn.Module", ready: Callable, device: str) -> Callable[[Pictures, Pictures], NDArray]:
    """`Flow.find` by a network of torchvision's kind: of pictures (B, 3, H, W) and (B, 3, H, W), as `ready` makes them
    from bytes, it makes flows (B, 2, H, W), better and better ones; H and W are multiples of 8 and not below 128.
    Other sizes are padded with the pixels of their borders, and cut back."""
    import torch
    from torch.nn import functional

    def find(first: Pictures, later: Pictures) -> NDArray[np.float32]:
        height, width = first.shape[:2]
        (left, right), (top, bottom) = _margins(width), _margins(height)
        start = torch.from_numpy(first).to(device).permute(2, 0, 1)
        flow = np.empty((len(later), height, width, 2), np.float32)
        for some in range(0, len(later), BATCH):
            seen = torch.from_numpy(later[some : some + BATCH]).to(device).permute(0, 3, 1, 2)
            pair = ready(start.expand_as(seen), seen)
            padded = (functional.pad(each, (left, right, top, bottom), mode="replicate") for each in pair)
            with torch.inference_mode():
                found = network(*padded)[-1][:, :, top : top + height, left : left + width]
            flow[some : some + BATCH] = found.permute(0, 2, 3, 1).cpu().numpy()
        return flow

    return find


def weights_file(named: Path | None) -> Path:
    """The one named, or the one that torchvision would keep in torch.hub's folder.

    Raises:
        Lacking: it is not there, or damaged.
    """
    import torch

    path = named or Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS
    if not path.is_file():
        raise Lacking(
            f"--flow raft wants weights, and {path} is no file: {FETCH}, and put it there or name it with "
            "--raft-weights FILE"
        )
    if (told := SUM.search(path.name)) and told[1] != _sum(path):
        raise Lacking(f"{path} is damaged, its SHA-256 is not the one in its name: {FETCH}")
    return path


def _sum(path: Path) -> str:
    """The first digits of its SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:8]


def _margins(size: int) -> tuple[int, int]:
    """Pixels to add before and after so many."""
    more = max(SMALLEST, -(-size // GRAIN) * GRAIN) - size
    return more // 2, more - more // 2


def _install() -> str:
    """The command for the build of this torch. What is installed is written over: it may be of another build."""
    import torch

    build = torch.__version__.partition("+")[2]
    source = f" --index-url {BUILDS}/{build}" if build else ""
    return f'"{sys.executable}" -m pip install --force-reinstall --no-deps {TORCHVISION}{source}'


def _line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]

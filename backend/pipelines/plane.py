"""A picture as an upright plane that sways: what a trained model expects of it, on the vertices of a grid.

After "Generative Image Dynamics" (arXiv:2309.07906), whose renderer carries the pixels along; here the mesh carries its
texture. Of each bin k > 0 the real and the imaginary part of S_k are two modes, and

    x(t) = x0 + Re sum_k S_k exp(2 pi i k base t),    S_k = R_k + i I_k,    S_0 = -sum_k R_k:

at t = 0 the plane is the picture as it was brought. So the lean wants no mode of its own.

The outline stays straight and where it is. A vertex on it may go along it and not across, and over a margin what goes
across grows to its full size. What goes the same way all over the margin, by up to a tenth of the side, does not fold
the grid there, and does not when a client turns it up three times either. Beyond a tenth margins meet in the middle and
cannot grow: a third of the side folds the grid, a ninth of it where it is turned up three times.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from backend import protocol, spectral
from backend.clip import Mesh
from backend.pipelines.expected import held_together, model_of, sways, to_keys, too_far
from backend.pipelines.still import Pixels, opaque
from backend.pipelines.trained import NoModel
from backend.report import Report, part

if TYPE_CHECKING:
    from backend.priors.dynamics import Dynamics

MARGIN = 0.02  # of a side, at least
EASE = 5.0  # margins to how far what is next to the outline would go: more than 1.5, the easing's slope, times 3
PREDICTED = 0.9  # of the work, when the motion is there

Reals = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Plane:
    """A grid and its motion in M modes."""

    mesh: Mesh
    frequencies: Reals  # (M,) Hz
    shapes: NDArray[np.float32]  # (M, V, 3) metres
    amplitudes: NDArray[np.complex128]  # (K, M)
    base: float  # Hz
    pixels: int  # that the networks saw
    said: tuple[str, ...]  # of the picture: what was done to it, and how far it goes
    advised: float  # share of this motion at which the picture holds together
    model: "Dynamics"

    @property
    def volume(self) -> spectral.SpectralVolume:
        return spectral.lifted(self.amplitudes, self.shapes, self.base)


def plane(pixels: Pixels, request: protocol.Plane, report: Report) -> Plane:
    """What a picture (H, W, 3 or 4) becomes.

    Raises:
        NoModel, NotInstalled: there is none that could be used.
        UnusablePicture: as still.opaque.
        UnusableSetting, NotFinite, Still: as expected.to_keys and sways.
    """
    colours, said = opaque(pixels)
    report(0.0, "Loading the model")
    model = model_of(request.model)
    if 2 * (model.sizes.bins - 1) > protocol.MODES:
        raise NoModel(
            f"The model has {model.sizes.bins} frequencies, and {protocol.MODES // 2 + 1} can be played on a plane: "
            "train one with fewer"
        )
    how = to_keys(model, request)
    volume = sways(model, colours, request.seed, how, part(report, 0.0, PREDICTED))
    said = (*said, *too_far(volume, request.amplitude))
    report(PREDICTED, "Laying the motion on the plane")
    height, width, _ = colours.shape
    share = shares(width, height, request.detail)
    metres = request.size * np.array([width, height]) / max(width, height)
    swings = on_grid(spectral.magnified(volume, request.amplitude), share, metres)
    shapes = np.stack([swings.real, swings.imag], axis=1).reshape(-1, *swings.shape[1:]).astype(np.float32)
    bins, modes = len(volume.coefficients), len(shapes)
    amplitudes = np.zeros((bins, modes), np.complex128)
    amplitudes[0, ::2] = -1.0
    amplitudes[np.arange(1, bins), np.arange(0, modes, 2)] = 1.0
    amplitudes[np.arange(1, bins), np.arange(1, modes, 2)] = 1j
    frequencies = np.repeat(volume.frequencies[1:], 2)
    seen = int(np.prod(volume.coefficients.shape[1:3]))
    advised = held_together(volume, request.amplitude)
    return Plane(upright(share, metres), frequencies, shapes, amplitudes, volume.base, seen, said, advised, model)


def shares(width: int, height: int, detail: int) -> Reals:
    """(V, 2) across and up, both from 0 to 1, row after row from below, with `detail` of them along the longer side."""
    columns, rows = (max(2, round((detail - 1) * side / max(width, height)) + 1) for side in (width, height))
    return np.stack(np.meshgrid(np.linspace(0, 1, columns), np.linspace(0, 1, rows)), axis=2).reshape(-1, 2)


def upright(share: Reals, metres: Reals) -> Mesh:
    """A grid with sides of `metres` (2,), which faces -Y and stands on z = 0, centred about x = 0; uv is `share`."""
    across, up = ((share - [0.5, 0.0]) * metres).T
    columns = int(np.argmax(share[:, 1] > 0))
    first = np.arange(len(share) - columns).reshape(-1, columns)[:, :-1].ravel()
    quads = np.stack([first, first + 1, first + 1 + columns, first + columns], axis=1).astype(np.int32)
    vertices = np.stack([across, np.zeros_like(across), up], axis=1).astype(np.float32)
    return Mesh.from_quads(vertices, quads, uv=share[quads.ravel()].astype(np.float32))


def on_grid(volume: spectral.SpectralVolume, share: Reals, metres: Reals) -> NDArray[np.complex128]:
    """(K - 1, V, 3) metres: the swings of a picture's volume (K, h, w, 2) on a grid, across along X and down along -Z.

    The outermost pixels end at the grid's outline; between the centres of pixels it is bilinear.
    """
    swings = volume.coefficients[1:].astype(np.complex128)
    size = np.array(swings.shape[2:0:-1])  # w and h
    x, y = (np.stack([share[:, 0], 1.0 - share[:, 1]], axis=1) * size - 0.5).T
    found = np.zeros((len(swings), len(share), 3), np.complex128)
    for axis, way, sign, outermost in ((0, 0, 1.0, swings[:, :, [0, -1], 0]), (1, 2, -1.0, swings[:, [0, -1], :, 1])):
        eased = _eased(share[:, axis], _farthest(outermost) / size[axis]) * sign * metres[axis] / size[axis]
        for moved, swing in zip(found[:, :, way], swings[..., axis], strict=True):
            moved[:] = map_coordinates(swing, [y, x], order=1, mode="nearest") * eased
    return found


def _farthest(swings: NDArray[np.complex128]) -> float:
    """How far from where it is at t = 0 anything of (K - 1, H, W) goes along one axis."""
    started = np.concatenate([-swings.real.sum(axis=0, keepdims=True), swings])
    return spectral.farthest(spectral.SpectralVolume(started[..., None]))


def _eased(share: Reals, across: float) -> Reals:
    """(V,) 0 at either end of [0, 1], 1 from a margin on, smooth, where `across` would be gone at the ends."""
    margin = min(0.5, max(MARGIN, EASE * across))
    way = np.clip(np.minimum(share, 1.0 - share) / margin, 0.0, 1.0)
    return way * way * (3.0 - 2.0 * way)

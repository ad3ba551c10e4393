"""Pictures of a field too large to be kept with all that slopes need: in bands of rows, each of them rendered twice.

"Deferred back-propagation" of Zhang et al., "ARF: Artistic Radiance Fields", ECCV 2022: once without slopes; and when
those of the whole pictures are known, once more, band after band, adding up what each has to say of the field.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from backend.fields import Field
from backend.render.cameras import Cameras
from backend.render.volume import Light, Picture, render

AT_ONCE = 2**22  # samples of rays


class Band(NamedTuple):
    """Rows of one of several pictures."""

    view: int
    top: int
    bottom: int  # not in it

    def of(self, pictures: Tensor) -> Tensor:
        """(1, rows, ...) of (B, height, ...)."""
        return pictures[self.view : self.view + 1, self.top : self.bottom]

    def cameras(self, cameras: Cameras, height: int) -> Cameras:
        """The one that sees nothing else: clip space is moved and stretched along y."""
        view, projection = (each[self.view : self.view + 1] for each in cameras)
        middle, share = 1 - (self.top + self.bottom) / height, (self.bottom - self.top) / height
        projection = projection.clone()
        projection[:, 1] = (projection[:, 1] - middle * projection[:, 3]) / share
        return Cameras(view, projection)


def in_bands(
    field: Field,
    cameras: Cameras,
    height: int,
    width: int,
    samples: int,
    background: Tensor | float,
    generator: torch.Generator,
    light: Light | None = None,
    normals: bool = False,
) -> tuple[Picture, Callable[[], None]]:
    """As `render`, and with the same draws. Slopes of what comes back end there, until what comes with it is called.

    background is one number, (3,), or (B, height, width, 3).
    """
    rows = max(1, AT_ONCE // (width * samples))
    tops = range(0, height, rows)
    bands = [Band(view, top, min(top + rows, height)) for view in range(len(cameras.view)) for top in tops]
    behind = background.detach().requires_grad_() if isinstance(background, Tensor) else background
    again = torch.Generator().set_state(generator.get_state())

    def each(generator: torch.Generator) -> Iterator[tuple[Band, Picture]]:
        for band in bands:
            one = slice(band.view, band.view + 1)
            lamp = light and Light(light.place[one], light.diffuse[one], light.plain)
            on = band.of(behind) if isinstance(behind, Tensor) and behind.ndim == 4 else behind
            part = band.cameras(cameras, height)
            yield band, render(field, part, band.bottom - band.top, width, samples, on, generator, lamp, normals)

    with torch.no_grad():
        parts = [part for _, part in each(generator)]
    whole = Picture(*(_joined(own, height, width) for own in zip(*parts, strict=True)))

    def back() -> None:
        for band, part in each(again):
            told = [
                (own, band.of(joined.grad))
                for own, joined in zip(part, whole, strict=True)
                if joined is not None and joined.grad is not None and own.requires_grad
            ]
            torch.autograd.backward(*zip(*told, strict=True))
        if isinstance(background, Tensor) and background.requires_grad:
            background.backward(behind.grad)

    return whole, back


def _joined(parts: tuple[Tensor | None, ...], height: int, width: int) -> Tensor | None:
    """(B, height, width, ...) of bands in their order."""
    if parts[0] is None:
        return None
    return torch.cat([part.flatten(0, 2) for part in parts]).unflatten(0, (-1, height, width)).requires_grad_()

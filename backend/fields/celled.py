"""What fields share that leave empty space out, cell by cell."""

import torch
from torch import Tensor, nn

from kernels.march import occupied

FAINT = 0.01  # a ray the length of the cube's side through what is left out is hidden by less than this share


class Celled(nn.Module):
    """A field of equal cells, some of which may be left out: they are empty, whoever asks, and have no gradient."""

    def __init__(self, count: int):
        """count: cells along a side."""
        super().__init__()
        self.register_buffer("cells", torch.ones((count,) * 3, dtype=torch.bool))  # x, y, z; whether anything is there
        self._whole = True  # no cell is left out, and nobody has to look

    def load_state_dict(self, *arguments, **named):
        done = super().load_state_dict(*arguments, **named)
        self._whole = bool(self.cells.all())
        return done

    def _keep(self, cells: Tensor) -> None:
        """Leave out what is not among cells (X, Y, Z) bool."""
        self.cells = cells
        self._whole = bool(cells.all())

    def _left(self, density: Tensor, places: Tensor) -> Tensor:
        """The density (N,) at places (N, 3), in [-1, 1] within the cube, where it is not left out; 0 elsewhere."""
        return density if self._whole else density.masked_fill(~occupied(places, self.cells), 0)

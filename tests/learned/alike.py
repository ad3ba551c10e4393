"""Whether two trainings came to the same weights."""

import torch

NEAR = 1e-6  # mean of the differences. One step more or less, or of other data, makes it a hundred times as much


def assert_alike(own: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    """Weights, by their names, but for rounding.

    What a library adds up in another order, because a tensor lies elsewhere in memory, Adam makes as much as a whole
    step of a weight whose slope is next to nothing: so it is not asked of each weight.
    """
    assert own.keys() == other.keys()
    apart = torch.cat([(own[name].double() - other[name].double()).abs().flatten() for name in own])
    assert apart.mean() < NEAR, f"{apart.mean():.1e} apart on average, {apart.max():.1e} at most"

"""What is varied of samples: motion goes with the picture, and hangs on no colour."""

import numpy as np
import torch

from backend.priors.dynamics import Dynamics, normal
from backend.training.dynamics import stock
from backend.training.dynamics.samples import Batch
from backend.training.dynamics.variations import GAIN, KEPT, ORDERS, mirrored, recoloured
from tests.learned.test_dynamics_training import TINY, data, folder  # noqa: F401  (fixtures)


def some(count=4) -> Batch:
    chance = torch.Generator().manual_seed(1)

    def numbers(*shape):
        return torch.randn(count, *shape, generator=chance)

    pictures = [numbers(3, 5, 6).tanh(), numbers(2, 3, 5, 6).tanh()]
    return Batch(pictures[0], numbers(3, 4, 5, 6), numbers(1, 5, 6), numbers(2), pictures[1], numbers(2, 2, 5, 6))


def test_in_a_mirror_all_goes_the_other_way_at_the_mirrored_place():
    batch, which = some(), np.array([True, False, True, False])
    found = mirrored(batch, which)
    for one, other in zip(found, batch, strict=True):
        assert torch.equal(one[~torch.from_numpy(which)], other[~torch.from_numpy(which)])
    turns = torch.linspace(0, 1, 7)
    way, other = (normal.displacements(each.slices, turns)[0] for each in (found, batch))
    torch.testing.assert_close(way[:, 0, :, 1], -other[:, 0, :, 4])  # to the left, what went to the right
    torch.testing.assert_close(way[:, 1, :, 1], other[:, 1, :, 4])
    torch.testing.assert_close(found.flows[2, :, 0, 3, 0], -batch.flows[2, :, 0, 3, 5])
    torch.testing.assert_close(found.flows[2, :, 1, 3, 0], batch.flows[2, :, 1, 3, 5])
    for name in ("picture", "mask", "later"):
        assert torch.equal(getattr(found, name)[0], getattr(batch, name)[0].flip(-1))
    assert all(torch.equal(*pair) for pair in zip(mirrored(found, which), batch, strict=True))


def test_colours_change_alike_in_a_sample_and_shapes_stay():
    count = 1500
    picture = (torch.rand(count, 3, 1, 2, generator=torch.Generator().manual_seed(2)) * 0.5) - 0.9
    later = picture[:, None].expand(-1, 2, -1, -1, -1)
    one, other = recoloured(np.random.default_rng(3), picture, later)
    torch.testing.assert_close(other, one[:, None].expand_as(other))
    orders, gains = [], []
    for before, after in zip(picture + 1, one + 1, strict=True):
        fits = [(after / before[list(order)])[:, 0] for order in ORDERS]
        both = [(after / before[list(order)])[..., 1] for order in ORDERS]
        (number,) = [k for k, (a, b) in enumerate(zip(fits, both, strict=True)) if torch.allclose(a, b, atol=1e-4)]
        orders.append(number)
        gains.append(fits[number][:, 0])
    kept = np.mean(np.array(orders) == 0)
    assert abs(kept - (KEPT + (1 - KEPT) / 6)) < 0.04 and set(orders) == set(range(6))
    assert abs(torch.stack(gains).log().std().item() - GAIN) < 0.03
    assert recoloured(np.random.default_rng(3), torch.ones(1, 3, 2, 2))[0].max() <= 1


def test_the_stock_holds_what_is_mirrored_behind_the_rest(data, tmp_path):  # noqa: F811
    model = Dynamics.fresh(TINY, torch.ones(3))
    kept = stock.Latents.kept(tmp_path, model, data.train, "cpu", both=True)
    count = len(data.train)
    assert len(kept.latents) == len(kept.pictures) == 2 * count
    for row, side in ((1, False), (1, True), (count - 1, True)):
        batch = mirrored(data.train.batch([row]), np.array([side]))
        place = row + side * count
        torch.testing.assert_close(
            torch.from_numpy(kept.latents[[place]]).float(), model.encoded(batch.slices).detach(), atol=2e-2, rtol=2e-2
        )
        torch.testing.assert_close(torch.from_numpy(kept.pictures[[place]]).float(), batch.picture, atol=1e-3, rtol=0)
    plain = stock.Latents.kept(tmp_path, model, data.train, "cpu")  # made anew: it is of another length
    assert len(plain.latents) == count

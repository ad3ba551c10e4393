"""Frames of a picture in motion, on drawn plants whose motion is known at every pixel."""

import math
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from backend.priors.dynamics import features, renderer
from kernels.softmax_splat import softmax_splat

WIDTHS = (8, 12, 16)


class Pairs(NamedTuple):
    """N pictures, and a later frame of each."""

    picture: Tensor  # (N, 3, H, W) in [-1, 1]
    motion: Tensor  # (N, 2, H, W) pixels
    front: Tensor  # (N, 1, H, W) pixels
    frame: Tensor  # (N, 3, H, W)


def plants(count: int, size: int, seed: int, sway: float = 4.0) -> Pairs:
    """Two mottled leaves on stalks before a mottled wall, that bend to the side about their roots below.

    A leaf's point (x, y) lies at (x + b(t) g(y), y): so the point under each pixel is known, and its way.
    """
    generator = torch.Generator().manual_seed(seed)

    def drawn(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, 1, 1, generator=generator)

    def mottled(tiles: int) -> Tensor:
        tint = 0.6 * torch.randn(count, 3, 1, 1, generator=generator)
        return (tint + 0.5 * torch.randn(count, 3, tiles, tiles, generator=generator)).clamp(-1, 1)

    fine = 2 * size
    y, x = torch.meshgrid(*[(torch.arange(fine) + 0.5) / 2] * 2, indexing="ij")
    wall, turns = mottled(6), torch.linspace(0, 2 * math.pi, 33)[:-1]
    now = _seen(wall, x.expand(count, -1, -1), y.expand(count, -1, -1), size)
    then, motion, front = now.clone(), torch.zeros(count, fine, fine), torch.zeros(count, fine, fine)
    for _ in range(2):
        middle, height, root = drawn(0.2, 0.8) * size, drawn(0.25, 0.6) * size, drawn(0.8, 1.1) * size
        radius, stalk, leaf = drawn(0.08, 0.2) * size, drawn(0.01, 0.04) * size, mottled(8)
        bend = ((root - y) / height).clamp(min=0) ** 2
        amplitude, phase = drawn(0.2, 1) * sway * (1 - 2 * (drawn(0, 1) > 0.5)), drawn(0, 2 * math.pi)
        later = phase + drawn(0.2, 2 * math.pi)
        ways = amplitude * (torch.sin(phase + turns) - phase.sin())
        for picture, angle in ((now, phase), (then, later)):
            across = x - amplitude * angle.sin() * bend
            on_leaf = ((across - middle) / radius) ** 2 + ((y - root + height) / (1.4 * radius)) ** 2 < 1
            on_stalk = ((across - middle).abs() < stalk) & (y > root - height)
            shown = on_leaf | on_stalk
            picture[:] = torch.where(shown[:, None], _seen(leaf, across, y.expand_as(across), size), picture)
            if picture is now:
                motion = torch.where(shown, amplitude * (later.sin() - phase.sin()) * bend, motion)
                front = torch.where(shown, ways.abs().mean(dim=-1, keepdim=True) * bend, front)
    motion, front = motion[:, None, ::2, ::2], front[:, None, ::2, ::2]
    return Pairs(
        F.avg_pool2d(now, 2), torch.cat([motion, torch.zeros_like(motion)], dim=1), front, F.avg_pool2d(then, 2)
    )


def _seen(texture: Tensor, x: Tensor, y: Tensor, size: int) -> Tensor:
    places = torch.stack([x, y], dim=-1) / size * 2 - 1
    return F.grid_sample(texture, places, mode="bicubic", padding_mode="reflection", align_corners=False).clamp(-1, 1)


def awake(widths=WIDTHS, single_scale=False, seed=0) -> renderer.Renderer:
    """A renderer none of whose layers is 0, as if it had been trained."""
    torch.manual_seed(seed)
    network = renderer.fresh(widths, single_scale)
    with torch.no_grad():
        for weight in network.parameters():
            if weight.dim() == 4 and not weight.any():
                weight.normal_(std=0.05)
    return network.requires_grad_(False)


def noisy(*shape: int, seed=0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def pushed(u: float, v: float, *shape: int) -> Tensor:
    return torch.tensor([u, v]).view(1, 2, 1, 1).expand(shape[0], 2, *shape[1:])


def decibels(frame: Tensor, truth: Tensor, where: Tensor) -> float:
    return -10 * math.log10(((frame - truth) / 2).square().mean(dim=1, keepdim=True)[where].mean())


BOTH = pytest.mark.parametrize("single_scale", [False, True])


@BOTH
def test_at_rest_the_picture_comes_back_to_the_bit(single_scale):
    given = plants(2, 32, seed=3)
    frame = awake(single_scale=single_scale)(given.picture, torch.zeros_like(given.motion), given.front)
    assert torch.equal(frame, given.picture)


@BOTH
def test_what_moves_in_one_corner_changes_nothing_far_from_it(single_scale):
    picture, motion, front = noisy(1, 3, 32, 32), torch.zeros(1, 2, 32, 32), torch.zeros(1, 1, 32, 32)
    motion[:, 0, 2:8, 2:8], front[:, :, 2:8, 2:8] = 2.5, 1.0
    frame = awake(single_scale=single_scale)(picture, motion, front)
    changed = (frame != picture).any(dim=1)[0]
    assert changed[2:8, 2:8].all()
    assert changed[:10, :13].sum() == changed.sum()  # REACH is 2, and the motion ends at the columns 9 and 10


@BOTH
def test_pushed_by_whole_cells_of_every_scale_the_frame_is_only_pushed(single_scale):
    picture, front, network = noisy(1, 3, 80, 80), torch.ones(1, 1, 80, 80), awake(single_scale=single_scale)
    once, twice = (network(picture, pushed(*way, 1, 80, 80), front) for way in ((4.0, -8.0), (8.0, -4.0)))
    inner = once[..., 36:44, 36:44]  # where no border is felt
    assert torch.allclose(twice[..., 40:48, 40:48], inner, atol=1e-5)
    assert (inner - picture[..., 44:52, 32:40]).abs().max() > 1e-3  # the network does something to it


def test_untrained_a_push_by_whole_pixels_moves_the_picture_and_no_more():
    torch.manual_seed(0)
    picture = noisy(2, 3, 16, 24)
    frame = renderer.fresh(WIDTHS)(picture, pushed(3.0, -2.0, 2, 16, 24), torch.ones(2, 1, 16, 24))
    assert torch.allclose(frame[..., :14, 3:], picture[..., 2:, :-3], atol=1e-6)


def test_what_moves_far_comes_before_what_stands():
    """A red pixel lands on a blue one that stands still; and where it was, the blue about it is seen."""
    torch.manual_seed(0)
    blue, red = torch.tensor([-1.0, -1.0, 1.0]), torch.tensor([1.0, -1.0, -1.0])
    picture = blue.view(1, 3, 1, 1).repeat(1, 1, 16, 16)
    motion, front = torch.zeros(1, 2, 16, 16), torch.zeros(1, 1, 16, 16)
    picture[0, :, 5, 6], motion[0, 0, 5, 6], front[0, 0, 5, 6] = red, 4.0, 3.0
    frame = renderer.fresh(WIDTHS)(picture, motion, front)
    assert torch.allclose(frame[0, :, 5, 10], red, atol=1e-4)
    assert torch.allclose(frame[0, :, 5, 6], blue, atol=1e-4)


def test_a_hole_is_filled_from_behind_and_not_with_what_left_it():
    """A red block moves away over a green wall: what it uncovers is green, though red pixels are as near."""
    torch.manual_seed(0)
    picture = torch.tensor([-0.5, 0.5, -0.5]).view(1, 3, 1, 1).repeat(1, 1, 32, 32)
    motion, front = torch.zeros(1, 2, 32, 32), torch.zeros(1, 1, 32, 32)
    block = (slice(None), slice(None), slice(8, 24), slice(8, 20))
    picture[block] = torch.tensor([1.0, -1.0, -1.0]).view(1, 3, 1, 1)
    motion[:, 0, 8:24, 8:20], front[block] = 5.0, 3.0
    network = renderer.fresh(WIDTHS)
    assert not softmax_splat(picture, motion, front).covered[..., 8:24, 8:13].any()
    uncovered = network(picture, motion, front)[..., 8:24, 8:13]
    assert torch.allclose(uncovered, torch.tensor([-0.5, 0.5, -0.5]).view(1, 3, 1, 1).expand_as(uncovered), atol=0.02)


@pytest.mark.parametrize("stretch", [2, 3, 4])
def test_what_is_stretched_in_a_finer_picture_has_no_cracks_and_wide_holes_are_still_filled_from_behind(stretch):
    """A red block grows to one side from an edge that stays, over a green wall, and a second one moves away."""
    picture = torch.tensor([-0.5, 0.5, -0.5]).view(1, 3, 1, 1).repeat(1, 1, 64, 96)
    motion, front = torch.zeros(1, 2, 64, 96), torch.zeros(1, 1, 64, 96)
    red = torch.tensor([0.8, -0.8, -0.8]).view(3, 1, 1)
    picture[0, :, 8:24, 8:24] = picture[0, :, 40:56, 20:50] = red
    motion[0, 0, 8:24, 8:24] = (stretch - 1) * torch.arange(16.0)
    motion[0, 0, 40:56, 20:50] = 24.0
    front[0, 0, 8:24, 8:24] = front[0, 0, 40:56, 20:50] = 5.0
    network = renderer.fresh(WIDTHS)
    given = picture, network.features(picture), motion, front
    grown = network.frames(*given, finer=8.0)
    inner = grown[0, :, 10:22, 9 : 8 + 15 * stretch]
    torch.testing.assert_close(inner, red.expand_as(inner), atol=0.02, rtol=0)
    assert (network.frames(*given)[0, 1, 10:22, 9 : 8 + 15 * stretch] > 0).any()
    uncovered = grown[0, :, 44:52, 26:40]
    wall = torch.tensor([-0.5, 0.5, -0.5]).view(3, 1, 1)
    torch.testing.assert_close(uncovered, wall.expand_as(uncovered), atol=0.1, rtol=0)


@pytest.mark.parametrize("far", [12.0, 99.0])
def test_what_leaves_the_picture_leaves_colours_that_are_seen(far):
    frame = renderer.fresh(WIDTHS)(noisy(1, 3, 16, 16), pushed(far, 0.0, 1, 16, 16), torch.ones(1, 1, 16, 16))
    assert frame.isfinite().all() and frame.abs().max() <= 1


@BOTH
def test_gradients_reach_all_that_learns_and_the_motion(single_scale):
    given = plants(2, 16, seed=5)
    network = awake(single_scale=single_scale).requires_grad_(True)
    motion, picture = given.motion.clone().requires_grad_(True), given.picture.clone().requires_grad_(True)
    torch.manual_seed(0)
    perception = features.fresh((4, 6)).requires_grad_(False)
    renderer.losses(network(picture, motion, given.front), given.frame, perception).total.backward()
    for name, one in (*network.named_parameters(), ("motion", motion), ("picture", picture)):
        assert one.grad is not None and one.grad.isfinite().all() and one.grad.any(), name


def test_the_sides_must_be_multiples_of_the_coarsest_cell():
    with pytest.raises(ValueError, match="multiples of 4, not 16 x 18"):
        awake()(noisy(1, 3, 16, 18), torch.zeros(1, 2, 16, 18), torch.zeros(1, 1, 16, 18))


def test_prominence_is_the_mean_way_over_time():
    motions = torch.zeros(1, 2, 2, 1, 2)
    motions[0, :, :, 0, 0] = torch.tensor([[3.0, -4.0], [0.0, 1.0]])
    assert renderer.prominence(motions).tolist() == [[[[3.0, 0.0]]]]


@BOTH
def test_a_video_is_its_frames_one_by_one(single_scale):
    network, given = awake(single_scale=single_scale), plants(1, 16, seed=7)
    motions = given.motion * torch.linspace(0, 1, renderer.AT_ONCE + 3).view(-1, 1, 1, 1)
    frames = network.video(given.picture[0], motions)
    front = renderer.prominence(motions[None])
    alone = torch.cat([network(given.picture, one[None], front) for one in motions]).clamp(-1, 1)
    assert torch.equal(frames[0], given.picture[0])
    assert torch.allclose(frames, alone, atol=1e-5) and not torch.allclose(frames[-1], frames[0], atol=1e-2)


@BOTH
def test_a_renderer_comes_back_from_its_folder(single_scale, tmp_path):
    network, given = awake(single_scale=single_scale), plants(1, 16, seed=8)
    network.save_pretrained(tmp_path)
    again = renderer.Renderer.from_pretrained(tmp_path, low_cpu_mem_usage=False)
    assert torch.equal(again(*given[:3]), network(*given[:3]))


def test_it_learns_what_the_splatted_picture_lacks():
    torch.manual_seed(0)
    given, network, perception = plants(6, 16, seed=10), renderer.fresh(WIDTHS), features.fresh((6, 8))
    perception.requires_grad_(False)
    holes = ~softmax_splat(given.picture, given.motion, given.front).covered

    def quality() -> tuple[float, float]:
        with torch.no_grad():
            frame = network(*given[:3])
        return decibels(frame, given.frame, torch.ones_like(holes)), decibels(frame, given.frame, holes)

    before = quality()
    learn(network, 60, lambda: renderer.losses(network(*given[:3]), given.frame, perception).total)
    after = quality()
    assert after[0] > before[0] + 1 and after[1] > before[1] + 1


def learn(network: torch.nn.Module, steps: int, loss) -> None:
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(steps):
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()


# --- how alike two pictures look ---


@pytest.fixture(scope="module")
def perception() -> features.Perception:
    torch.manual_seed(0)
    network, pictures = features.fresh((8, 12, 16)), plants(16, 24, seed=20).picture
    generator = torch.Generator().manual_seed(0)
    learn(network, 100, lambda: features.restoration_loss(network, pictures, generator))
    return network.requires_grad_(False)


def test_what_was_spoilt_is_given_back_by_every_scale(perception):
    pictures = plants(16, 24, seed=21).picture
    spoilt, wanted = features.spoilt(pictures, torch.Generator().manual_seed(1)), features.even(pictures)
    for one in perception.restored(spoilt):
        assert one.shape == pictures.shape
        assert (one - wanted).abs().mean() < 0.85 * wanted.abs().mean()  # 1 is that of seeing nothing


def test_pictures_are_spoilt_as_the_generator_will_have_it():
    pictures = noisy(64, 3, 16, 16)
    once, again, other = (features.spoilt(pictures, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(once, again) and not torch.equal(once, other)
    blank = (once == 0).all(dim=1).flatten(1).sum(dim=1)
    assert set(blank.tolist()) == {0, 16} and 16 < (blank == 16).sum() < 48  # squares of 4 x 4


def test_the_same_looks_the_same_and_either_way_round_is_as_far(perception):
    one, other = plants(4, 32, seed=22).picture, plants(4, 32, seed=23).picture
    assert features.distance(perception, one, one) == 0
    assert torch.isclose(features.distance(perception, one, other), features.distance(perception, other, one))


def test_a_blur_is_farther_than_a_tint_of_the_same_squared_error(perception):
    picture = plants(16, 24, seed=24).picture
    blurred = F.avg_pool2d(F.pad(picture, (2, 2, 2, 2), mode="reflect"), 5, stride=1)
    tinted = picture + (blurred - picture).square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
    assert features.distance(perception, blurred, picture) > 1.5 * features.distance(perception, tinted, picture)

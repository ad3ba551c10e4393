"""Flow in videos by DIS and by RAFT: what it is of, in which direction, and what is said where RAFT cannot be had.

No weights that have learned are at hand: what torchvision's network finds is tested with weights by chance, for which
nothing but the equality of calls says anything.
"""

import hashlib
import re
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from backend.commands.train import main
from backend.training.dynamics import flow as ways
from backend.training.dynamics.flow import Lacking, by_network, dis, raft, weights_file

ROOT = Path(__file__).resolve().parents[2]


def picture(seed, height=128, width=136):
    noise = np.random.default_rng(seed).uniform(0, 255, (height, width, 3)).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 2.5)
    return np.clip((soft - soft.mean()) * 5 + 128, 0, 255).astype(np.uint8)


def test_dis_finds_where_what_the_first_shows_has_gone():
    first, shifts = picture(0), [(2, -1), (5, -3), (3, 4)]
    later = np.stack([np.roll(first, (y, x), axis=(0, 1)) for x, y in shifts])
    flow = dis().find(first, later)
    assert flow.shape == (3, 128, 136, 2) and flow.dtype == np.float32
    np.testing.assert_allclose(np.median(flow[:, 20:-20, 20:-20], axis=(1, 2)), shifts, atol=0.1)


# --- a network of torchvision's kind ---


class Shown(torch.nn.Module):
    """What is red in the first picture as x, what is green in the second one as y."""

    def __init__(self):
        super().__init__()
        self.given = []

    def forward(self, first, second):
        assert first.shape == second.shape and all(size % 8 == 0 and size >= 128 for size in first.shape[2:])
        self.given.append(first.shape)
        return [torch.zeros_like(first[:, :2]), torch.stack([first[:, 0], second[:, 1]], dim=1)]


def as_they_are(first, second):
    return first.float(), second.float()


@pytest.mark.parametrize(
    ("size", "padded"),
    [((128, 136), (128, 136)), ((131, 147), (136, 152)), ((60, 200), (128, 200)), ((129, 127), (136, 128))],
)
def test_flow_is_of_pixels_where_they_were_before_padding(size, padded):
    first = picture(0, *size)
    later = np.stack([picture(seed, *size) for seed in range(1, 12)])
    network = Shown()
    flow = by_network(network, as_they_are, "cpu")(first, later)
    np.testing.assert_array_equal(flow[..., 0], np.broadcast_to(first[..., 0], flow.shape[:3]))
    np.testing.assert_array_equal(flow[..., 1], later[..., 1])
    assert network.given == [(8, 3, *padded), (3, 3, *padded)]


# --- torchvision's own ---


@pytest.fixture(scope="module")
def optical_flow():
    """torchvision's, where it is installed and can be loaded."""
    try:
        from torchvision.models import optical_flow
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"torchvision cannot be loaded: {error}")
    return optical_flow


@pytest.fixture(scope="module")
def by_chance(optical_flow, tmp_path_factory):
    """A network that has learned nothing, and a file of its weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = optical_flow.raft_large().eval()
    path = tmp_path_factory.mktemp("weights") / "by_chance.pth"
    torch.save(network.state_dict(), path)
    return network, path


def theirs(optical_flow, network, first, later):
    """Of each pair by itself, as torchvision's documentation calls it."""
    ready = optical_flow.Raft_Large_Weights.DEFAULT.transforms()
    flows = []
    with torch.no_grad():
        for second in later:
            pair = ready(*(torch.from_numpy(frame.transpose(2, 0, 1).copy())[None] for frame in (first, second)))
            flows.append(network(*pair)[-1][0].permute(1, 2, 0).numpy())
    return np.stack(flows)


def test_flow_is_that_of_torchvisions_call(optical_flow, by_chance, monkeypatch):
    monkeypatch.setattr(ways, "BATCH", 2)
    network, path = by_chance
    first, later = picture(0, 128, 128), np.stack([picture(seed, 128, 128) for seed in (1, 2, 3)])
    flow = raft(path)
    assert flow.name == f"raft_large-{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}"
    expected = theirs(optical_flow, network, first, later)
    assert np.abs(expected[0] - expected[1]).max() > 0.1
    np.testing.assert_allclose(flow.find(first, later), expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_flow_of_other_sizes_is_that_of_torchvisions_call_on_padded_ones(optical_flow, by_chance):
    network, path = by_chance
    first, second = picture(0, 123, 125), picture(1, 123, 125)
    wide = [np.pad(frame, ((2, 3), (1, 2), (0, 0)), mode="edge") for frame in (first, second)]
    expected = theirs(optical_flow, network, wide[0], wide[1:])[:, 2:-3, 1:-2]
    np.testing.assert_allclose(raft(path).find(first, second[None]), expected, rtol=1e-3, atol=1e-3)


def test_torchvisions_flow_is_x_then_y_and_to_where_the_first_is_seen_in_the_second(optical_flow, by_chance):
    block = by_chance[0].corr_block
    features = torch.randn(1, 256, 16, 24, generator=torch.Generator().manual_seed(0))
    x, y = 3, -2
    block.build_pyramid(features, features.roll((y, x), dims=(2, 3)))
    rows, columns = torch.meshgrid(torch.arange(16.0), torch.arange(24.0), indexing="ij")
    likeness = block.index_pyramid(torch.stack([columns + x, rows + y])[None])[0, :81]  # (81, 16, 24) of 9 x 9 shifts
    assert (likeness.argmax(dim=0)[4:-4, 4:-4] == 40).all()  # none


def test_the_file_is_the_one_that_torchvision_would_fetch(optical_flow):
    weights = optical_flow.Raft_Large_Weights.DEFAULT
    assert weights.url == ways.URL
    assert 20 < weights.meta["_file_size"] * 1.024**2 < 22


# --- what is said where it cannot be had ---


def test_the_torchvision_named_is_the_one_of_the_torch_we_ask_for():
    asked = (ROOT / "backend" / "requirements-learned.txt").read_text()
    minor = int(re.search(r"^torch==2\.(\d+)", asked, re.MULTILINE)[1])
    assert ways.TORCHVISION.startswith(f"torchvision==0.{minor + 15}.")


@pytest.fixture
def pretended(tmp_path, monkeypatch):
    """Writes a torchvision of other text in the place of the one that may be there, and an empty torch.hub's folder."""
    kept = {name: sys.modules.pop(name) for name in [*sys.modules] if name.partition(".")[0] == "torchvision"}
    monkeypatch.syspath_prepend(tmp_path / "libraries")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))

    def pretend(text):
        for name in ("torchvision", "torchvision/models", "torchvision/models/optical_flow"):
            path = tmp_path / "libraries" / name / "__init__.py"
            path.parent.mkdir(parents=True)
            path.write_text(text if name == "torchvision" or name.endswith("flow") else "")

    yield pretend
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    sys.modules.update(kept)


WORKS = "import torch\nRaft_Large_Weights = None\ndef raft_large(): return torch.nn.Linear(1, 1)\n"


def said(capsys, tmp_path, *options):
    """The one line of the command, which has read no video."""
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "broken.mp4").write_bytes(b"no video")
    where = ["--videos", str(tmp_path / "videos"), "--out", str(tmp_path / "out")]
    assert main(["dynamics", *where, "--flow", "raft", *options]) == 2
    text = capsys.readouterr().err.strip()
    assert text.startswith("anthesis: ") and "\n" not in text and "left out" not in text
    assert not (tmp_path / "out").exists()
    return text


def test_a_missing_torchvision_is_said(capsys, tmp_path, pretended, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    text = said(capsys, tmp_path)
    command = f'"{sys.executable}" -m pip install --force-reinstall --no-deps torchvision=='
    assert "--flow raft wants torchvision, which is not installed: " + command in text
    build = torch.__version__.partition("+")[2]
    assert not build or text.endswith(f" --index-url https://download.pytorch.org/whl/{build}")


def test_a_torchvision_for_another_torch_is_said(capsys, tmp_path, pretended):
    pretended("raise RuntimeError('operator torchvision::nms does not exist')")
    text = said(capsys, tmp_path)
    assert f"torchvision cannot be loaded beside torch {torch.__version__} (operator torchvision::nms does not" in text
    assert "install the one that was built for it: " in text


def test_missing_weights_are_said(capsys, tmp_path, pretended):
    pretended(WORKS)
    text = said(capsys, tmp_path)
    place = tmp_path / "torch" / "hub" / "checkpoints" / "raft_large_C_T_SKHT_V2-ff5fadd5.pth"
    assert f"--flow raft wants weights, and {place} is no file: fetch raft_large_C_T_SKHT_V2-ff5fadd5.pth from " in text
    for told in (ways.URL, "21 MB", "BSD-3-Clause", "KITTI", "--raft-weights FILE"):
        assert told in text


def test_named_weights_that_are_not_there_are_said(capsys, tmp_path, pretended):
    pretended(WORKS)
    text = said(capsys, tmp_path, "--raft-weights", str(tmp_path / "nowhere.pth"))
    assert f"{tmp_path / 'nowhere.pth'} is no file: fetch " in text


def contents(tmp_path):
    """Files of weights that are none of RAFT's."""
    torch.save({"weight": torch.ones(1, 1)}, tmp_path / "saved")
    whole = (tmp_path / "saved").read_bytes()
    torch.save([1.0], tmp_path / "saved")
    return {"empty": b"", "text": b"<html>not found</html>" * 20, "others": whole, "cut": whole[:-200],
            "a list": (tmp_path / "saved").read_bytes()}  # fmt: skip


@pytest.mark.parametrize("kind", ["empty", "text", "others", "cut", "a list"])
def test_a_file_of_something_else_is_said(capsys, tmp_path, pretended, kind):
    pretended(WORKS)
    (tmp_path / "some.pth").write_bytes(contents(tmp_path)[kind])
    text = said(capsys, tmp_path, "--raft-weights", str(tmp_path / "some.pth"))
    assert f"{tmp_path / 'some.pth'} holds no weights of torchvision's raft_large: fetch " in text


def test_weights_are_looked_for_in_torch_hubs_folder_and_a_damaged_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = tmp_path / "hub" / "checkpoints" / ways.WEIGHTS
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half of it")
    with pytest.raises(Lacking, match=r"ff5fadd5\.pth is damaged, its SHA-256 is not the one in its name: fetch "):
        weights_file(None)
    good = path.with_name(f"raft_large-{hashlib.sha256(b'half of it').hexdigest()[:8]}.pth")
    path.rename(good)
    monkeypatch.setattr(ways, "WEIGHTS", good.name)
    assert weights_file(None) == weights_file(good) == good

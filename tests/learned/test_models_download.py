"""Getting the public checkpoints, from a hub on localhost that breaks off, lies, refuses and comes back."""

import errno
import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest

from backend import models
from backend.commands import models as command
from backend.models import download
from backend.report import Cancelled
from tests.fake_hub import COMMIT, etag, serving, stable_diffusion, tensors

ROOT = Path(__file__).resolve().parents[2]
SD_1, SD_2, MVDREAM, MVDREAM_1 = models.MODELS
NAME = SD_1.parts[0].repository
UNET = "unet/diffusion_pytorch_model.fp16.safetensors"
FILES = stable_diffusion()
UNET_BYTES = len(FILES[UNET])
NEEDED = {  # what a Stable Diffusion takes of that repository
    *(name for name in FILES if name.startswith(("tokenizer/", "scheduler/")) or name.endswith("config.json")),
    "text_encoder/model.fp16.safetensors",
    UNET,
    "vae/diffusion_pytorch_model.safetensors",
}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("ANTHESIS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(download, "_WAIT", 0.01)
    with serving({NAME: dict(FILES)}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        yield hub


def partial_of(content: bytes) -> Path:
    name = f"models--{NAME.replace('/', '--')}"
    return Path(os.environ["HF_HOME"]) / "hub" / name / "blobs" / f"{etag(content)}.incomplete"


def stopper(place: str, after: int = 1):
    """A report that cancels when it hears of `place` for the nth time."""
    heard = 0

    def report(done, text):
        nonlocal heard
        heard += place in text
        if heard == after:
            raise Cancelled

    return report


def test_what_is_needed_arrives_and_nothing_else(hub):
    found = models.get(SD_1, accepted=True)
    assert set(hub.fetched()) == NEEDED
    assert hub.sent == sum(len(FILES[name]) for name in NEEDED)
    for name in NEEDED:
        assert (found.folder / name).read_bytes() == FILES[name]
    assert models.look(SD_1, thorough=True).word == "here"


def test_the_cache_is_as_that_library_makes_it(hub):
    ours = models.get(SD_1, accepted=True).folder
    script = "import sys, huggingface_hub as hub; print(hub.snapshot_download(*sys.argv[1:2], local_files_only=True))"
    done = subprocess.run([sys.executable, "-c", script, NAME], capture_output=True, text=True, timeout=200, check=True)
    assert Path(done.stdout.strip()) == ours
    assert not list(ours.parents[1].rglob("*.incomplete"))


def test_what_is_here_is_not_asked_for_again(hub):
    models.get(SD_1, accepted=True)
    hub.asked.clear()
    models.get(SD_1, accepted=True)
    assert hub.asked == []


def test_only_what_is_missing_is_got(hub):
    folder = models.get(SD_1, accepted=True).folder
    (folder / UNET).unlink()  # its content lies in the cache still
    (folder / "vae/config.json").resolve().unlink()
    hub.asked.clear()
    models.get(SD_1, accepted=True)
    assert hub.fetched() == ["vae/config.json"]


def test_a_connection_that_breaks_is_taken_up_where_it_broke(hub):
    hub.cuts = [1_000_000, 20_000, 500_000, 0, 0, 3, 1_000_000]  # 0: a connection that brings nothing
    folder = models.get(SD_1, accepted=True).folder
    for name in NEEDED:
        assert (folder / name).read_bytes() == FILES[name]
    assert hub.sent == sum(len(FILES[name]) for name in NEEDED)  # no byte twice
    assert len([one for _, one in hub.asked if one]) >= 6


def test_a_connection_that_stays_away_ends_it_and_the_next_time_goes_on(hub):
    hub.cuts = [10_000, *[0] * download._TRIES]
    with pytest.raises(models.NoNetwork, match=r"broke at 0\.0 MB of 3\.3 MB.*goes on from there"):
        models.get(SD_1, accepted=True)
    assert not hub.cuts
    sent = hub.sent
    assert sent < 60_000
    assert models.look(SD_1).word == "partly here"
    models.get(SD_1, accepted=False)  # which was accepted before
    assert hub.sent == sum(len(FILES[name]) for name in NEEDED)


def test_it_goes_on_in_another_process_after_one_was_killed(hub):
    hub.cuts = [10**9, 2_000_000]  # the second one is the U-Net's
    script = """
import os
from backend import models
from backend.models import download
def stream(*arguments, stream=download._stream):
    try:
        stream(*arguments)
    except Exception:
        os._exit(9)
download._stream = stream
models.get(models.MODELS[0], accepted=True)
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", script], env=environment, timeout=200).returncode == 9
    assert 1_000_000 < partial_of(FILES[UNET]).stat().st_size <= 2_000_000
    models.get(SD_1, accepted=True)
    assert hub.sent == sum(len(FILES[name]) for name in NEEDED)


def test_a_server_that_knows_no_ranges_gives_it_all_again(hub):
    hub.cuts, hub.ranges = [10**9, 1_000_000], False
    told = []
    folder = models.get(SD_1, accepted=True, report=lambda done, text: told.append(done)).folder
    assert (folder / UNET).read_bytes() == FILES[UNET]
    assert hub.sent == sum(len(FILES[name]) for name in NEEDED) + 1_000_000
    assert max(told) == told[-1] == 1.0


@pytest.mark.parametrize("place", ["unet/diff", "checking unet/diff", "asking the hub"])
def test_cancel_stops_it_and_keeps_what_has_arrived(hub, monkeypatch, place):
    monkeypatch.setattr(download, "_OFTEN", 0.0)
    with pytest.raises(Cancelled):
        models.get(SD_1, accepted=True, report=stopper(place, after=6 if place == "unet/diff" else 1))
    assert models.look(SD_1).word == ("missing" if place == "asking the hub" else "partly here")
    held = partial_of(FILES[UNET]).stat().st_size if partial_of(FILES[UNET]).exists() else 0
    assert (held > 0) == (place != "asking the hub")
    sent, before = hub.sent, len(hub.asked)
    models.get(SD_1, accepted=True)
    if held:
        ranges = [one for path, one in hub.asked[before:] if path.endswith(UNET)]
        assert ranges in ([f"bytes={held}-"] * 2, [])  # of the hub, and of where it sends on; or all had arrived
    assert hub.sent >= sent and models.look(SD_1, thorough=True).word == "here"


def test_progress_counts_bytes_and_files(hub, monkeypatch):
    monkeypatch.setattr(download, "_OFTEN", 0.0)
    told = []
    models.get(SD_1, accepted=True, report=lambda done, text: told.append((done, text)))
    shares = [done for done, _ in told]
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert any(f"of 3.3 MB, file 9 of 11, {UNET}" in text for _, text in told)
    for done, text in told:
        if found := re.search(r"1\.5: (\d\.\d) MB of 3\.3 MB", text):
            assert done == pytest.approx(0.1 + 0.9 * float(found[1]) / 3.25, abs=0.03)  # a tenth of it is looking first


def test_a_file_that_arrives_damaged_is_got_again_and_twice_is_said(hub):
    hub.spoilt = 1
    folder = models.get(SD_1, accepted=True).folder
    assert models.look(SD_1, thorough=True).word == "here"
    shutil.rmtree(folder.parents[1])
    hub.spoilt = 2
    with pytest.raises(models.ArrivedDamaged, match=r"text_encoder/model\.fp16\.safetensors of .* arrived twice"):
        models.get(SD_1, accepted=True)
    assert not (folder / "text_encoder/model.fp16.safetensors").exists()
    models.get(SD_1, accepted=True)


def test_what_was_kept_of_another_file_does_no_harm(hub):
    partial = partial_of(FILES[UNET])
    partial.parent.mkdir(parents=True)
    for spoilt in (bytes(1000), bytes(UNET_BYTES), bytes(UNET_BYTES + 1)):
        partial.write_bytes(spoilt)
        folder = models.get(SD_1, accepted=True).folder
        assert (folder / UNET).read_bytes() == FILES[UNET]
        shutil.rmtree(folder.parent)
        partial.parent.joinpath(etag(FILES[UNET])).unlink()


@pytest.mark.parametrize("where", ["cache", "folder"])
@pytest.mark.parametrize("damage", [lambda content: content[:-5], lambda content: content[:-1] + b"x"])
def test_a_damaged_file_is_got_again_alone(hub, tmp_path, monkeypatch, where, damage):
    monkeypatch.setattr("backend.models.state._SMALL", 0)  # so that only reading all shows a changed byte
    named = {"folder": tmp_path / "sd"} if where == "folder" else {}
    folder = models.get(SD_1, accepted=True, **named).folder
    (folder / UNET).write_bytes(damage(FILES[UNET]))
    assert models.look(SD_1, thorough=True).word == "damaged"
    hub.asked.clear()
    assert models.get(SD_1, accepted=True).folder == folder
    assert set(hub.fetched()) == {UNET}
    assert (folder / UNET).read_bytes() == FILES[UNET]
    assert models.look(SD_1, thorough=True).word == "here"


def test_a_folder_takes_the_place_of_the_cache_and_is_remembered(hub, tmp_path):
    folder = tmp_path / "disk" / "sd"
    hub.cuts = [10**9, 1_000_000]
    found = models.get(SD_1, accepted=True, folder=folder)
    assert found.folder == folder and (folder / UNET).read_bytes() == FILES[UNET]
    assert hub.sent == sum(len(FILES[name]) for name in NEEDED)
    assert not (tmp_path / "hf" / "hub").exists()
    assert not list(folder.rglob("*.incomplete"))
    assert models.found(SD_1).folder == folder
    script = "import sys, pathlib, huggingface_hub._local_folder as f; m = f.read_download_metadata("
    script += "pathlib.Path(sys.argv[1]), sys.argv[2]); print(m.commit_hash, m.etag)"
    done = subprocess.run([sys.executable, "-c", script, str(folder), UNET], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [COMMIT, hashlib.sha256(FILES[UNET]).hexdigest()]


def test_a_folder_of_the_users_own_keeps_its_files(hub, tmp_path):
    folder, own = tmp_path / "sd", tensors(3_000_000, 77)
    (folder / "unet").mkdir(parents=True)
    (folder / UNET).write_bytes(own)  # fine-tuned: whole, and not the hub's
    models.get(SD_1, accepted=True, folder=folder)
    assert (folder / UNET).read_bytes() == own
    assert UNET not in hub.fetched()


def test_a_model_of_two_repositories(hub, tmp_path):
    weights = tmp_path / "weights.zip"
    with zipfile.ZipFile(weights, "w") as file:
        file.writestr("archive/data.pkl", bytes(50_000))
    hub.repositories["MVDream/MVDream"] = {"sd-v1.5-4view.pt": weights.read_bytes(), "sd-v2.1-base-4view.pt": b"no"}
    found = models.get(MVDREAM_1, accepted=True)
    assert found.files["sd-v1.5-4view.pt"].read_bytes() == weights.read_bytes()
    assert found.files["tokenizer/merges.txt"].read_bytes() == FILES["tokenizer/merges.txt"]
    assert len(hub.fetched()) == 5 + 1  # the weights' redirect
    assert models.look(SD_1).word == "partly here"
    models.get(SD_1, accepted=True)
    assert hub.fetched().count("tokenizer/vocab.json") == 1


Usage = namedtuple("Usage", "total used free")


def test_the_disk_is_asked_before_the_first_byte_and_what_has_arrived_counts(hub, monkeypatch):
    total = sum(len(FILES[name]) for name in NEEDED)
    free = total + download._ROOM - 1
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, free))
    with pytest.raises(
        models.NoSpace, match=r"wants 3\.3 MB more, and 1\.0 GB to spare, and .* has 1\.0 GB free: make"
    ):
        models.get(SD_1, accepted=True)
    assert hub.sent == 0
    partial_of(FILES[UNET]).parent.mkdir(parents=True)
    partial_of(FILES[UNET]).write_bytes(FILES[UNET][:1])
    models.get(SD_1, accepted=True)


def test_a_disk_that_fills_on_the_way_is_said(hub, monkeypatch):
    def full(partial, start, one, tally):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(download, "_stream", full)
    with pytest.raises(models.NoSpace, match=r"is full: make room and get stable-diffusion-1\.5 again"):
        models.get(SD_1, accepted=True)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="for whom folders can be read-only")
def test_a_place_that_cannot_be_written_is_said(hub, tmp_path):
    (tmp_path / "sd").mkdir(mode=0o555)
    with pytest.raises(models.NotWritable, match=r"Cannot write to .*sd \(Permission"):
        models.get(SD_1, accepted=True, folder=tmp_path / "sd")


def test_a_place_under_a_file_is_said(hub, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(models.NotWritable, match=r"Cannot write to .*name another folder"):
        models.get(SD_1, accepted=True, folder=tmp_path / "file" / "sd")


FAILURES = {
    "gated": ({"gated": True}, models.Gated, "is gated: ask for it at http.*HF_TOKEN"),
    "gone": ({"repositories": {}}, models.NotPublished, "is not there .*name its folder"),
    "emptied": ({"repositories": {NAME: {}}}, models.NotPublished, r"has no tokenizer/vocab\.json"),
    "ill": ({"code": 503}, models.NoNetwork, "answers with code 503: try it later"),
    "refusing": ({"code": 403}, models.Gated, r"refuses this user or this token \(code 403\)"),
    "a log-in page": ({"code": 200}, models.NoNetwork, "answers with something else"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_each_refusal_has_its_sentence(hub, name):
    behaviour, kind, said = FAILURES[name]
    for attribute, value in behaviour.items():
        setattr(hub, attribute, value)
    with pytest.raises(kind, match=said) as raised:
        models.get(SD_1, accepted=True)
    assert "\n" not in str(raised.value)


def test_the_repository_that_is_gone_is_the_one_that_is_named(hub):
    hub.repositories["MVDream/MVDream"] = {"sd-v2.1-base-4view.pt": b"weights"}
    with pytest.raises(models.NotPublished, match=MVDREAM.parts[1].repository):
        models.get(MVDREAM, accepted=True)


def test_no_network_is_said(hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(models.NoNetwork, match=r"127\.0\.0\.1:9 does not answer: see the network"):
        models.get(SD_1, accepted=True)


def test_two_at_once_do_not_write_into_each_other(hub, monkeypatch):
    monkeypatch.setattr(download, "_OFTEN", 0.0)
    reached, go_on = threading.Event(), threading.Event()

    def wait(done, text):
        if f"{UNET}" in text:
            reached.set()
            assert go_on.wait(60)

    first = threading.Thread(target=models.get, args=(SD_1, True, wait))
    first.start()
    try:
        assert reached.wait(60)
        with pytest.raises(models.Busy, match=f"Another process is getting {UNET}"):
            models.get(SD_1, accepted=True)
    finally:
        go_on.set()
        first.join()
    assert models.look(SD_1, thorough=True).word == "here"


def test_the_licence_comes_before_the_first_request(hub):
    with pytest.raises(models.LicenceNotAccepted):
        models.get(SD_1, accepted=False)
    assert hub.asked == []


def test_where_links_cannot_be_made_the_files_themselves_lie_there(hub, monkeypatch):
    def refuse(self, target):
        raise OSError("a required privilege is not held")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    folder = models.get(SD_1, accepted=True).folder
    assert not (folder / UNET).is_symlink() and (folder / UNET).read_bytes() == FILES[UNET]
    hub.asked.clear()
    (folder / UNET).write_bytes(FILES[UNET][:-9])
    models.get(SD_1, accepted=True)
    assert set(hub.fetched()) == {UNET} and (folder / UNET).read_bytes() == FILES[UNET]


def test_the_command_gets_a_model(hub, tmp_path, capsys):
    folder = str(tmp_path / "sd")
    assert command.main(["get", SD_1.name, "--accept-licence", "--folder", folder]) == 0
    assert f"Stable Diffusion 1.5 is here, 3.3 MB in {folder}" in capsys.readouterr().out
    hub.code = 503
    (tmp_path / "sd" / UNET).unlink()
    assert command.main(["get", SD_1.name]) == 2
    assert "code 503" in capsys.readouterr().err

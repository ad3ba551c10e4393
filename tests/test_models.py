"""What is told of the public checkpoints, from the disk alone: no torch, no huggingface_hub, no network."""

import json
import os
import subprocess
import sys
import zipfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from backend import models
from backend.commands import models as command
from backend.models import catalogue
from backend.report import Cancelled

from .fake_hub import COMMIT, etag, stable_diffusion, tensors

ROOT = Path(__file__).resolve().parents[1]
SD_1, SD_2, MVDREAM, MVDREAM_1 = models.MODELS
UNET = "unet/diffusion_pytorch_model.fp16.safetensors"


@pytest.fixture(autouse=True)
def _of_this_test(tmp_path, monkeypatch):
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # where nobody is
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("ANTHESIS_HOME", str(tmp_path / "home"))


def cached(files: dict[str, bytes], repository: str = SD_1.parts[0].repository, commit: str = COMMIT) -> Path:
    """Files in the hub's cache, as huggingface_hub lays them; the folder of the commit."""
    folder = Path(os.environ["HF_HOME"]) / "hub" / f"models--{repository.replace('/', '--')}"
    for name, content in files.items():
        blob, pointer = folder / "blobs" / etag(content), folder / "snapshots" / commit / name
        for path in (blob, pointer):
            path.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(content)
        pointer.symlink_to(os.path.relpath(blob, pointer.parent))
    (folder / "refs").mkdir(exist_ok=True)
    (folder / "refs" / "main").write_text(commit)
    return folder / "snapshots" / commit


def folder_of(path: Path, files: dict[str, bytes], model: models.Model = SD_1) -> Path:
    """Files in a folder of the user's, which is named for the model."""
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    models.use(model, path)
    return path


def archive(path: Path) -> bytes:
    """What torch.save writes is a zip."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", bytes(5000))
    return path.read_bytes()


def test_the_table_says_of_each_model_all_that_is_asked():
    assert len({model.name for model in models.MODELS}) == 4
    for model in models.MODELS:
        assert model.licence.address.startswith("https://") and model.licence.terms
        assert 4e9 <= model.memory <= 16e9
        assert all(file.size > 0 for file in model.files)
    # 859,520,964 + 123,060,480 + 83,653,863 numbers of two bytes, by the networks' own configurations, and headers
    assert SD_1.size == pytest.approx(2 * (859_520_964 + 123_060_480 + 83_653_863), rel=1e-3)
    assert SD_2.size == pytest.approx(2 * (865_910_724 + 340_387_840 + 83_653_863), rel=1e-3)
    assert SD_1.exact and not any(model.exact for model in (SD_2, MVDREAM, MVDREAM_1))
    with pytest.raises(models.Unknown, match=r"'dall-e'.*mvdream-1\.5"):
        models.named("dall-e")


def test_safetensors_come_before_pickles_and_half_precision_before_full():
    for file in (*SD_1.files, *SD_2.files):
        if len(file.names) == 4:
            stem = file.names[1].removesuffix(".safetensors")
            assert file.names[0] == f"{stem}.fp16.safetensors"
            assert [name.rpartition(".")[2] for name in file.names[2:]] == ["bin", "bin"]
            assert "fp16" in file.names[2] and "fp16" not in file.names[3]


def test_nothing_is_here_at_first():
    for model in models.MODELS:
        state = models.look(model)
        assert state.word == "missing" and state.left == pytest.approx(model.size, rel=1e-5)
        assert f"models get {model.name}" in state.say()
    with pytest.raises(models.NotHere, match=r"about 5\.2 GB \(OpenRAIL\)"):
        models.found(MVDREAM)


def test_a_model_in_the_hubs_cache_is_found():
    snapshot = cached(stable_diffusion())
    found = models.found(SD_1)
    assert found.folder == snapshot
    assert found.files[UNET] == snapshot / UNET
    # where there is no half precision, the full one
    assert found.files["vae/diffusion_pytorch_model.fp16.safetensors"].name == "diffusion_pytorch_model.safetensors"
    assert models.look(SD_1, thorough=True).word == "here"


@pytest.mark.parametrize("variable", ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"])
def test_the_cache_is_where_that_library_says(tmp_path, monkeypatch, variable):
    cached(stable_diffusion())
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    there = tmp_path / "hf" / "hub"
    if variable == "XDG_CACHE_HOME":
        monkeypatch.delenv("HF_HOME")
        (tmp_path / "huggingface").mkdir()
        there = there.rename(tmp_path / "huggingface" / "hub")
        monkeypatch.setenv(variable, str(tmp_path))
    else:
        there = there.rename(tmp_path / "elsewhere")
        assert models.look(SD_1).word == "missing"
        monkeypatch.setenv(variable, str(there))
    assert models.look(SD_1).word == "here"


def test_a_model_is_found_in_an_older_commit_when_the_newest_has_only_a_part():
    snapshot = cached(stable_diffusion())
    cached({"tokenizer/vocab.json": b'{"b": 0}'}, commit="f" * 40)  # as fetching MVDream may leave it
    assert models.found(SD_1).folder == snapshot


def test_a_model_of_two_repositories_is_here_when_both_are(tmp_path):
    tokenizer = {name: content for name, content in stable_diffusion().items() if name.startswith("tokenizer/")}
    weights = archive(tmp_path / "weights.zip")
    cached({"sd-v2.1-base-4view.pt": weights}, "MVDream/MVDream")
    state = models.look(MVDREAM)
    lacking = [file.names[0] for file in state.missing]
    assert state.word == "partly here" and lacking == ["tokenizer/vocab.json", "tokenizer/merges.txt"]
    cached(tokenizer, MVDREAM.parts[1].repository)
    found = models.found(MVDREAM)
    assert found.files["sd-v2.1-base-4view.pt"].read_bytes() == weights
    assert found.files["tokenizer/vocab.json"].parent.parent != found.folder
    assert models.look(SD_2).word == "partly here"


def test_a_folder_of_the_users_stands_in_for_the_cache(tmp_path):
    cached(stable_diffusion())
    folder = folder_of(tmp_path / "sd", {})
    assert models.look(SD_1).word == "missing"
    folder_of(folder, stable_diffusion())
    assert models.found(SD_1).folder == folder
    models.use(SD_1, None)
    assert models.found(SD_1).folder != folder


def test_a_tokenizer_of_newer_libraries_will_do(tmp_path):
    files = {name: content for name, content in stable_diffusion().items() if not name.startswith("tokenizer/")}
    folder_of(tmp_path / "sd", files | {"tokenizer/tokenizer.json": b"{}"})
    assert models.found(SD_1).files["tokenizer/merges.txt"].name == "tokenizer.json"


DAMAGE = {  # the file, what is done to it, and what is said
    "cut short": (UNET, lambda content: content[:-1], "3000084 bytes, and its header says 3000085"),
    "longer": (UNET, lambda content: content + b"x", "3000086 bytes, and its header says 3000085"),
    "empty": (UNET, lambda content: b"", "is empty"),
    "a pointer": (UNET, lambda content: b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    "no header": (UNET, lambda content: bytes(9) + content[9:], "has no header"),
    "a web page": (UNET, lambda content: b"<html>" + content[6:], "has no header"),
    "no JSON": ("vae/config.json", lambda content: content[:-1], "is not JSON"),
    "binary JSON": ("vae/config.json", lambda content: b"\xff\xfe", "is not JSON"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_file_is_named_with_what_is_wrong(tmp_path, name):
    file, done, said = DAMAGE[name]
    files = stable_diffusion()
    folder = folder_of(tmp_path / "sd", files | {file: done(files[file])})
    state = models.look(SD_1)
    assert state.word == "damaged"
    assert str(folder / file) in state.say() and said in state.say() and "fetches it again" in state.say()
    with pytest.raises(models.NotHere, match="damaged"):
        models.found(SD_1)


@pytest.mark.parametrize("spoil", [lambda content: content[:-100], lambda content: b"garbage" * 100])
def test_torchs_own_files_are_looked_at_too(tmp_path, spoil):
    weights = archive(tmp_path / "weights.zip")
    folder = folder_of(tmp_path / "mv", {"sd-v1.5-4view.pt": weights}, MVDREAM_1)
    assert models.look(MVDREAM_1).word == "partly here"
    (folder / "sd-v1.5-4view.pt").write_bytes(spoil(weights))
    assert "is cut short, or none of torch's files" in models.look(MVDREAM_1).say()


def test_a_changed_byte_shows_in_small_files_at_once_and_in_large_ones_when_all_is_read(monkeypatch):
    monkeypatch.setattr("backend.models.state._SMALL", 100_000)
    snapshot = cached(stable_diffusion())
    large, small = snapshot / UNET, snapshot / "tokenizer/merges.txt"
    large.write_bytes(large.read_bytes()[:-1] + b"x")
    assert models.look(SD_1).word == "here"
    assert f"{large} has another checksum" in models.look(SD_1, thorough=True).say()
    small.write_bytes(b"#version: 0.3\n")
    assert f"{small} has another checksum" in models.look(SD_1).say()


def test_reading_all_tells_how_far_it_is_and_can_be_stopped():
    cached(stable_diffusion())
    told = []
    models.look(SD_1, thorough=True, report=lambda done, text: told.append(done))
    assert told == sorted(told) and told[-1] == 1.0

    def stop(done, text):
        if UNET in text:
            raise Cancelled

    with pytest.raises(Cancelled):
        models.look(SD_1, thorough=True, report=stop)


def test_the_whole_one_of_two_precisions_is_taken(tmp_path):
    files = stable_diffusion()
    full = UNET.replace(".fp16", "")
    folder = folder_of(tmp_path / "sd", files | {UNET: files[UNET][:-1], full: tensors(6_000_000, 3)})
    assert models.found(SD_1).files[UNET] == folder / full


def test_another_model_of_the_same_layout_is_told_apart(tmp_path):
    folder_of(tmp_path / "sd", stable_diffusion(width=1024))
    state = models.look(SD_1)
    assert state.word == "damaged" and "cross_attention_dim 1024, and not 768" in state.say()
    folder_of(tmp_path / "sd", {}, SD_2)
    assert models.look(SD_2).word == "here"


def test_what_has_arrived_in_part_counts(tmp_path):
    name = "vae/config.json"
    folder = cached({name: stable_diffusion()[name]}).parents[1]
    (folder / "blobs" / f"{'a' * 64}.incomplete").write_bytes(bytes(1000))
    (folder / "blobs" / f"{'b' * 64}.12345678.incomplete").write_bytes(bytes(5000))  # that library's, of no use to us
    state = models.look(SD_1)
    assert state.word == "partly here" and state.begun == 1000
    assert state.left == sum(file.size for file in state.missing) - 1000
    (folder / "snapshots" / COMMIT / name).unlink()
    assert models.look(SD_1).word == "partly here"


FORBIDDEN = """
import sys
def listen(event, arguments):
    if event.startswith("socket."):
        raise SystemExit(f"{event}{arguments}")
sys.addaudithook(listen)
from backend import models
from backend.commands import doctor, models as command
for model in models.MODELS:
    models.look(model, thorough=True)
    try:
        models.found(model)
    except models.NotHere as error:
        print(error)
assert command.main([]) == 0
print(*(finding.text for finding in doctor._checkpoints(None)))
try:
    models.get(models.MODELS[2], accepted=False)
except models.LicenceNotAccepted as error:
    print(error)
assert command.main(["get", "mvdream"]) == 2
assert not {"torch", "diffusers", "huggingface_hub", "httpx", "httpx2", "requests"} & set(sys.modules)
print("not a socket")
"""


def test_nothing_is_asked_of_the_network_by_looking():
    files = stable_diffusion()
    cached({name: content for name, content in files.items() if name != UNET})  # nearly here: a reason to fetch it
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HF_ENDPOINT": "http://127.0.0.1:9"}
    options = {"env": environment, "capture_output": True, "text": True, "timeout": 100}
    done = subprocess.run([sys.executable, "-c", FORBIDDEN], **options)
    assert done.returncode == 0, done.stderr
    assert "not a socket" in done.stdout


def test_a_folder_that_cannot_be_looked_into_is_said(monkeypatch, tmp_path):
    folder_of(tmp_path / "sd", stable_diffusion())
    is_file = Path.is_file

    def refused(path):
        if "sd" in path.parts:
            raise PermissionError(13, "Permission denied")
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", refused)
    with pytest.raises(models.NotReadable, match=r"Cannot look into .*sd \(Permission denied\): name another"):
        models.look(SD_1)
    with pytest.raises(models.ModelError):
        models.found(SD_1)


def test_settings_are_kept_whole(tmp_path):
    models.use(SD_1, tmp_path)
    models.use(MVDREAM, tmp_path / "mv")
    models.use(SD_1, None)
    file = tmp_path / "home" / "models.json"
    assert json.loads(file.read_text())["folders"] == {"mvdream": str(tmp_path / "mv")}
    assert [path.name for path in file.parent.iterdir()] == ["models.json"]
    file.write_text('{"folders": 3}')
    with pytest.raises(models.ModelError, match=r"models\.json cannot be read .*delete it"):
        models.load()


# --- the command


def test_the_list_names_each_with_size_licence_and_state(capsys):
    cached(stable_diffusion())
    assert command.main([]) == 0
    said = capsys.readouterr().out
    assert "Stable Diffusion 1.5 is here, 3.3 MB in" in said
    assert "about 5.2 GB on disk, a GPU with about 16.0 GB" in said
    assert "https://huggingface.co/MVDream/MVDream" in said


def test_offline_is_a_setting_and_a_variable_and_is_said(capsys, monkeypatch):
    assert command.main(["offline", "on"]) == 0
    assert "models offline off" in capsys.readouterr().out
    with pytest.raises(models.Offline, match="models offline off"):
        models.get(SD_1, accepted=True)
    assert command.main(["offline", "off"]) == 0
    assert "offline" not in capsys.readouterr().out
    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.setenv(variable, "1")
        with pytest.raises(models.Offline, match=variable):
            models.get(SD_1, accepted=True)
        monkeypatch.delenv(variable)


def test_offline_what_is_here_is_had(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    snapshot = cached(stable_diffusion())
    assert models.get(SD_1, accepted=True).folder == snapshot


def test_the_licence_is_shown_before_anything_and_remembered(capsys, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert command.main(["get", "mvdream"]) == 2
    said = capsys.readouterr()
    assert "Attachment A" in said.out and "CreativeML Open RAIL++-M" in said.out and "--accept-licence" in said.err
    with pytest.raises(models.LicenceNotAccepted, match=r"OpenRAIL \(https.*accept it first"):
        models.get(MVDREAM, accepted=False)
    with pytest.raises(models.Offline):
        models.get(MVDREAM, accepted=True)
    with pytest.raises(models.Offline):  # and no longer the licence
        models.get(MVDREAM, accepted=False)
    changed = replace(MVDREAM, licence=replace(MVDREAM.licence, name="OpenRAIL 2"))
    with pytest.raises(models.LicenceNotAccepted):
        models.get(changed, accepted=False)


def test_a_licence_for_non_commercial_use_is_marked_everywhere(capsys, monkeypatch):
    model = replace(MVDREAM, licence=replace(MVDREAM.licence, commercial=False))
    for module in (models, catalogue):
        monkeypatch.setattr(module, "MODELS", (model,))
    assert "NON-COMMERCIAL USE ONLY" in models.look(model).say()
    with pytest.raises(models.LicenceNotAccepted, match="NON-COMMERCIAL"):
        models.get(model, accepted=False)
    for asked in ([], ["get", "mvdream"]):
        command.main(asked)
        said = capsys.readouterr().out
        assert "NON-COMMERCIAL USE ONLY" in said and "ommercial use allowed" not in said
        assert "ommercial use is allowed" not in said


def test_use_names_a_folder_and_check_reads_it(tmp_path, capsys):
    folder = folder_of(tmp_path / "sd", stable_diffusion())
    models.use(SD_1, None)
    assert command.main(["use", SD_1.name, "--folder", str(folder)]) == 0
    assert command.main(["check", SD_1.name]) == 0
    for file in (folder / "unet").glob("diffusion*"):
        file.unlink()
    assert command.main(["check", SD_1.name]) == 1
    assert "partly here, 10 of 11 files" in capsys.readouterr().out
    assert command.main(["use", SD_1.name]) == 1


def test_a_folder_without_the_model_is_not_remembered(tmp_path, capsys):
    folder = folder_of(tmp_path / "sd", stable_diffusion())
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "me.jpg").write_bytes(b"x")
    other = folder_of(tmp_path / "other", stable_diffusion(width=1024))
    part = folder_of(tmp_path / "part", stable_diffusion())
    (part / "vae" / "config.json").unlink()
    torn = folder_of(tmp_path / "torn", stable_diffusion())
    (torn / "vae" / "config.json").write_text("torn")
    models.use(SD_1, folder)
    for place, said in (
        (photos, f"{photos} does not hold Stable Diffusion 1.5: tokenizer/vocab.json or tokenizer/tokenizer.json is "
         "missing, and 8 more of its files. Name another folder, or have it fetched by python -m backend models get"),
        (part, f"{part} does not hold Stable Diffusion 1.5: vae/config.json is missing. Name another folder"),
        (torn, f"{torn} does not hold Stable Diffusion 1.5: {Path('vae/config.json')} is not JSON. Name another"),
        (other, "unet/config.json says cross_attention_dim 1024"),
        (photos / "me.jpg", "me.jpg is no folder"),
        (tmp_path / "nowhere", "nowhere is no folder"),
    ):  # fmt: skip
        assert command.main(["use", SD_1.name, "--folder", str(place)]) == 1
        assert said in capsys.readouterr().err
        assert models.load().folders == {SD_1.name: str(folder)}


def test_what_is_to_be_typed_begins_as_the_user_called_us(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("ANTHESIS_COMMAND", "python3.11 build.py")
    assert command.main(["get", "mvdream", "--folder", str(tmp_path / "my models")]) == 2
    asked = f"python3.11 build.py models get mvdream --folder '{tmp_path / 'my models'}' --accept-licence"
    assert f"Read it, then accept it: {asked}" in capsys.readouterr().err
    assert command.main(["offline", "on"]) == 0
    said = capsys.readouterr().out
    assert "python3.11 build.py models get stable-diffusion-1.5 fetches" in said
    assert "python3.11 build.py models offline off" in said and "python -m backend" not in said
    with pytest.raises(SystemExit):
        command.main(["--help"])
    assert capsys.readouterr().out.startswith("usage: python3.11 build.py models ")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["get"], "get wants a name"),
        (["list", "mvdream"], "list wants no name"),
        (["get", "dall-e"], "No model is called 'dall-e'"),
        (["offline", "maybe"], "offline is on or off"),
    ],
)
def test_what_cannot_be_asked_is_said(asked, said, capsys):
    with suppress(SystemExit):  # argparse's own refusal
        assert command.main(asked) == 2
    assert said in capsys.readouterr().err


def test_a_folder_that_holds_something_else_is_refused(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "me.jpg").write_bytes(b"x")
    with pytest.raises(models.Foreign, match="holds something else"):
        models.get(SD_1, accepted=True, folder=photos)
    with pytest.raises(models.Foreign, match="is a file"):
        models.get(SD_1, accepted=True, folder=photos / "me.jpg")
    folder = folder_of(tmp_path / "sd", stable_diffusion(width=1024), SD_2)
    with pytest.raises(models.Foreign, match=r"is the folder of stable-diffusion-2\.1"):
        models.get(SD_1, accepted=True, folder=folder)
    models.use(SD_2, None)
    with pytest.raises(models.Foreign, match="cross_attention_dim 1024"):
        models.get(SD_1, accepted=True, folder=folder)
    assert not models.load().folders  # none of these was remembered
    assert sorted(path.name for path in photos.iterdir()) == ["me.jpg"]

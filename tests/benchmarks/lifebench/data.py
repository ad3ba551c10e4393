"""The data of LifeBench, made by command and never stored in the repository. Needs torch, for the pictures.

Of each individual, FOLDER/SPECIMEN/SEED/ holds (of one that sways in the wind FOLDER/SPECIMEN/SEED-swaying/)
    clip.npz      mesh and every vertex, albedo, roughness in each of 32 frames (backend/files/npz.py says how)
    texels.npz    albedo (T, N, N, 3) uint8 sRGB and roughness (T, N, N) uint8 over the atlas; filled (N, N) bool
    life.json     record, seed, life time of each frame, the law of its volume, what it is called, how it was made
    CAMERA.npz    mask, depth (metres), flow (pixels), followed, matrices (T, 3, 4), focal (pixels); see pictures.py
    CAMERA.mp4    the pictures as a film, and CAMERA/0000.png on
and FOLDER/TASK/SPECIMEN-SEED/ what the task gives a system: words.txt, and subject.glb or film.mp4 with first.png.
A folder that has its life.json is whole. It is left as it is where it was made in the way that is asked for, and made
anew where version, number of frames, detail or size of pictures differ. What is made twice on one machine has the same
arrays and pictures, to the last bit; how a film is encoded is a matter of ffmpeg.
"""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import imageio_ffmpeg
import msgspec
import numpy as np
from PIL import Image

from backend import protocol
from backend.clip import Clip
from backend.files import npz, save
from tests.benchmarks.lifebench import pictures
from tests.benchmarks.lifebench.nouns import Truth
from tests.benchmarks.lifebench.tasks import FPS, FRAMES, Case, Task
from tests.benchmarks.lifebench.texels import Atlas

FILM = "fixed0"  # the camera of the task `video`


def make(case: Case, folder: Path, frames: int = FRAMES, side: int = 256, texels: int = 512) -> Path:
    """All of one individual; its folder. Written beside it and moved there when it is whole."""
    home = folder / case.individual
    asked = {
        "version": protocol.VERSION, "frames": frames, "detail": case.detail, "side": side, "texels": texels,
    }  # fmt: skip
    if _made(home) == asked:
        return home
    shutil.rmtree(part := home.with_name(f"{home.name}.part"), ignore_errors=True)
    part.mkdir(parents=True)
    whole = replace(case, task=Task.LOOP if case.task is Task.LOOP else Task.WORDS)
    truth = whole.truth(frames)
    npz.save(truth.clip, part / "clip.npz")
    _save_texels(truth.clip, part / "texels.npz", texels)
    through = pictures.cameras(truth.clip, side)
    frames_seen = list(pictures.seen(truth.clip, through))
    for name, (_, view) in through.items():
        _save_view([frame[name] for frame in frames_seen], view, part / name)
    (part / "life.json").write_text(json.dumps(_told(truth, whole) | {"made": asked}, indent=1))
    shutil.rmtree(home, ignore_errors=True)
    part.rename(home)
    return home


def _made(home: Path) -> dict | None:
    """How a folder was made; None where it is not whole."""
    told = home / "life.json"
    return json.loads(told.read_text()).get("made") if told.exists() else None


def give(case: Case, folder: Path, frames: int = FRAMES, side: int = 256) -> Path:
    """What a task gives a system for one individual; its folder."""
    home = folder / case.task.value / case.name
    home.mkdir(parents=True, exist_ok=True)
    (home / "words.txt").write_text(case.words + "\n")
    if case.task is Task.MESH:
        truth = case.truth(frames)
        still = Clip(
            truth.clip.subject.at(truth.clip.positions[truth.given]), truth.clip.positions[truth.given][None],
            truth.clip.tau[:1], FPS, albedo=truth.clip.albedo[truth.given][None],
            roughness=truth.clip.roughness[truth.given][None],
        )  # fmt: skip
        save(still, home / "subject.glb")
    elif case.task is Task.VIDEO:
        made = make(case, folder, frames, side)
        (home / "words.txt").unlink()
        shutil.copy(made / f"{FILM}.mp4", home / "film.mp4")
        shutil.copy(made / FILM / "0000.png", home / "first.png")
    return home


def _save_texels(clip: Clip, path: Path, side: int) -> None:
    atlas = Atlas.of(clip.subject, side)
    albedo = np.stack([protocol.to_bytes(protocol.linear_to_srgb(atlas.baked(now))) for now in clip.albedo])
    roughness = np.stack([protocol.to_bytes(atlas.baked(now)) for now in clip.roughness])
    np.savez_compressed(path, albedo=albedo, roughness=roughness, filled=atlas.filled)


def _save_view(seen: list[pictures.Seen], view: pictures.View, path: Path) -> None:
    path.mkdir()
    for number, one in enumerate(seen):
        Image.fromarray(one.picture).save(path / f"{number:04d}.png")
    arrays = {name: np.stack([getattr(one, name) for one in seen]) for name in ("mask", "depth", "flow", "followed")}
    np.savez_compressed(path.with_suffix(".npz"), **arrays, matrices=view.matrices, focal=view.focal)
    film = imageio_ffmpeg.write_frames(
        str(path.with_suffix(".mp4")), (view.side, view.side), fps=FPS, quality=8, macro_block_size=2,
        ffmpeg_log_level="error",
    )  # fmt: skip
    film.send(None)
    for one in seen:
        film.send(np.ascontiguousarray(one.picture))
    film.close()


def _told(truth: Truth, case: Case) -> dict:
    share = None if truth.matter is None else [float(truth.matter.share(float(tau))) for tau in truth.tau]
    return {
        "words": case.words,
        "specimen": msgspec.to_builtins(truth.record),
        "seed": truth.seed,
        "tau": truth.tau.tolist(),
        "fps": FPS,
        "loop": truth.loop,
        "matter": None if truth.matter is None else {"parts": truth.matter.parts, "share": share},
    }

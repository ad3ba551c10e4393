"""What tests of the enabled add-on share: patience, a session whose records are written down beforehand, clips."""

import os
import time
from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np
import pytest

from backend import protocol
from tests.blender import samples

ROOT = Path(__file__).parents[2]
PYTHON = Path(os.environ.get("ANTHESIS_PYTHON", ROOT / ".env" / "backend" / "bin" / "python"))
SECONDS = 240.0  # that a test waits for what must come

needs_backend = pytest.mark.skipif(not PYTHON.exists(), reason=f"needs the backend's environment at {PYTHON}")

GENERATE = protocol.Generate(prompt="a rose")
MELT = protocol.Animate(stages=(protocol.Stage(process=protocol.Melt()),))


def until(condition, tick) -> None:
    ends = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < ends, "waited too long"
        tick()
        time.sleep(0.005)


def preferences():
    return bpy.context.preferences.addons["blender_addon"].preferences


def ended_well(goal=None) -> SimpleNamespace:
    """An installation, of the learned engine where no other list is its goal."""
    from blender_addon.seam import LEARNED_REQUIREMENTS

    return SimpleNamespace(state="done", goal=goal or LEARNED_REQUIREMENTS, poll=lambda: True, cancel=lambda: None)


def generate_settings(frames=4, seed=3):
    settings = bpy.context.scene.anthesis.generate
    settings.prompt, settings.frames, settings.seed = "a red rose blooming", frames, seed
    return settings


def key_positions(obj) -> np.ndarray:
    """(keys, V, 3) of the shape keys after the Basis."""
    blocks = obj.data.shape_keys.key_blocks[1:]
    positions = np.empty((len(blocks), len(obj.data.vertices), 3), np.float32)
    for block, target in zip(blocks, positions, strict=True):
        block.points.foreach_get("co", target.reshape(-1))
    return positions


class Script:
    """A session whose records are written down beforehand, handed out as `allowed` grows."""

    def __init__(self, pump, monkeypatch):
        self.pump, self.session = pump, pump.session
        self.records, self.given, self.allowed = {}, {}, {}
        for name in ("take", "fetched", "fetch", "stop_fetching", "tick"):
            monkeypatch.setattr(self.session, name, getattr(self, name))

    def job(self, request, packed, target=None, title="Test"):
        from blender_addon.client.jobs import Job

        job = Job(f"{len(self.records):032x}", title, request, mine=True, state="running", accepted=True)
        self.records[job.id] = [protocol.unpack(record) for record in packed]
        self.given[job.id] = self.allowed[job.id] = 0
        self.session.jobs[job.id] = job
        self.pump.arrivals.expect(job.id, target, asked=True)
        return job

    def give(self, job, count=None):
        """Let `count` more records come; all of them ends the job well."""
        self.allowed[job.id] += len(self.records[job.id]) if count is None else count
        if self.allowed[job.id] >= len(self.records[job.id]):
            job.state = "done"
        for _ in range(200):
            self.pump.tick()

    def take(self, job):
        if job not in self.records:  # it was submitted, and nothing was written down for it
            return None
        seq = self.given[job]
        if seq >= min(self.allowed[job], len(self.records[job])):
            return None
        self.given[job] += 1
        self.session.jobs[job].taken = seq + 1
        return seq, *self.records[job][seq]

    def fetched(self, job):
        if job not in self.records:
            return False
        return self.session.jobs[job].final and self.given[job] >= min(self.allowed[job], len(self.records[job]))

    def fetch(self, job, from_seq=0):
        self.given[job] = from_seq

    def stop_fetching(self, job):
        pass

    def tick(self, budget=0.0):
        return False


def packed_clip(obj=None, frames=5):
    """A subject, its frames and a certificate, and the target that belongs to them."""
    made = obj or samples.prism("Subject")
    record, arrays, target = samples.subject_of(made)
    clip = samples.clip(record, arrays, frames=frames)
    if obj is None:
        bpy.data.meshes.remove(made.data)  # and the object with it
    return [protocol.pack(each, values) for each, values in clip], target

"""The training of image dynamics. Beside what every training leaves there is, in its folder,

OUT/latents/        what the denoiser learns from; made again where it is missing, or of other data
"""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from backend.priors.dynamics import NETWORKS, Dynamics, normal
from backend.priors.dynamics.sizes import Sizes
from backend.report import Report, silent
from backend.training import card, loop
from backend.training.checkpoint import OtherPlan
from backend.training.dynamics.phases import PHASES, Phase, Place
from backend.training.dynamics.plan import Plan
from backend.training.dynamics.stock import Data
from backend.training.learner import Learner, Tell
from backend.training.log import Log
from backend.training.loop import How

LATENTS = "latents"
MEANINGS = {
    "energy_left": "share of the motion's energy that is lost between encoder and decoder, normalised; 1 is all",
    "noise_left": "squared error of what is predicted; 1 is that of a network that says nothing",
    "guidance": "by the picture: chosen so that things of the held-out samples swing as far as in truth",
    "magnitude": "size of the drawn motion, the lean left out, as a share of the true one's; with that guidance, and "
    "on the same samples",
    "place": "cosine between the maps of how far things swing, drawn and true",
    "restoration": "mean error of spoilt pictures that are given back, of unit contrast",
    "psnr": "decibels of rendered frames, given the true motion",
    "psnr_still": "decibels of the picture in place of the frame",
}


def train(plan: Plan, data: Data, out: Path, how: How, report: Report = silent) -> dict[str, float]:
    """As `loop.train`, which see; NotLearned where the autoencoder loses too much."""
    return loop.train(Swaying(plan, data, out / LATENTS, how), out, how, report)


class Swaying(Learner):
    """A model of image dynamics, and its data."""

    phases = PHASES
    place: Place

    def __init__(self, plan: Plan, data: Data, folder: Path, how: How) -> None:
        self.plan, self.data, self.folder, self.how = plan, data, folder, how
        self.about, self.digests = self.about_of(plan, data), data.digests

    @staticmethod
    def about_of(plan: Plan, data: Data) -> str:
        return f"{data.about}, mirrored and recoloured" if plan.varied else data.about

    @property
    def counts(self) -> tuple[int, int]:
        return len(self.data.train), len(self.data.held_out)

    @property
    def sizes(self) -> dict:
        return self.plan.sizes.as_json()

    def check(self, sizes: dict) -> None:
        own, wanted = Sizes.of_json(sizes), self.plan.sizes
        if own != wanted:
            raise OtherPlan(
                f"it is of networks of other sizes ({own.height} x {own.width} pixels, {own.bins} bins; wanted are "
                f"{wanted.height} x {wanted.width} and {wanted.bins})"
            )

    def begin(self, state: dict[str, Any] | None, report: Report) -> None:
        sizes, device = self.plan.sizes, self.how.device
        if state is None:
            shutil.rmtree(self.folder, ignore_errors=True)
            report(0.0, "Measuring how far things move")
            scales = torch.from_numpy(self.data.train.corpus.scales().sizes[: sizes.bins]).float()
            scales = scales if sizes.adaptive else normal.alike(scales)
        else:
            scales = state["scales"]
        self.model = Dynamics.fresh(sizes, scales.to(device), self.how.seed)
        if state is not None:
            restore(self.model, state)
        for network in NETWORKS:
            getattr(self.model, network).to(device)
        self.place = Place(self.model, self.plan, self.data, self.folder, device)

    def state(self) -> dict[str, Any]:
        return state_of(self.model)

    def phase(self, kind: type[Phase], tell: Tell) -> Phase:
        return kind(replace(self.place, report=tell))

    def save(self, folder: Path) -> None:
        self.model.save(folder)

    def card(self, log: Log) -> str:
        sizes = self.model.sizes
        paragraphs = (
            "From one picture how all in it sways, as a spectral volume, and video of it. Networks of the design of "
            'Li, Tucker, Snavely, Holynski, "Generative Image Dynamics" (CVPR 2024, arXiv:2309.07906), trained by '
            "Anthesis.",
            f"Pictures of {sizes.height} x {sizes.width} pixels (height x width), {sizes.bins} bins.",
        )
        networks = {name: getattr(self.model, name).parameters() for name in NETWORKS}
        return card.text(card.About("Image dynamics", paragraphs, MEANINGS, networks), log)


def state_of(model: Dynamics) -> dict[str, Any]:
    """All that training changes in a model."""
    config = model.autoencoder.config
    return {
        "networks": {name: getattr(model, name).state_dict() for name in NETWORKS},
        "centre": {"shift_factor": config.shift_factor, "scaling_factor": config.scaling_factor},
        "scales": model.scales,
        "guidance": model.guidance,
    }


def restore(model: Dynamics, state: dict[str, Any]) -> None:
    """As it was when `state_of` was asked."""
    for name, weights in state["networks"].items():
        getattr(model, name).load_state_dict(weights)
    model.autoencoder.register_to_config(**state["centre"])
    model.scales = state["scales"].to(model.scales.device)
    model.guidance = state["guidance"]

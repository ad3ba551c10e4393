"""Words to views of one thing: the model that a request names, what it reads of the words, and the records.

Records are views while they are drawn, the views, a certificate.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import tau as TURN
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from backend import learned, models, protocol, terminal, wire
from backend.certificate import TIME
from backend.pipelines import subjects, trained
from backend.pipelines.trained import NoModel, TooLittleMemory
from backend.prompt import NotUnderstood, life_of
from backend.report import Glimpse, Report, Varying, noting

if TYPE_CHECKING:
    from backend.pipelines.recipes import Recipe
    from backend.priors.prior import Prior
    from backend.priors.sampling import Sampling

WEIGHTS = Path(__file__).parents[1] / "weights" / "multiview"  # of the model that comes with us
LIBRARIES = {"torch": "torch", "diffusers": "diffusers", "safetensors": "safetensors", "PIL": "pillow"} | {
    "skimage": "scikit-image", "fast_simplification": "fast-simplification", "xatlas": "xatlas",
}  # fmt: skip
IN_PARTS = "The GPU's memory is short: the model is asked in smaller parts, which takes longer"
GLIMPSES = 40  # of one job, at most
EVERY = 1.0  # seconds from one that shows something new to the next
ALL, SHOWN = 60, 24  # words in a refusal: all that a model knows if it knows at most so many, else the first of them
# Words that name nothing: who knows these alone knows nothing of what is asked for.
_SMALL = frozenset("a an the of to in on at by with without and or left right front behind beside next down".split())


def no_views() -> str:
    """Why a model must be named, or what is missing, in a sentence; "" where one comes with us."""
    return learned.lacking(**LIBRARIES)[:200] or trained.lacking_one(WEIGHTS, " of views")


class Heard(NamedTuple):
    """A model and how it is asked."""

    prior: "Prior"
    recipe: "Recipe"
    text: str  # what it is asked: the words, as many as it reads, with the recipe's suffix
    unread: tuple[str, ...]  # words that it does not read, of what it is asked and of what it should not make


def heard(named: str, words: str, negative: str) -> Heard:
    """The model of that name, its recipe, and what of the words it does not read, those of the negative text with them.

    Raises:
        NoModel, NotInstalled, ModelError: there is none that could be used.
        NotUnderstood: it knows none of the words.
    """
    prior = prior_of(named)
    from backend.pipelines.recipes import PUBLISHED, SEEDLING
    from backend.priors.seedling import Seedling, split

    if not isinstance(prior, Seedling):
        text, unread = _fitting(prior, words.strip(), PUBLISHED.suffix)
        return Heard(prior, PUBLISHED, text, _named([*unread, *_against(prior, negative)]))
    unread = _named(prior.unread(words))
    if not {*split(words)} - {*unread} - _SMALL:
        known = [word for word in prior.words if word not in _SMALL]
        few = len(known) <= ALL
        listed = ", ".join(known) if few else f"{', '.join(known[:SHOWN])} and {len(known) - SHOWN} more"
        quoted = words if len(words) <= 60 else f"{words[:57]}..."
        raise NotUnderstood(
            "object", f'The model knows none of the words of "{quoted}": it knows {listed}. Say it with these, or name '
            "another model",
        )  # fmt: skip
    recipe = SEEDLING.at(prior.sizes.side)
    return Heard(prior, recipe, words.strip() + recipe.suffix, _named([*unread, *_against(prior, negative)]))


def _against(prior: "Prior", negative: str) -> list[str]:
    """The words of a negative text that it does not read, as such. Those of the usual one are not told."""
    usual = {*prior.unread(protocol.NEGATIVE)}
    return [f"negative: {word}" for word in _named(prior.unread(negative)) if word not in usual]


def _named(words: list[str]) -> tuple[str, ...]:
    """Each of them once, and none that names nothing."""
    return tuple(dict.fromkeys(word for word in words if word.lower() not in _SMALL))


def _fitting(prior: "Prior", text: str, suffix: str) -> tuple[str, list[str]]:
    """As much of a text as is read with a suffix behind it, with that; and the words that are left out."""
    if not prior.unread(text + suffix):
        return text + suffix, []
    length = bisect_left(range(1, len(text)), True, key=lambda count: bool(prior.unread(text[:count] + suffix)))
    kept = text[:length]
    within = not any(letter.isspace() for letter in text[max(length - 1, 0) : length + 1])
    if within and len(kept.split()) > 1:  # there is another word before
        kept = kept.rsplit(maxsplit=1)[0]
    return kept.rstrip() + suffix, text[len(kept) :].split()


def folder_of(named: str) -> Path:
    """Where the model lies that is named, where it is none of the catalogue."""
    named = named.strip()
    return subjects.found(named) or Path(named).expanduser() if named else WEIGHTS


def prior_of(named: str) -> "Prior":
    """The model in a folder, of a public name, of a subject, or the one that comes with us.

    Raises NoModel, NotInstalled, and models.ModelError where a public one is not here.
    """
    learned.wanted(**LIBRARIES)
    public = next((model for model in models.MODELS if model.name == named.strip()), None)
    if public is not None:
        return _published(public, trained.device())
    return trained.loaded(_in_folder, str(subjects.found(named) or named.strip()), WEIGHTS, "multiview", " of views")


def _published(model: models.Model, device: str) -> "Prior":
    """One of the catalogue."""
    _want_gpu(model.title, device)
    learned.wanted(transformers="transformers")
    found = models.found(model)
    from backend.priors import mvdream, stable

    weights = next((path for name, path in found.files.items() if name.endswith(".pt")), None)
    with trained.read(model.title, f"`{terminal.command(f'models get {model.name}')}` looks at all of it"):
        if weights is None:
            return _of_views(stable.LatentDiffusion.load(found.folder, device), model.title)
        words = next(path for name, path in found.files.items() if name.startswith("tokenizer/"))
        return mvdream.load(weights, words.parent, device)


def _in_folder(folder: Path, device: str) -> "Prior":
    """A seedling, or a model in the layout of a public one."""
    from backend.priors.seedling import CARD, Seedling

    if not (folder / "text_encoder").is_dir() or (folder / CARD).is_file():
        return Seedling.load(folder, device)
    _want_gpu(f"The model in {folder}", device)
    learned.wanted(transformers="transformers")
    from backend.priors.stable import LatentDiffusion

    return _of_views(LatentDiffusion.load(folder, device), f"The model in {folder}")


def _want_gpu(title: str, device: str) -> None:
    if device == "cpu":
        raise NoModel(
            f"{title} needs a GPU, and torch finds none that it can use here: leave Model empty, or name a seedling. "
            f"`{terminal.command('doctor --load')}` says what is missing"
        )


def _of_views(model, title: str):
    if model.unet.class_embedding is None:
        raise NoModel(f"{title} knows single pictures alone, and views want a model of several: name another one")
    return model


def viewing(request: protocol.Views, report: Report) -> Iterator[bytearray]:
    """Views of what the words say, as records."""
    began = time.perf_counter()
    lived = life_of(request.prompt)  # views are of the thing, as are those that a mesh begins with
    request = msgspec.structs.replace(request, prompt=lived.thing)
    report(0.0, "Loading the model")
    asked = heard(request.model, request.prompt, request.negative)
    glimpses, said = None, []
    header = {
        "azimuths": tuple(k * TURN / request.count for k in range(request.count)),
        "passed_over": passed_over((*asked.unread, *lived.told, *lived.passed_over)),
        "version": protocol.VERSION,
    }
    for step, steps, pixels in drawn(asked, request, report, said.append):
        glimpses = glimpses or Glimpses(steps)
        understood = (lived.thing[:200], *said)
        record = protocol.ViewsRecord(step=step, steps=steps, preview=step < steps, understood=understood, **header)
        if step < steps:
            yield from glimpses.of(record, lambda pixels=pixels: pixels)
        else:
            yield Varying(wire.pack_views(record, pixels))
    seconds = time.perf_counter() - began
    count, height, width, _ = pixels.shape
    summary = f"{count} views of {width} x {height} pixels, {steps} {'step' if steps == 1 else 'steps'}"
    measured = (("views", float(count), ""), ("steps", float(steps), ""), (TIME, seconds, "s"))
    yield Varying(protocol.pack(protocol.Certificate(summary=". ".join((summary, *said)), measured=measured), {}))


def drawn(
    asked: Heard, request: protocol.Views, report: Report, say: Callable[[str], None]
) -> Iterator[tuple[int, int, wire.Pixels]]:
    """(step, steps, views (F, H, W, 3)) after each step of drawing them. Where the GPU's memory is short they are drawn
    anew in smaller parts, to the same views, and `say` is told. Raises NotFinite, TooLittleMemory, NoModel."""
    import torch

    how = asked.recipe.sampling
    how = replace(how, steps=request.steps or how.steps, scale=request.scale or how.scale)
    levels = asked.prior.schedule.levels
    if how.steps > levels:
        raise NoModel(f"The model has {levels} levels of noise, and {how.steps} steps were asked for: take fewer")
    for apart in (False, True):
        try:
            yield from _drawn(asked, request, replace(how, apart=apart), noting(report, IN_PARTS) if apart else report)
            return
        except torch.OutOfMemoryError as error:
            if apart:
                raise TooLittleMemory(
                    f"The GPU has too little memory for {request.count} views at once: ask for fewer, or close other "
                    "programs"
                ) from error
        torch.cuda.empty_cache()  # now that what was under way is gone with its error
        say(IN_PARTS)


def _drawn(
    asked: Heard, request: protocol.Views, how: "Sampling", report: Report
) -> Iterator[tuple[int, int, wire.Pixels]]:
    """As `drawn`, in one way. Raises NotFinite, torch.OutOfMemoryError."""
    from backend.guidance import NotFinite
    from backend.pipelines.mvdream import views

    pictures = views(asked.prior, asked.text, request.negative, request.count, request.elevation, request.seed, how)
    step = 0
    try:
        report(0.0, f"Drawing views, step 1 of {how.steps}")
        for step, pixels in enumerate(pictures, start=1):
            report(step / how.steps, f"Drawing views, step {min(step + 1, how.steps)} of {how.steps}")
            yield step, how.steps, pixels
    except NotFinite as error:
        raise wire.NotFinite(
            f"Drawing views broke down at step {step + 1} of {how.steps}: {error}. Try another seed, a lower Guidance "
            "or another model"
        ) from error


def passed_over(words: tuple[str, ...]) -> tuple[str, ...]:
    """As many of them, and as much of each, as a panel can show."""
    told = tuple(word[:40] for word in words[:32])
    return (*told, f"and {len(words) - len(told)} more") if len(words) > len(told) else told


class Glimpses:
    """What is seen of something that takes so many steps: as many in each attempt, new ones not too often."""

    def __init__(self, steps: int) -> None:
        count = min(steps, GLIMPSES)
        self._left = [round((k + 1) * steps / count) for k in range(count)]
        self._shown, self._at = bytearray(), -1e9

    def of(self, record: protocol.ViewsRecord, show: Callable[[], wire.Pixels]) -> Iterator[Glimpse]:
        """What is due now that `record.step` steps are done; where some were done before, all that was due then."""
        while self._left and self._left[0] <= record.step:
            self._left.pop(0)
            if time.monotonic() - self._at >= EVERY:
                self._shown, self._at = wire.pack_views(record, show()), time.monotonic()
            yield Glimpse(self._shown)

"""What is set beside each other: the same weights, asked in several ways, and distilled in several ways."""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace

from torch import Tensor

from backend.guidance import PLAIN_SDS, Guidance
from backend.priors.prior import Given, Prior


def as_it_is(given: Given) -> Given:
    """All views of a set at once, and their cameras."""
    return given


def flat(given: Given) -> Given:
    """Two-dimensional mode: one view at a time, without its camera."""
    return Given(given.text)


def apart(given: Given) -> Given:
    """The camera alone: one view at a time, which is told where it is seen from."""
    return Given(given.text, 1, given.cameras)


def asked(prior: Prior, way: Callable[[Given], Given]) -> Prior:
    """The same prior, to which all that is given is told in one of these ways."""
    own = copy(prior)

    def predict(x_t: Tensor, t: Tensor, given: Given) -> Tensor:
        return prior.predict(x_t, t, way(given))

    own.predict = predict
    return own


def plain(how: Guidance) -> Guidance:
    """Score distillation sampling as DreamFusion has it, of the same scale and levels.

    It weighs alpha sigma, at most 1/2, where the x0 loss weighs 1, and what smooths and clears the field weighs as it
    did: so beside its data that has at least twice the say. What differs in the results is of all three together.
    """
    return replace(how, loss=PLAIN_SDS.loss, rescale=PLAIN_SDS.rescale, clamp=PLAIN_SDS.clamp)


@dataclass(frozen=True)
class Arm:
    """One way of distilling."""

    about: str
    way: Callable[[Given], Given] = as_it_is
    guidance: Callable[[Guidance], Guidance] | None = None  # what is changed of it
    started: bool = False  # whether the field is first fitted to views that are drawn
    has_front: bool = True  # whether it knows where the front is


ARMS = {
    "multi": Arm("multi-view"),
    "flat": Arm("2-D mode, same weights, at its best turn", flat, has_front=False),
    "apart": Arm("camera embedding alone, same weights", apart),
    "sds": Arm("multi-view, plain SDS (no clamp, weight <= 0.5, regularised alike)", guidance=plain),
    "started": Arm("multi-view, begun from drawn views", started=True),
}
UNSEEN = "multi", "flat"  # what things are distilled with that no set of views showed

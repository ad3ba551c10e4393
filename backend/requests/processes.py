"""What can happen to a mesh, and when: the processes with their sliders, and the stages of a life."""

from typing import get_args

from msgspec import Struct

from .fields import Amount, End, Start, slider


class _Process(Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True):
    """What happens to a mesh, and its sliders. The docstring of each is its tooltip."""


class Wilt(_Process, tag="wilt"):
    """Leaves and petals droop and curl, stems bow, everything softens and browns."""

    droop: slider("Droop", "How far it hangs down") = 0.5
    curl: slider("Curl", "How much leaves and petals roll in") = 0.5
    browning: slider("Browning", "How brown it gets") = 0.8


class Melt(_Process, tag="melt"):
    """It slumps from the top and flows into a pool."""

    spread: slider("Spread", "How wide and thin the pool gets") = 0.5
    gloss: slider("Gloss", "How wet it looks") = 0.5


class Shrivel(_Process, tag="shrivel"):
    """It dries out: shrinks, wrinkles and darkens, as a grape becomes a raisin."""

    shrink: slider("Shrink", "How much smaller it gets") = 0.5
    wrinkles: slider("Wrinkles", "How deep the wrinkles are") = 0.5
    darkening: slider("Darkening", "How dark and dull it gets") = 0.6


class Rot(_Process, tag="rot"):
    """Brown spots spread over it, it goes soft and caves in, and mould grows."""

    spots: slider("Spots", "How large the spots are") = 0.5
    collapse: slider("Collapse", "How far it caves in") = 0.5
    mould: slider("Mould", "How much mould grows on it") = 0.4


class Grow(_Process, tag="grow"):
    """It sprouts from its root to its tips. The last frame is your mesh."""

    order: slider("Order", "1: part after part, from the root to the tips; 0: everything at once") = 0.7
    sway: slider("Sway", "How far new parts lean and turn before they straighten") = 0.5


class Bloom(_Process, tag="bloom"):
    """Petals open from a bud. The last frame is your mesh."""

    tightness: slider("Tightness", "How tightly the bud is closed") = 0.6
    order: slider("Order", "1: outer petals open first; 0: all at once") = 0.6


class Close(_Process, tag="close"):
    """Petals close to a bud. The first frame is your mesh."""

    tightness: slider("Tightness", "How tightly the bud closes") = 0.6
    order: slider("Order", "1: inner petals close first; 0: all at once") = 0.6


class Swell(_Process, tag="swell"):
    """It rises and rounds out, thick parts most, as dough does."""

    rise: slider("Rise", "How much it swells") = 0.5
    puff: slider("Puff", "How far it bulges between the parts that hold it in") = 0.5


class Burn(_Process, tag="burn"):
    """A glowing front eats its way through; what it leaves is charred, curls and crumbles."""

    curl: slider("Curl", "How much it warps as it chars") = 0.5
    ember: slider("Ember", "How wide the glowing edge is, and how bright") = 0.5
    crumble: slider("Crumble", "How much of it falls to ash and is gone") = 0.5


class Freeze(_Process, tag="freeze"):
    """Frost spreads over its surface from the tips."""

    cover: slider("Cover", "How much of it is frosted in the end") = 0.8
    crystals: slider("Crystals", "How rough and spiky the frost is") = 0.5


class Rust(_Process, tag="rust"):
    """Rust eats into its surface, first where water would stay."""

    cover: slider("Cover", "How much of it is rusty in the end") = 0.7
    flakes: slider("Flakes", "How much the rust blisters") = 0.4


class Crumple(_Process, tag="crumple"):
    """It is crushed into creases and folds, as a sheet of paper or a tin."""

    tightness: slider("Tightness", "How small it is crushed") = 0.5
    creases: slider("Creases", "How many and how sharp the creases are") = 0.5


Process = Wilt | Melt | Shrivel | Rot | Grow | Bloom | Close | Swell | Burn | Freeze | Rust | Crumple
BIRTHS = (Grow, Bloom)  # they end with the artist's mesh
PROCESSES: dict[str, type[Process]] = {kind.__struct_config__.tag: kind for kind in get_args(Process)}


def name_of(process: Process) -> str:
    """The word for a process: "wilt"."""
    return process.__struct_config__.tag


class Stage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One process in the life of an object, and when it happens."""

    process: Process = Wilt()
    amount: Amount = 1.0
    start: Start = 0.0
    end: End = 1.0

    def __post_init__(self):
        if not self.start < self.end:
            raise ValueError(
                f"{name_of(self.process).capitalize()} ends at {self.end:g} of life, not after its start at "
                f"{self.start:g}: let it end later"
            )

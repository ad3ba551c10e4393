"""What a specimen may be like: one record of parameters for each, with its ranges and units.

Defaults and limits stand here only: the redo panel's sliders are made from them, as those of a process are made from
requests. Colours are linear RGB in [0, 1]. `height` is the only length, in metres; all else that has a size is told
as a share of the usual one, so that a specimen twice as tall is the same specimen twice as large.
"""

from typing import Annotated, ClassVar, NamedTuple, get_args

from msgspec import Meta, Struct

Channel = Annotated[float, Meta(ge=0.0, le=1.0)]
RGB = tuple[Channel, Channel, Channel]


def _colour(of: str):
    return Annotated[RGB, Meta(title="Colour", description=f"Of {of}")]


def _height(of: str):
    about = Meta(ge=0.005, le=20.0, title="Height", description=f"Metres, of {of}", extra={"unit": "metre"})
    return Annotated[float, about]


def _share(title: str, description: str, least: float = 0.0, most: float = 1.0):
    return Annotated[float, Meta(ge=least, le=most, title=title, description=description)]


def _count(title: str, description: str, least: int, most: int):
    return Annotated[int, Meta(ge=least, le=most, title=title, description=description)]


def _size(title: str, of: str):
    return _share(title, f"Size of {of}, 1 being the usual one", 0.5, 2.0)


Detail = Annotated[
    float, Meta(ge=0.3, le=2.0, title="Detail", description="Rows and columns of vertices, times this: level of detail")
]


class Stretch(NamedTuple):
    """The part of life time in which a process happens; backwards where start > end."""

    start: float
    end: float


class Life(NamedTuple):
    """What can happen to a specimen, by the word for it, and the life time at which it stands at its best."""

    stretches: dict[str, Stretch]
    prime: float
    sways: bool = False  # rooted and limber: wind moves it
    few: int | None = None  # petals that fall within the stretch of "drop"; more take as long as it wilts


class _Species(Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True):
    """A specimen's parameters. The docstring of each is its tooltip.

    `life` is what happens to it, and when. `needs` are the parameters that a process asks for: an apple that dries is
    not one that rots. `within` names
    processes that are part of another: wax melts while a candle burns.
    """

    detail: Detail = 1.0
    life: ClassVar[Life]
    needs: ClassVar[dict[str, dict[str, float]]] = {}
    within: ClassVar[dict[str, str]] = {}


class Rose(_Species, tag="rose"):
    """A hybrid tea rose: a bud opens, stands, wilts and drops petals."""

    life = Life(
        {
            "bloom": Stretch(0.0, 0.45),
            "close": Stretch(0.45, 0.0),
            "wilt": Stretch(0.49, 1.0),
            "drop": Stretch(0.49, 0.79),
        },
        prime=0.45,
        sways=True,
        few=4,
    )

    colour: _colour("the petals") = (0.42, 0.010, 0.018)
    height: _height("the standing plant") = 0.30
    flower: _size("Flower", "the flower") = 1.0
    petals: _count("Petals", "How many the flower has", 12, 60) = 32
    leaves: _count("Leaves", "Compound leaves of five leaflets", 0, 5) = 2
    thorns: _count("Thorns", "Prickles on the stem", 0, 20) = 7
    fallen: _count("Fallen Petals", "Petals that fall as it wilts, outermost first", 0, 60) = 3


class Lily(_Species, tag="lily"):
    """A trumpet lily: a bud opens, its tepals reflex, wilt and fall."""

    life = Life(
        {
            "bloom": Stretch(0.0, 0.45),
            "close": Stretch(0.45, 0.0),
            "wilt": Stretch(0.6, 1.0),
            "drop": Stretch(0.6, 1.0),
        },
        prime=0.45,
        sways=True,
    )

    colour: _colour("the tepals") = (0.80, 0.42, 0.50)
    height: _height("the standing plant up to its pistil") = 0.45
    flower: _size("Flower", "the flower") = 1.0
    petals: _count("Tepals", "How many the flower has", 3, 9) = 6
    leaves: _count("Leaves", "Leaves up the stem", 0, 30) = 14
    freckles: _share("Freckles", "How strongly the tepals are spotted") = 0.6
    fallen: _count("Fallen Tepals", "Tepals that fall as it wilts", 0, 9) = 2


class Sunflower(_Species, tag="sunflower"):
    """A sunflower: it grows, opens, hangs its head and dries."""

    life = Life(
        {"grow": Stretch(0.0, 0.35), "bloom": Stretch(0.35, 0.6), "wilt": Stretch(0.65, 1.0)}, prime=0.6, sways=True
    )

    colour: _colour("the ray florets") = (0.82, 0.42, 0.008)
    height: _height("the standing plant up to its disc") = 1.5
    flower: _size("Flower", "the head") = 1.0
    petals: _count("Petals", "Ray florets about the disc", 13, 55) = 34
    leaves: _count("Leaves", "Leaves up the stem", 0, 16) = 10
    florets: _count("Florets", "Florets of the disc, in spirals", 0, 400) = 300


class Sprout(_Species, tag="sprout"):
    """A seedling: it breaks the ground as a hook, straightens, unfolds its leaves, and wilts in the end."""

    life = Life({"grow": Stretch(0.0, 0.7), "wilt": Stretch(0.75, 1.0)}, prime=0.7, sways=True)

    colour: _colour("the leaves") = (0.10, 0.30, 0.035)
    height: _height("the grown plant") = 0.12
    leaves: _count("Leaves", "True leaves above the two seed leaves", 0, 8) = 4
    size: _size("Leaf Size", "the leaves") = 1.0


class Mushroom(_Species, tag="mushroom"):
    """A fly agaric: a button swells, tears its veil, opens its cap, and rots."""

    life = Life({"grow": Stretch(0.0, 0.55), "rot": Stretch(0.65, 1.0)}, prime=0.6, sways=True)

    colour: _colour("the cap") = (0.55, 0.022, 0.010)
    height: _height("the grown mushroom") = 0.12
    cap: _size("Cap", "the cap") = 1.0
    spots: _count("Spots", "Warts that the veil leaves on the cap", 0, 80) = 36


class OakLeaf(_Species, tag="oak_leaf"):
    """A twig of oak leaves: they turn colour, dry and curl, and fall."""

    life = Life(
        {"turn": Stretch(0.0, 0.4), "dry": Stretch(0.4, 0.75), "drop": Stretch(0.75, 1.0)}, prime=0.0, sways=True
    )

    colour: _colour("the leaves in autumn") = (0.50, 0.17, 0.022)
    height: _height("the twig up to its end or the tip of its highest leaf") = 0.25
    leaves: _count("Leaves", "Leaves on the twig", 1, 12) = 6
    lobes: _count("Lobes", "Lobes on each side of a leaf", 2, 7) = 4
    fallen: _count("Fallen Leaves", "Leaves that fall in the end", 0, 12) = 4


class Apple(_Species, tag="apple"):
    """An apple: it ripens from green, then rots or dries."""

    life = Life({"ripen": Stretch(0.0, 0.35), "rot": Stretch(0.35, 1.0), "dry": Stretch(0.35, 1.0)}, prime=0.35)

    colour: _colour("the ripe skin") = (0.50, 0.018, 0.014)
    height: _height("the apple without its stalk and leaf") = 0.075
    blush: _share("Blush", "How much of the skin colours as it ripens") = 0.75
    damp: _share("Damp", "1: it rots and moulds; 0: it dries and wrinkles") = 1.0
    leaf: _count("Leaves", "Leaves at the stalk", 0, 2) = 1
    needs = {"rot": {"damp": 1.0}, "dry": {"damp": 0.0}}


class Bread(_Species, tag="bread"):
    """A loaf: the dough rises, springs in the oven, opens along its cuts and browns."""

    life = Life({"rise": Stretch(0.0, 0.45), "bake": Stretch(0.45, 1.0)}, prime=1.0)

    colour: _colour("the crust") = (0.40, 0.15, 0.035)
    height: _height("the baked loaf") = 0.11
    length: _share("Length", "Length of the loaf, in its heights", 1.5, 4.0) = 2.4
    cuts: _count("Cuts", "Cuts across the top", 0, 6) = 3
    rise: _share("Rise", "Volume of the risen dough, in its own before", 1.3, 3.0) = 2.0


class Candle(_Species, tag="candle"):
    """A candle: it burns down, its wax runs over and pools."""

    life = Life({"burn": Stretch(0.0, 1.0), "melt": Stretch(0.0, 1.0)}, prime=0.25)

    colour: _colour("the wax") = (0.82, 0.76, 0.60)
    height: _height("the new candle without its wick") = 0.18
    girth: _share("Girth", "Diameter, in heights", 0.05, 1.5) = 0.28
    wicks: _count("Wicks", "Wicks, each with a flame; several widen a thin candle", 1, 4) = 1
    drips: _count("Drips", "Runs of wax down its side", 0, 16) = 8
    flame: _share("Flame", "Size of the flames; 0: it has none, and softens and slumps in the heat") = 1.0
    needs = {"burn": {"flame": 1.0}, "melt": {"flame": 0.0}}
    within = {"melt": "burn"}


class IceCream(_Species, tag="ice_cream"):
    """Scoops in a wafer cone: they soften, run over and pool."""

    life = Life({"melt": Stretch(0.0, 1.0)}, prime=0.0)

    colour: _colour("the lowest scoop") = (0.80, 0.62, 0.40)
    height: _height("the cone with two scoops") = 0.17
    scoops: _count("Scoops", "Scoops on one another", 1, 3) = 2
    drips: _count("Drips", "Runs down the cone", 2, 12) = 7


class IceBlock(_Species, tag="ice_block"):
    """A block of ice: its edges round off, it melts from the outside, and its water spreads."""

    life = Life({"melt": Stretch(0.0, 1.0)}, prime=0.0)

    colour: _colour("the ice") = (0.62, 0.78, 0.84)
    height: _height("the block") = 0.10
    length: _share("Length", "Length of the block, in its heights", 0.5, 4.0) = 1.4
    cracks: _share("Cracks", "How much white there is in the ice") = 0.5


class Match(_Species, tag="match"):
    """A match: its head flares, a flame eats its way down, the wood chars and curls."""

    life = Life({"burn": Stretch(0.0, 1.0)}, prime=0.0)

    colour: _colour("the head") = (0.40, 0.020, 0.014)
    height: _height("the standing match") = 0.05
    curl: _share("Curl", "How far the charred wood bends") = 0.6
    length: _share("Burnt", "Share of the stick that has burnt in the end", 0.2, 1.0) = 0.85


Species = (
    Rose | Lily | Sunflower | Sprout | Mushroom | OakLeaf | Apple | Bread | Candle | IceCream | IceBlock | Match
)  # fmt: skip
SPECIES: dict[str, type[Species]] = {kind.__struct_config__.tag: kind for kind in get_args(Species)}


def name_of_species(record: Species) -> str:
    """The word for a specimen: "ice_cream"."""
    return record.__struct_config__.tag

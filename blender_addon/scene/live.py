"""What stays live on a finished object, without the backend: custom properties, and the drivers that follow them.

Life runs from 0 to 1 and is keyed over the clip's frames: its curve is the timing, and the artist's to edit. Amount
says how much of the motion and the colour is shown; where several processes meet, each has a weight beside it. Driver
expressions are simple ones, which Blender works out without Python and so without asking.
"""

import math
import re
from dataclasses import asdict, dataclass

import bpy

from ..seam import protocol
from . import curves, keys, provenance

MOST = 1.5  # of an amount or a weight; a slider ends at 1
LIFE = "Time in the life of the object, from 0 to 1. Edit its curve in the Graph Editor to change the timing"
AMOUNT = "How much of the motion and of the change of colour is shown"
WEIGHT = "How much of this process is shown; the colour follows the strongest of them"


@dataclass(frozen=True)
class Names:
    """The custom properties of one object: free names, for the artist may have a Life of another kind."""

    life: str
    amount: str
    weights: tuple[str, ...] = ()  # one of each process where there are several


def path_of(name: str) -> str:
    """Where a custom property lies, for curves, drivers and layouts."""
    return f'["{name}"]'


def labels(made_by: dict[str, str], count: int) -> list[str]:
    """What `count` processes are called; nothing where it is one."""
    if count == 1:
        return [""]
    words = [word.title() for word in re.split(r", | \+ ", made_by.get("process", ""))]
    if len(words) != count or not {word.lower() for word in words} <= protocol.PROCESSES.keys():
        words = ["Process"] * count
    return [f"{word} {words[: n + 1].count(word)}" if words.count(word) > 1 else word for n, word in enumerate(words)]


def names_for(obj, processes: list[str]) -> Names:
    """Free ones, or those of an earlier clip."""

    def free(name: str) -> str:
        return name if name not in obj or _is_ours(obj, name) else free(f"{name} (Anthesis)")

    return Names(free("Life"), free("Amount"), tuple(free(label) for label in processes if label))


def _is_ours(obj, name: str) -> bool:
    if not isinstance(obj[name], float):
        return False
    return obj.id_properties_ui(name).as_dict().get("description") in (LIFE, AMOUNT, WEIGHT)


def begin(obj, names: Names, first_frame: int, last: int) -> None:
    """The properties, and the curve of Life: linear, from `first_frame` of the scene over `last` frames."""
    passed = bpy.context.scene.frame_current_final - first_frame
    slider(obj, names.life, min(1.0, max(0.0, passed / last)) if last else 1.0, 1.0, LIFE)
    slider(obj, names.amount, 1.0, MOST, AMOUNT)
    for name in names.weights:
        slider(obj, name, 1.0, MOST, WEIGHT)
    points = [(first_frame, 0.0), (first_frame + last, 1.0)] if last else [(first_frame, 1.0)]
    curves.write(obj, path_of(names.life), points, f"{obj.name} Life")


def plays_alone(obj, names: Names) -> bool:
    """Whether the object's action holds nothing but the curve of Life."""
    return [curve.data_path for curve in curves.there(obj)] == [path_of(names.life)]


def slider(obj, name: str, value: float, most: float, description: str) -> None:
    obj[name] = value
    obj.id_properties_ui(name).update(
        min=0.0, max=most, soft_min=0.0, soft_max=1.0, default=value, description=description, subtype="FACTOR"
    )
    obj.property_overridable_library_set(path_of(name), True)  # for who links the object from another file


def drive_key(obj, names: Names, key: str, hat: str, process: int = 0) -> None:
    """A shape key follows: `hat` is its weight over life, keys.hat() of its frame."""
    shape_keys, path = obj.data.shape_keys, keys.path_of(key)
    wanted = {"life": names.life} if "life" in hat else {}
    wanted["amount"] = names.amount
    if names.weights:
        wanted["weight"] = names.weights[process]
    parts = [*(name for name in ("amount", "weight") if name in wanted), *[hat] * (hat != "1")]
    drive(shape_keys, path, obj, wanted, " * ".join(parts))


def drive_input(obj, names: Names, path: str, of: str) -> None:
    """An input of a modifier follows "life", or the "amount" of colour."""
    if of == "life":
        drive(obj, path, obj, {"life": names.life}, "life")
        return
    weights = {f"weight_{number + 1}": name for number, name in enumerate(names.weights)}
    strongest = f" * max({', '.join(weights)})" if weights else ""
    drive(obj, path, obj, {"amount": names.amount} | weights, f"amount{strongest}")


def drive(block, path: str, obj, wanted: dict[str, str], expression: str) -> None:
    """A driver whose variables are custom properties of `obj`; one that is there already is rewritten."""
    data = block.animation_data
    curve = (data and data.drivers.find(path)) or block.driver_add(path)
    driver = curve.driver
    for variable in list(driver.variables):
        driver.variables.remove(variable)
    for name, source in wanted.items():
        variable = driver.variables.new()
        variable.name = name
        variable.targets[0].id = obj
        variable.targets[0].data_path = path_of(source)
    driver.expression = expression


def forget(obj, names: Names) -> None:
    """Take the properties away, their curves and the drivers of the object that follow them."""
    mine = [names.life, names.amount, *names.weights]
    paths = {path_of(name) for name in mine}
    if obj.animation_data is not None:
        curves.remove(obj, paths)
        for driver in [driver for driver in obj.animation_data.drivers if _follows(driver, paths)]:
            obj.animation_data.drivers.remove(driver)
    for name in mine:
        if name in obj:
            del obj[name]


def _follows(curve, paths: set[str]) -> bool:
    targets = [target for variable in curve.driver.variables for target in variable.targets]
    return bool(targets) and all(target.data_path in paths for target in targets)


def of(obj) -> Names | None:
    """The properties that are live on an object; None where it is not ours, or was baked."""
    names = _written(obj)
    return names if names and names.life in obj and names.amount in obj else None


def _written(obj) -> Names | None:
    written = (provenance.read(obj) or {}).get("live")
    return Names(written["life"], written["amount"], tuple(written["weights"])) if written else None


def facts(names: Names) -> dict:
    """What provenance keeps of them."""
    return asdict(names)


def driven(obj, names: Names) -> list[str]:
    """The shape keys whose drivers follow properties of these names, whatever the artist calls the keys."""
    data = obj.data.shape_keys.animation_data if obj.data.shape_keys else None
    paths = {path_of(name) for name in (names.life, names.amount, *names.weights)}
    followers = [driver for driver in data.drivers if _follows(driver, paths)] if data else []
    matches = [keys.VALUE.fullmatch(driver.data_path) for driver in followers]
    return [bpy.utils.unescape_identifier(match[1]) for match in matches if match]


def leads(obj) -> bool:
    """Whether the drivers of its shape keys follow this object. A copy whose mesh was shared, and then made single,
    still follows the first one."""
    data = obj.data.shape_keys.animation_data if obj.data.shape_keys else None
    ours = (driver for driver in data.drivers if keys.is_ours(driver)) if data else iter(())
    first = next(ours, None)
    return first is not None and all(variable.targets[0].id == obj for variable in first.driver.variables)


def follow(copy, obj, names: Names) -> None:
    """Let a copy's drivers that follow these properties follow those of the object that it was copied from."""
    paths = {path_of(name) for name in (names.life, names.amount, *names.weights)}
    for driver in copy.animation_data.drivers if copy.animation_data else ():
        if _follows(driver, paths):
            for variable in driver.driver.variables:
                variable.targets[0].id = obj


def frame_range(obj, names: Names) -> tuple[int, int] | None:
    """First and last scene frame at which a curve of these properties changes; None where Life has no curve, or one
    without ends."""
    found = [curves.find(obj, path_of(name)) for name in (names.life, names.amount, *names.weights)]
    if found[0] is None:
        return None
    found = [curve for curve in found if curve is not None and len(curve.keyframe_points)]
    if not found or any(len(curve.modifiers) for curve in found):
        return None
    return math.floor(min(curve.range()[0] for curve in found)), math.ceil(max(curve.range()[1] for curve in found))

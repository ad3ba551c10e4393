"""Sway on an object: two relative shape keys a frequency, which play for ever, and the sliders that act on them.

A spectral volume S (K bins, V, 3) at multiples of a base frequency f0 displaces by Re sum_k S_k exp(2 pi i k f0 t), so

    key "Sway 0.4 Hz cos" = rest + Re S_k   with the value  cos(2 pi k phase)
    key "Sway 0.4 Hz sin" = rest - Im S_k   with the value  sin(2 pi k phase)
    key "Sway Lean"       = rest + Re S_0   with the value  1

Which construction. Three were built and compared in Blender 4.2, 4.5, 5.0 and 5.2 (20,164 vertices, 32 keys):
  A  F-curves with a generator modifier, SIN or COS, in place of keyframes
  B  drivers with simple expressions over custom properties, the phase an animated one: this one
  C  F-curves with a keyframe a frame and a Cycles modifier
All loop, come back from a saved file without the add-on and without leave to run scripts, go through Alembic, USD and
FBX, and cost the same, 2 to 4 ms a frame. Apart they are in this: only B has sliders that Blender itself works out and
that can be animated; A drifts, by one per cent of the swing in an hour, for its phase grows for ever in 32 bits; only C
goes into glTF by default, whose exporter samples what has keyframes (with its animation mode Scene it takes all three).
So a sway is B, with a phase that runs from 0 to 1 and starts again, and turns into C where it is baked or exported.

Sway, the phase, is keyed once over a loop of whole frames, so that frame N + 1 is frame 1 to the bit: its curve is the
timing. Amplitude and Calm to Storm are seen by the drivers alone and may be animated. Speed and direction are not
properties of a frame: Speed rewrites the curve, so that the phase goes on from where it is, and Direction mixes the
keys anew from the modes, because four keys a frequency would be too many for an engine.
"""

import json
import math
from dataclasses import asdict, dataclass

import bpy
import numpy as np

from . import curves, keys, live, modes
from .gusts import Gusts
from .reading import rest
from .ringing import Modes

FACTS = "anthesis_sway"  # custom property of the mesh, JSON
WINDS = "anthesis_sway_winds"  # another: the amplitudes of W winds, (2, W, K, M), real parts first
PHASE = "Where the sway is in its loop, from 0 to 1. Edit its curve in the Graph Editor to change the timing"
MOST = 3.0  # of the amplitude
AMPLITUDE = f"How far it sways and leans: the slider ends at 1, and up to {MOST:g} may be typed"
STORM = "Mean wind, from calm, 0, to storm, 1, along the Beaufort scale: stronger wind leans more and swings faster"
VALUE = 10.0  # what Blender lets a shape key's value be at most
LEAN = "Sway Lean"


@dataclass(frozen=True)
class Mix:
    """What lets a sway be mixed anew: the modes, and how each bin moves them."""

    modes: Modes
    # (W, K, M) complex. Where W = 2, in a wind along x and in one along y: S of an angle is sum_m (cos x_km + sin y_km)
    # shape_m. Where W = 1, as a picture has it, and S is sum_m a_km shape_m.
    amplitudes: np.ndarray


@dataclass(frozen=True)
class Sway:
    """A spectral volume in object space: as it is, or as a mix of modes, which can be poked and, in a wind, turned."""

    coefficients: np.ndarray | None  # (K, V, 3) complex, metres; bin 0 is the lean. None: they follow from the mix
    base: float = 0.2  # Hz
    mix: Mix | None = None
    gusts: Gusts | None = None
    direction: float | None = None  # radians from x, where the wind blows to; None: no wind is known

    @property
    def bins(self) -> int:
        return len(self.coefficients if self.mix is None else self.mix.amplitudes[0])

    @property
    def vertices(self) -> int:
        return self.coefficients.shape[1] if self.mix is None else self.mix.modes.shapes.shape[1]


@dataclass(frozen=True)
class Names:
    """The custom properties of one object, free names, and the keys of its mesh."""

    phase: str
    amplitude: str
    storm: str  # "" where there is no wind to change
    keys: tuple[str, ...]


def put(obj, sway: Sway, first_frame: int | None = None, made_by: dict[str, str] | None = None) -> None:
    """Let an object sway, from `first_frame` on or the scene's first; an earlier sway of it goes. `made_by` is kept.

    Raises ValueError for a mesh with another number of vertices or with absolute shape keys.
    """
    mesh = obj.data
    if sway.vertices != len(mesh.vertices):
        raise ValueError(f'"{obj.name}" has {len(mesh.vertices):,} vertices, not {sway.vertices:,}')
    if mesh.shape_keys is not None and not mesh.shape_keys.use_relative:
        raise ValueError(f'"{obj.name}" has absolute shape keys: set them to Relative')
    remove(obj)
    if mesh.shape_keys is None:
        obj.shape_key_add(name="Basis", from_mix=False)
    names = Names(
        _free(obj, "Sway"),
        _free(obj, "Amplitude"),
        _free(obj, "Calm to Storm") if sway.gusts else "",
        tuple(_key_names(sway.base, sway.bins)),
    )
    facts = {"base": sway.base, "names": asdict(names), "direction": sway.direction, "made_by": made_by}
    facts["gusts"] = asdict(sway.gusts) if sway.gusts else None
    if sway.mix is not None:
        modes.write(mesh, sway.mix.modes)
        pair = np.stack([sway.mix.amplitudes.real, sway.mix.amplitudes.imag])
        facts["frequencies"] = [float(each) for each in sway.mix.modes.frequencies]
        facts["damping"] = [float(each) for each in sway.mix.modes.damping]
        mesh[WINDS] = pair.ravel().tolist()
    mesh[FACTS] = json.dumps(facts)
    for name in names.keys:
        _make(obj, name)
    if sway.mix is not None:
        _mix(obj, sway.direction)
    else:
        _fill(obj, names, np.stack([_part(sway.coefficients, number) for number in range(len(names.keys))]))
    enliven(obj, bpy.context.scene.frame_start if first_frame is None else first_frame)
    obj.show_only_shape_key = False  # a pinned key would hide the motion


def enliven(obj, first_frame: float) -> None:
    """Let the keys follow this object's own sliders: when they are made, after a bake, and in a copy that follows
    another object. The sliders are as they were there. Raises ValueError where keys of the sway are gone."""
    names, gusts = require_keys(obj), _gusts(obj)
    settings = _settings(obj, names) or _facts(obj).get("settings", {})
    silence(obj, names)
    live.slider(obj, names.phase, 0.0, 1.0, PHASE)
    live.slider(obj, names.amplitude, 1.0, MOST, AMPLITUDE)
    if gusts is not None:
        live.slider(obj, names.storm, gusts.storm, 1.0, STORM)
    _run(obj, names, first_frame, _whole(1 / _facts(obj)["base"]))
    for name, (value, curve) in settings.items():
        obj[name] = value
        if curve is not None:
            curves.restore(obj, live.path_of(name), curve, f"{obj.name} Sway")
    obj.data[FACTS] = json.dumps({name: fact for name, fact in _facts(obj).items() if name != "settings"})
    for number in range(len(names.keys)):
        _drive(obj, names, number)


def keep_settings(obj) -> None:
    """Write down the sliders and their curves, which are about to go, for enliven()."""
    obj.data[FACTS] = json.dumps(_facts(obj) | {"settings": _settings(obj, require_keys(obj))})


def _settings(obj, names: Names) -> dict[str, tuple[float, dict | None]]:
    """The value and the curve of each slider; nothing where there are none."""
    found = {}
    for name in (names.phase, names.amplitude, names.storm):
        if name in obj:
            curve = curves.find(obj, live.path_of(name))
            found[name] = obj[name], curve and curves.described(curve)
    return found


def of(obj) -> Names | None:
    """The sway of an object where it is live; None where it has none, or sliders or keys of it are gone."""
    names = on(obj)
    return names if names and names.phase in obj and names.amplitude in obj else None


def on(obj) -> Names | None:
    """The sway of an object, live or baked; None where it has none, or keys of it are gone."""
    facts = _facts(obj)
    if facts is None or obj.data.shape_keys is None:
        return None
    names = Names(**facts["names"] | {"keys": tuple(facts["names"]["keys"])})
    return names if all(key in obj.data.shape_keys.key_blocks for key in names.keys) else None


def require_keys(obj) -> Names:
    """on(), or a ValueError that says what to do."""
    names = on(obj)
    if names is None:
        raise ValueError(f'"{obj.name}" has lost shape keys of its sway: make the sway anew')
    return names


def leads(obj) -> bool:
    """Whether the keys follow this object, not the one that it was copied from."""
    names, data = on(obj), obj.data.shape_keys.animation_data if obj.data.shape_keys else None
    driver = data.drivers.find(keys.path_of(names.keys[0])) if names and data else None
    return driver is not None and all(variable.targets[0].id == obj for variable in driver.driver.variables)


def properties(obj) -> list[tuple[str, str]]:
    """The sliders that Blender itself works out, as (name, path) of custom properties."""
    names = of(obj)
    found = [names.phase, names.amplitude, *[names.storm] * bool(names.storm)] if names else []
    return [(name, live.path_of(name)) for name in found]


def has_modes(obj) -> bool:
    """Whether vibration modes came with a sway. Quick, so that a button may ask."""
    return FACTS in obj.data and WINDS in obj.data and modes.there(obj.data)


def modes_on(obj) -> Modes | None:
    """The vibration modes that came with the sway, as they are on the mesh now."""
    facts = _facts(obj)
    if facts is None or "frequencies" not in facts:
        return None
    return modes.read(obj.data, facts["frequencies"], facts["damping"])


def remove(obj) -> None:
    """Take the sway off, and all that belongs to it."""
    facts = _facts(obj)
    if facts is None:
        return
    names = Names(**facts["names"])
    if obj.data.shape_keys is not None:
        silence(obj, names)
        keys.remove(obj, [key for key in names.keys if key in obj.data.shape_keys.key_blocks])
    forget_sliders(obj, names)
    modes.forget(obj.data)
    obj.data.pop(WINDS, None)
    del obj.data[FACTS]


def forget_sliders(obj, names: Names) -> None:
    for name in (names.phase, names.amplitude, names.storm):
        curves.remove(obj, {live.path_of(name)})
        if name in obj:
            del obj[name]


def silence(obj, names: Names) -> None:
    """Take curves and drivers off the keys of the sway."""
    shape_keys, paths = obj.data.shape_keys, {keys.path_of(key) for key in names.keys}
    if shape_keys.animation_data is None:
        return
    curves.remove(shape_keys, paths)
    data = shape_keys.animation_data
    for driver in [driver for driver in data.drivers if driver.data_path in paths]:
        data.drivers.remove(driver)


# --- Time


def loop(obj) -> tuple[float, int] | None:
    """(frame at which the phase is 0, whole frames of a loop); None where the artist made a timing of his own."""
    names = of(obj)
    curve = curves.find(obj, live.path_of(names.phase)) if names else None
    if curve is None or len(curve.keyframe_points) != 2 or [each.type for each in curve.modifiers] != ["CYCLES"]:
        return None
    (start, low), (end, high) = (point.co for point in curve.keyframe_points)
    return (start, round(end - start)) if (low, high) == (0.0, 1.0) and round(end - start) > 0 else None


def speed(obj) -> float | None:
    """How many times as fast as it was made; None where the artist made a timing of his own."""
    found = loop(obj)
    return _whole(1 / _facts(obj)["base"]) / found[1] if found else None


def set_speed(obj, wanted: float) -> None:
    """To the nearest speed whose loop is a whole number of frames. At the current frame nothing jumps.

    Raises ValueError where the artist made a timing of his own.
    """
    found = loop(obj)
    if found is None:
        raise ValueError(f'The sway of "{obj.name}" has a timing of its own: edit the curve of Sway')
    start, frames = found
    now = bpy.context.scene.frame_current_final
    phase = (now - start) / frames % 1.0
    whole = max(1, round(_whole(1 / _facts(obj)["base"]) / wanted))
    _run(obj, of(obj), now - phase * whole, whole)


def _whole(seconds: float) -> int:
    render = bpy.context.scene.render
    return max(1, round(seconds * render.fps / render.fps_base))


def _run(obj, names: Names, start: float, frames: int) -> None:
    """The curve of the phase."""
    path = live.path_of(names.phase)
    curves.write(obj, path, [(start, 0.0), (start + frames, 1.0)], f"{obj.name} Sway")
    curve = curves.find(obj, path)
    curve.modifiers.new("CYCLES")
    curve.update()
    obj.update_tag()


# --- Direction


def direction(obj) -> float | None:
    """Where the wind blows to, in radians from the x axis that it was made with; None where it cannot be turned."""
    facts = _facts(obj)
    return facts["direction"] if facts and has_modes(obj) else None


def in_wind(obj) -> bool:
    """Whether it was made in a wind, be its modes there or not."""
    facts = _facts(obj)
    return facts is not None and facts["direction"] is not None


def turn(obj, angle: float) -> None:
    """Let the wind blow along another direction. Raises ValueError where there is none, or modes or keys are gone."""
    if has_modes(obj) and direction(obj) is None:
        raise ValueError(f'"{obj.name}" sways as a picture of it does: there is no wind to turn')
    _mix(obj, angle)
    obj.data[FACTS] = json.dumps(_facts(obj) | {"direction": angle})


def _mix(obj, angle: float | None) -> None:
    """Fill the keys from the modes: in a wind of that direction, or as they are. Raises ValueError as turn() does."""
    names, found = require_keys(obj), modes_on(obj)
    if found is None:
        raise ValueError(f'"{obj.name}" has lost modes of its sway: make the sway anew')
    along = np.array([1.0] if angle is None else [math.cos(angle), math.sin(angle)])
    winds = np.array(obj.data[WINDS]).reshape(2, len(along), -1, len(found.shapes))
    mixed = np.einsum("w,wkm->km", along, winds[0] + 1j * winds[1])
    rows = np.stack([_part(mixed, number) for number in range(len(names.keys))]).astype(np.float32)
    flat = found.shapes.reshape(len(found.shapes), -1)
    # Not @: BLAS would start its threads for this, and those wait for Blender's.
    _fill(obj, names, np.einsum("rm,mx->rx", rows, flat))


# --- Keys and drivers


def _key_names(base: float, bins: int):
    yield LEAN
    for number in range(1, bins):
        yield from (f"Sway {number * base:.3g} Hz {wave}" for wave in ("cos", "sin"))


def _part(bins: np.ndarray, number: int) -> np.ndarray:
    """What key `number` adds, of bins (K, ...)."""
    return -bins[number // 2].imag if number and number % 2 == 0 else bins[(number + 1) // 2].real


def _make(obj, name: str) -> None:
    key = obj.shape_key_add(name=name, from_mix=False)
    key.slider_min, key.slider_max = -VALUE, VALUE
    key.value = 0.0


def _fill(obj, names: Names, added: np.ndarray) -> None:
    """The shapes of all keys: the rest and (R, V, 3) or (R, 3V) beside it."""
    blocks, gusts, base = obj.data.shape_keys.key_blocks, _gusts(obj), _facts(obj)["base"]
    at_rest = rest(obj.data).ravel()
    for number, (name, row) in enumerate(zip(names.keys, added, strict=True)):
        shape = row.astype(np.float32).ravel()
        shape *= np.float32(_size(gusts, base, number))
        blocks[name].points.foreach_set("co", shape + at_rest)
    obj.data.shape_keys.update_tag()
    obj.data.update_tag()


def _size(gusts: Gusts | None, base: float, number: int) -> float:
    """How much larger a key is than its bin, so that the strongest storm is a value that Blender allows."""
    return max(1.0, MOST * gusts.gain(_frequency(base, number), 1.0) / VALUE) if gusts else 1.0


def _frequency(base: float, number: int) -> float:
    return base * ((number + 1) // 2)


def _drive(obj, names: Names, number: int) -> None:
    """The value of key `number`."""
    gusts, base = _gusts(obj), _facts(obj)["base"]
    wanted, parts = {"amount": names.amplitude}, ["amount"]
    if gusts is not None:
        wanted["storm"] = names.storm
        parts.append(gusts.expression(_frequency(base, number), 1 / _size(gusts, base, number)))
    if number:
        wanted["phase"] = names.phase
        wave = "cos" if number % 2 else "sin"
        parts.append(f"{wave}({2 * math.pi * ((number + 1) // 2):.10g} * phase)")
    live.drive(obj.data.shape_keys, keys.path_of(names.keys[number]), obj, wanted, " * ".join(parts))


def _gusts(obj) -> Gusts | None:
    written = _facts(obj)["gusts"]
    return Gusts(**written) if written else None


def _facts(obj) -> dict | None:
    written = obj.data.get(FACTS) if obj.type == "MESH" else None
    return json.loads(written) if isinstance(written, str) else None


def _free(obj, name: str) -> str:
    return name if name not in obj else _free(obj, f"{name} (Anthesis)")

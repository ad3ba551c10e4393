"""From what was understood to the specimen that is wanted: its record, as the words say that it is."""

import msgspec

from backend import protocol

from .meaning import NotUnderstood, Understanding
from .path import processes_of
from .vocabulary import objects
from .vocabulary.colours import srgb

REFLECTED = 0.012, 0.82  # linear: no petal is blacker or whiter


def record_of(understood: Understanding) -> protocol.Species:
    """The parameters of one individual. Raises NotUnderstood for what this specimen cannot be."""
    if understood.unmade:
        raise NotUnderstood.too_many_individuals(understood.specimen, understood.unmade)
    if understood.undone:
        raise NotUnderstood.unknown_process(understood.specimen, understood.undone)
    kind = protocol.SPECIES[understood.specimen]
    usual = kind()
    if understood.form:
        usual = msgspec.structs.replace(usual, **objects.SHAPES[understood.form])
    chosen: dict[str, object] = dict(understood.parameters)
    if colour := understood.turned or understood.colour:
        light = protocol.srgb_to_linear(srgb(colour))
        chosen["colour"] = tuple(float(part) for part in light.clip(*REFLECTED))
    if understood.size:
        relative = understood.size.kind == "relative"
        chosen["height"] = understood.size.value * (usual.height if relative else 1.0)
    if (fallen := _fallen(understood, usual)) is not None:
        chosen["fallen"] = fallen
    for process in processes_of(understood):
        for name, value in kind.needs.get(process, {}).items():
            if name in understood.parameters and understood.parameters[name] != value:
                raise NotUnderstood.without(understood.specimen, process, name)
            if chosen.setdefault(name, value) != value:
                raise NotUnderstood.at_odds(understood.specimen, list(processes_of(understood)))
    _check(kind, chosen)
    return msgspec.structs.replace(usual, **chosen)


def _fallen(understood: Understanding, usual: protocol.Species) -> int | None:
    """Petals or leaves that fall; None where that is left open."""
    drop = next((stage for stage in understood.stages if stage.process == "drop"), None)
    if drop is None or (drop.drop is None and drop.amount is None):
        return None
    part = "leaves" if understood.specimen == "oak_leaf" else "petals"
    there = understood.parameters.get(part, getattr(usual, part))
    wanted = round(drop.amount * there) if drop.drop is None else drop.drop
    if wanted > there:
        _, most = _limits(type(usual), part)
        raise NotUnderstood.too_many_fall(understood.specimen, part, wanted, there, most)
    return wanted


def _check(kind: type[protocol.Species], chosen: dict[str, object]) -> None:
    """Raises NotUnderstood where a number lies outside what the record allows."""
    tag = kind.__struct_config__.tag
    for name, value in chosen.items():
        least, most = _limits(kind, name)
        if isinstance(value, (int, float)) and least is not None and not least <= value <= most:
            if name == "height":
                raise NotUnderstood.too_tall(tag, value, f"from {least:g} m to {most:g} m")
            raise NotUnderstood.too_many(tag, name, value, f"it has {least} to {most}")


def _limits(kind: type[protocol.Species], name: str) -> tuple[float, float] | tuple[None, None]:
    """What the record allows of a number; None where it is none."""
    field = next(field for field in msgspec.inspect.type_info(kind).fields if field.name == name)
    limits = getattr(field.type, "type", field.type)
    return getattr(limits, "ge", None), getattr(limits, "le", None)

"""What tests of orders share: a rose that is asked for, and a backend that has read the prompt."""

import msgspec
import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy module")

from backend import protocol  # noqa: E402
from tests.blender import samples  # noqa: E402

PROMPT = "a red rose"

REQUEST = protocol.Generate(prompt=PROMPT, seed=7)

ROSE = protocol.SPECIES["rose"](petals=20, height=0.5)


def reading(count=1, record=ROSE):
    return protocol.Reading(understood="a red rose", specimen=record, count=count)


def wish(count=0, variations=3, request=REQUEST):
    from blender_addon.orders import Wish

    return Wish(request, count, variations)


def know(script, count=1, said=None):
    script.session.reader._keep(PROMPT, said or reading(count))


def adopt(script, job, packed):
    """Let a job that was submitted have these records."""
    script.records[job] = [protocol.unpack(record) for record in packed]
    script.given[job] = script.allowed[job] = 0
    found = script.session.jobs[job]
    found.state, found.accepted = "running", True
    return found


def grown(seed=0, frames=5, colour=False, name="Rose", **said):
    """The records of a clip of a prism as the backend grows it: with a look of its own, and what it has `said`."""
    made = samples.prism(name)
    record, arrays, _ = samples.subject_of(made)
    record = msgspec.structs.replace(record, **said)
    records = samples.clip(record, arrays, frames=frames, colour=colour, seed=seed)
    bpy.data.meshes.remove(made.data)
    return [protocol.pack(each, values) for each, values in records]


def bouquet(script, orders, count=7, variations=3, colour=True, said=({},)):
    """A whole one; `said` is what the backend says of the first individual, the second, and so on in turn."""
    know(script, count=count)
    order = orders.place(wish(variations=variations), (1.0, 2.0, 0.5))
    for number, job in enumerate(order.jobs):
        script.give(adopt(script, job, grown(seed=number, colour=colour, **said[number % len(said)])))
    return order

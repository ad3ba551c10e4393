# SPDX-License-Identifier: GPL-3.0-or-later

"""What one press of Generate asks for, an object or a bouquet, and how it becomes jobs once its prompt has been read.

A bouquet is a few individuals, one job each, and copies that share the mesh of one of them. While the prompt is being
read the order has one job, which is held: so it stands in the list, and can be cancelled.
"""

import time
import uuid
from dataclasses import dataclass, field

import bpy
import msgspec

from .arrivals import Arrivals
from .client.session import Session
from .scene import provenance
from .scene.bouquet import Bed, Seat, Site
from .seam import protocol

PAUSE = 0.3  # seconds that a slider of the redo panel has to rest before the backend is asked
REMEMBERED = 64  # orders that the redo panel may still change


@dataclass(frozen=True)
class Wish:
    """What is wanted: the request for one individual, without a specimen where the words say what it is like."""

    request: protocol.Generate
    count: int = 0  # 0: as the words say
    variations: int = 1  # how many are individuals, at most

    @property
    def title(self) -> str:
        return " ".join(self.request.prompt.split())

    def read(self, reading: protocol.Reading) -> "Wish":
        """The same, with all that the words say. Raises ValueError with the sentence of a refusal."""
        if reading.refusal:
            raise ValueError(reading.refusal)
        request = msgspec.structs.replace(self.request, specimen=self.request.specimen or reading.specimen)
        return Wish(request, self.count or reading.count, self.variations)

    @property
    def is_read(self) -> bool:
        return self.request.specimen is not None and self.count > 0

    def show(self, operator: bpy.types.Operator) -> None:
        """In the redo panel of the operator that asked for it, once it is read: there it can be changed."""
        if self.is_read:
            operator.specimen.show(self.request.specimen, self.request.seed)
            operator.count = self.count

    def individuals(self) -> list[protocol.Generate]:
        """One request each: a seed and an age of its own."""
        distinct = max(1, min(self.count, self.variations))
        return [
            msgspec.structs.replace(self.request, count=1, seed=protocol.child_seed(self.request.seed, number), age=age)
            for number, age in enumerate(protocol.ages_of(self.request, distinct))
        ]


@dataclass
class Order:
    """One of them, under way or done."""

    wish: Wish
    location: tuple[float, ...]
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    jobs: list[str] = field(default_factory=list)
    due: float = 0.0  # when it may be sent
    sent: bool = False


class Orders:
    """All of them, by id."""

    def __init__(self, session: Session, arrivals: Arrivals):
        self._session, self._arrivals = session, arrivals
        self._orders: dict[str, Order] = {}

    def find(self, order: str) -> Order | None:
        return self._orders.get(order)

    @property
    def open(self) -> bool:
        """Whether one waits for being sent."""
        return any(not order.sent for order in self._orders.values())

    def place(self, wish: Wish, location: tuple[float, ...], replaced: str = "") -> Order:
        """A new order, or one that takes the place of another. Raises ValueError where its prompt is known to be
        refused, and changes nothing then."""
        known = self._session.reader.answer(wish.request.prompt)
        if known is not None:
            wish.read(known)
        order = Order(wish, location)
        if earlier := self._orders.pop(replaced, None):
            self._withdraw(earlier)
            order.id, order.due = earlier.id, time.monotonic() + PAUSE
        self._session.reader.need(wish.request.prompt)
        asked = self._arrivals.room
        order.jobs = [self._session.submit(wish.request, wish.title, fetch=asked, hold=True)]
        self._arrivals.expect(order.jobs[0], None, asked, Site(location), order.id)
        self._orders[order.id] = order
        while len(self._orders) > REMEMBERED:
            del self._orders[next(iter(self._orders))]
        self._advance(order)
        return order

    def tick(self) -> bool:
        """True where one was sent or refused."""
        waiting = [order for order in self._orders.values() if not order.sent]
        return sum(map(self._advance, waiting)) > 0

    def forget(self) -> None:
        """The file or the conversation that they belonged to is left: what was not sent is not wanted any more."""
        for order in self._orders.values():
            if not order.sent and order.jobs[0] in self._session.jobs:
                self._session.remove(order.jobs[0])
        self._orders.clear()

    def _advance(self, order: Order) -> bool:
        """Send it where its prompt has been read, and it is due."""
        job = self._session.jobs.get(order.jobs[0])
        if job is None or job.final:
            order.sent = True  # it was cancelled or removed
            return True
        reading = self._session.reader.answer(order.wish.request.prompt)
        if reading is None or time.monotonic() < order.due:
            return False
        order.sent = True
        try:
            order.wish = order.wish.read(reading)
        except ValueError as refusal:
            self._session.refuse(job.id, "unsupported", str(refusal))
            return True
        if order.wish.is_read:
            self._send(order)
            for operator in bpy.context.window_manager.operators:
                if operator.bl_idname == "ANTHESIS_OT_generate" and operator.order == order.id:
                    order.wish.show(operator)
        else:  # the backend could not say: it will say why it cannot make it
            self._session.release(job.id, order.wish.request, order.wish.title)
        return True

    def _send(self, order: Order) -> None:
        wish, requests = order.wish, order.wish.individuals()
        several = wish.count > 1
        bed = Bed(wish.title, order.location, wish.request.specimen.height) if several else None
        for number, request in enumerate(requests):
            title = f"{wish.title} ({number + 1} of {len(requests)})" if len(requests) > 1 else wish.title
            site = Site(order.location, bed, tuple(range(number, wish.count, len(requests))))
            if number == 0:
                self._session.release(order.jobs[0], request, title)
                self._arrivals.move(order.jobs[0], site)
                continue
            asked = self._arrivals.room
            order.jobs.append(self._session.submit(request, title, fetch=asked))
            self._arrivals.expect(order.jobs[-1], None, asked, site, order.id)

    def _withdraw(self, order: Order) -> None:
        """Nothing of it is left: no job, no row in the list, nothing half written."""
        for job in order.jobs:
            self._arrivals.drop(job)
            if job in self._session.jobs:
                self._session.remove(job)


def regrowth(obj) -> tuple[protocol.Generate, Site]:
    """The request that makes an object anew, as its sliders are now, and the seat that it keeps.

    Raises ValueError where it was not made from words, or by a version that asked for other things.
    """
    kept, specimen = (provenance.read(obj) or {}).get("request"), obj.anthesis_specimen
    if kept is None or not specimen.there:
        raise ValueError(f'"{obj.name}" was not made from a prompt, so there is nothing to grow it from')
    try:
        request = msgspec.convert(kept, protocol.Generate)
    except msgspec.ValidationError:
        raise ValueError(f'"{obj.name}" was made by another version of Anthesis: generate it anew') from None
    request = msgspec.structs.replace(request, specimen=specimen.to_record(), seed=specimen.seed)
    return request, Site(tuple(obj.matrix_world.translation), seat=Seat(obj.name, obj.session_uid))

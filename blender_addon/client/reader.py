"""What the backend understands of prompts, asked while they are typed: one question at a time, the newest text next."""

import time
from collections import OrderedDict

from ..seam import protocol
from .gateway import Gateway

REMEMBERED = 32  # answers


class Reader:
    """Set `typed` as often as you like, need() what must be answered, and look answer() up."""

    def __init__(self, gateway: Gateway):
        self.typed = ""  # the newest text; what was typed before it and not yet asked is never asked
        self.newest: protocol.Reading | None = None  # the answer that came last
        self._gateway = gateway
        self._answers: OrderedDict[str, protocol.Reading] = OrderedDict()
        self._needed: dict[str, None] = {}  # prompts, in order
        self._asked: tuple[int, str, float] | None = None  # the call, its prompt, and when

    def need(self, prompt: str) -> None:
        """It is asked before all that is typed."""
        if prompt not in self._answers:
            self._needed[prompt] = None

    def answer(self, prompt: str) -> protocol.Reading | None:
        """None where it is not known yet."""
        return self._answers.get(prompt)

    @property
    def busy(self) -> bool:
        """A question is under way, or due."""
        return self._asked is not None or self._next() is not None

    def tick(self) -> None:
        """Ask the next question, or the last one again where no answer came."""
        now = time.monotonic()
        if self._asked is not None and now - self._asked[2] < protocol.REQUEST_SECONDS:
            return
        prompt = self._next()
        asked = prompt is not None and self._gateway.send(protocol.Read(prompt=prompt))
        self._asked = (self._gateway.calls, prompt, now) if asked else None

    def hear(self, answer: protocol.Reading) -> bool:
        """True where it was waited for."""
        if self._asked is None or answer.re != self._asked[0]:
            return False
        self._keep(self._asked[1], answer)
        return True

    def hear_refusal(self, refused: protocol.Refused) -> bool:
        """True where it is about a question: it counts as answered, with nothing understood and nothing refused."""
        if self._asked is None or refused.re != self._asked[0]:
            return False
        self._keep(self._asked[1], protocol.Reading())
        return True

    def forget(self) -> None:
        """Another connection, perhaps to a backend that knows other words."""
        self._asked = self.newest = None
        self._answers.clear()

    def _next(self) -> str | None:
        return next(iter(self._needed), self.typed if self._askable else None)

    @property
    def _askable(self) -> bool:
        return bool(self.typed.strip()) and self.typed not in self._answers and _can_be_sent(self.typed)

    def _keep(self, prompt: str, answer: protocol.Reading) -> None:
        self._asked = None
        self._needed.pop(prompt, None)
        self._answers[prompt] = self.newest = answer
        while len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)


def _can_be_sent(text: str) -> bool:
    """False for what is too long, or holds half of a character, as bytes that were pasted may."""
    try:
        return len(text.encode()) <= protocol.PROMPT_BYTES
    except UnicodeEncodeError:
        return False

"""Time as this process lived it."""

import time


class Clock:
    """Seconds that this process was awake: a suspended laptop is no reason to give anybody up."""

    LONGEST = 1.0  # between two ticks

    def __init__(self):
        self.now = 0.0
        self._read = time.monotonic()

    def tick(self) -> None:
        read = time.monotonic()
        self.now += min(read - self._read, self.LONGEST)
        self._read = read

# SPDX-License-Identifier: GPL-3.0-or-later

"""Test Connection: whether a backend answers, found out beside the jobs' conversation."""

import time

from .client.session import Session

PROBE_SECONDS = 5.0


class Probe:
    """A second conversation, which ends with an answer in words."""

    def __init__(self, session: Session, where: str):
        """Of a session that has been told where the backend is: `where`, in words."""
        self._session, self._where = session, where
        self._began = time.monotonic()

    def tick(self, budget: float) -> str | None:
        """Talk for about `budget` seconds. The answer, once it is known."""
        session, where = self._session, self._where
        session.tick(budget)
        if session.state == "ready":
            does = session.engines.device if session.engines else "its worker is still starting"
            return f"The backend on {where} answers: {does}"
        if session.state == "refused":
            return session.text
        if session.state == "off":
            return "No backend runs on this computer: press Start Backend in the 3D viewport's tab Anthesis"
        if time.monotonic() - self._began > PROBE_SECONDS:
            return f"No answer from {where}: is the backend running there, and are the keys the same?"
        return None

    def close(self) -> None:
        self._session.close()

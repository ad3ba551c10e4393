# SPDX-License-Identifier: GPL-3.0-or-later

"""Ending the backend on this computer so that it is started anew: as the user asks, or for packages that it lacks."""

import time

from .client.session import Session

RENEW_INTERVAL = 10.0  # between two attempts to end a backend that others may have work for


class Renewal:
    """It asks the backend to end, and says when it is to be started again."""

    def __init__(self, session: Session):
        self.due = False  # as soon as the backend's jobs are done, those of others too
        self.under_way = False  # the backend was asked to end, and is started once it has
        self._asked_at = -1e9
        self._session = session

    def restart(self, force: bool = True) -> None:
        """End the backend on this computer and start it anew. With `force` also while jobs run, another Blender's too:
        they begin anew. Without, it refuses while any is waiting or running, and nothing has happened."""
        self._session.shutdown_backend(force)
        self.under_way = True

    def forget(self) -> None:
        """The backend is left as it is."""
        self.due = self.under_way = False

    def tick(self) -> bool:
        """Ask a backend to end that is to be renewed, once it has nothing to do. True once one has ended for that."""
        session, now = self._session, time.monotonic()
        if session.state in ("off", "refused"):
            ended = self.under_way and session.state == "off"
            self.forget()  # the next one looks for itself
            return ended
        if session.state == "ready" and not session.gateway.ending:
            self.under_way = False  # it has refused
            idle = all(job.final for job in session.jobs.values())
            if self.due and idle and now - self._asked_at > RENEW_INTERVAL:
                self._asked_at = now
                self.restart(force=False)
        return False

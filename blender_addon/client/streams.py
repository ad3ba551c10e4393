"""The subscriptions of one conversation: each feeds the download of a job, from the socket or from the job's log."""

import time
from collections.abc import Iterable

from ..seam import protocol
from .gateway import Gateway
from .jobs import Job
from .transfers import Broken, LocalLog

SILENCE = 10.0  # seconds without a word on a job that is over: its subscription was lost on its way


class Streams:
    """Opened, listened to, and opened again from where a download stands."""

    def __init__(self, gateway: Gateway):
        self.reads_logs = True  # of jobs, itself, where the gateway is on this machine
        self._gateway = gateway
        self._opened = 0

    def subscribe(self, job: Job) -> None:
        """Feed its download, where it has one that is not fed yet."""
        if self._gateway.state != "ready" or job.download is None or job.stream is not None or job.download.taken:
            return
        self._opened += 1
        job.stream, job.fed = self._opened, time.monotonic()
        job.download.restart()
        self._open_log(job)
        self._gateway.send(
            protocol.Subscribe(
                stream=job.stream,
                job=job.id,
                from_seq=job.download.next_seq,
                credit=job.download.granted,
                local=job.log is not None,
            )
        )

    def _open_log(self, job: Job) -> None:
        """Where the gateway is this user's own on this machine."""
        home = self._gateway.local_logs
        if job.log is None and self.reads_logs and home is not None:
            job.log = LocalLog(protocol.records_path(home, job.id))

    def renew(self, job: Job) -> None:
        """Make its subscription anew where it ought to have ended by now, and says nothing."""
        silent = job.stream is not None and time.monotonic() - job.fed > SILENCE
        if silent and job.final and job.download.ended is None and not job.download.waits:
            self._gateway.send(protocol.Unsubscribe(stream=job.stream))
            job.stream = None
            self.subscribe(job)

    @staticmethod
    def close_log(job: Job) -> None:
        if job.log is not None:
            job.log.close()
            job.log = None

    def pause(self, job: Job) -> None:
        """The connection is gone: what was whole stays, a subscription has to be made anew."""
        job.stream = None
        if job.download and not job.download.taken:
            job.download.restart()

    def drop(self, job: Job) -> None:
        """Its download is given up."""
        if job.stream is not None:
            self._gateway.send(protocol.Unsubscribe(stream=job.stream))
        job.stream = job.download = None
        self.close_log(job)

    def hear(self, answer: protocol.Answer, payload: memoryview | None, jobs: Iterable[Job]) -> bool:
        """Take in what belongs to one of the jobs. True where something of it changed."""
        job = next((job for job in jobs if job.stream == answer.stream), None)
        if job is None or job.download is None:
            return False  # of a subscription that was given up
        job.fed = time.monotonic()
        match answer:
            case protocol.Chunk() | protocol.Located():
                try:
                    if isinstance(answer, protocol.Chunk):
                        job.download.add(answer, payload)
                    else:
                        job.download.place(answer, job.log.read(answer.position, answer.total))
                except Broken as error:
                    return self._ask_again(job, str(error))
                except OSError:  # another root folder or another user's: the gateway has to send it
                    self.reads_logs = False
                    self.close_log(job)
                    return self._ask_again(job, "its log cannot be read")
                self.grant(job)
            case protocol.Gap():
                job.download.skip(answer)
            case protocol.End():
                job.download.ended = answer
                self.close_log(job)
        return True

    def _ask_again(self, job: Job, reason: str) -> bool:
        """True where the job was given up."""
        job.damaged += 1
        if job.damaged > 3:
            self.drop(job)
            job.fail("store_corrupt", f"The stored result is damaged ({reason}). Remove the job and run it again")
            return True
        self._gateway.send(protocol.Unsubscribe(stream=job.stream))
        job.stream = None
        self.subscribe(job)
        return False

    def grant(self, job: Job) -> None:
        """Let more of it come, as its download has room."""
        credit = job.download.grant()
        if credit is not None and job.stream is not None:
            self._gateway.send(protocol.Credit(stream=job.stream, total=credit))

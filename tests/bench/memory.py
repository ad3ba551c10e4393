"""Memory of the gateway while a client reads one record a second of a 2 GB result.

ENVIRONMENT: backend
"""

import time

import psutil

from backend import protocol
from tests.bench.backend_process import Backend
from tests.bench.table import Table

VERTICES, FRAMES = 160_000, 1024  # 1.97 GB of positions
SECONDS = 20


def main() -> None:
    with Backend("tests.bench.runner") as backend:
        session = backend.session()
        session.reads_logs = False  # every byte goes through the gateway
        job = session.submit(protocol.Generate(prompt=str(VERTICES), frames=FRAMES), "2 GB", fetch=False)
        session.wait(job, 300)
        process = psutil.Process(backend.pid)
        before = process.memory_info().rss
        session.fetch(job)
        peak = before
        for _ in range(SECONDS):
            ends = time.monotonic() + 1
            session.take(job)
            while time.monotonic() < ends:
                session.tick()
                session.rest(0.05)
                peak = max(peak, process.memory_info().rss)
        table = Table("Gateway memory, a client that reads one frame a second of a 2 GB result")
        table.add("records read", session.jobs[job].taken, f"in {SECONDS} s")
        table.add("resident before reading", before / 2**20, "MiB")
        # Window plus what the socket may hold: 64 chunks at the high-water mark.
        bound = (protocol.WINDOW_BYTES + 64 * protocol.CHUNK_BYTES) / 2**20
        table.add("most resident above that", (peak - before) / 2**20, "MiB", bound)
        table.show()
        session.close()


if __name__ == "__main__":
    main()

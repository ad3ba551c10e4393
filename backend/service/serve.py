"""python -m backend serve: put the gateway together, and take it apart."""

import argparse
import logging
import logging.handlers
import os
import signal
import sys
import uuid
from pathlib import Path

import zmq

from backend import protocol
from backend.service import disk, security
from backend.service.blobs import Blobs
from backend.service.clock import Clock
from backend.service.door import Door
from backend.service.gateway import Gateway, Settings
from backend.service.jobs import Jobs
from backend.service.store import Damaged, DiskFull, Store
from backend.service.supervisor import LOG_BYTES, LOGS, Supervisor

_log = logging.getLogger(__name__)


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    try:
        home = disk.prepare_home(options.home)
        if options.show_key:
            print(security.words_for_owner(home, options.endpoint or "the endpoint that it is started with"))
            return 0
        return _serve(home, options)
    except (disk.UnfitHome, security.Closed, Damaged) as error:
        print(error, file=sys.stderr)
        return 1
    except (DiskFull, OSError) as error:
        if isinstance(error, OSError) and error.errno not in disk.FULL:
            raise
        print(f"The disk of {options.home} is full: free some space, then start the backend again", file=sys.stderr)
        return 1


def _serve(home: Path, options: argparse.Namespace) -> int:
    lock = security.HomeLock(home)
    if not lock.take():
        print(f"A backend serves {home} already")
        return 0
    os.umask(0o077)  # what is made from here on is its user's own
    _start_logging(home)
    boot, clock, context = uuid.uuid4().hex, Clock(), zmq.Context()
    store = Store(home)
    blobs = Blobs(home, {job.blob for job in store.jobs.values() if job.blob})
    endpoint = options.endpoint or security.endpoint_for(home)
    keys = security.keys_for(endpoint, home)
    door = Door(context, endpoint, keys)
    supervisor = Supervisor(context, home, options.runner)
    jobs = Jobs(store, blobs, supervisor, clock, options.step_deadline, home)
    settings = Settings(idle=options.idle, grace=options.grace, cache=options.cache_gb)
    gateway = Gateway(boot, door, store, blobs, supervisor, jobs, clock, settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: gateway.end())
    security.write_connection(home, boot, door.endpoint, keys)
    print(f"Anthesis {protocol.VERSION} serves {home} at {door.endpoint}", flush=True)
    _log.info("Serving at %s, %d jobs in the store", door.endpoint, len(store.jobs))
    try:
        gateway.run()
    except Exception:
        _log.exception("The gateway fell over")
        raise
    finally:
        security.withdraw_connection(home, boot)
        jobs.stop()
        door.close()
        blobs.close()
        store.close()
    _log.info("The end")
    return 0


def _start_logging(home: Path) -> None:
    (home / "logs").mkdir(exist_ok=True)
    handler = logging.handlers.RotatingFileHandler(
        home / "logs" / "gateway.log", maxBytes=LOG_BYTES, backupCount=LOGS - 1, encoding="utf-8"
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m backend serve", description="Serve jobs to Blender.")
    add = parser.add_argument
    add("--home", type=Path, default=protocol.default_home(), help="where jobs, logs and the connection file are kept")
    add("--endpoint", help="listen here instead, for example tcp://0.0.0.0:7777 for other machines, with keys")
    add("--show-key", action="store_true", help="print the keys that an add-on on another machine needs, and end")
    add("--idle", type=float, default=Settings.idle, metavar="S", help="seconds to stay with nobody and nothing to do")
    add("--grace", type=float, default=Settings.grace, metavar="S", help="seconds to go on with a job for nobody")
    add("--cache-gb", type=float, default=protocol.CACHE_GB, metavar="N", help="results to keep, in gigabytes")
    add("--runner", default="backend.pipelines", help=argparse.SUPPRESS)
    add("--step-deadline", type=float, default=120.0, metavar="S", help="seconds that one step of a job may take")
    return parser

# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs in words: what the list shows of each, newest first."""

from .client.jobs import Job
from .pump import Pump
from .seam import protocol

WORDS = {
    "uploading": "Sending the mesh",
    "sending": "Waits for the backend",
    "queued": "Waits for its turn",
    "running": "Running",
    "cancelling": "Stopping",
    "done": "Done",
    "cancelled": "Cancelled",
    "failed": "Failed",
    "quarantined": "Stopped the worker twice and will not be run again",
}
LEARNING = WORDS | {  # of a subject
    "uploading": "Sending the pictures",
    "cancelled": "Cancelled. Learn Subject again, with the same pictures and settings, goes on where it stopped",
}


def refill(window, pump: Pump) -> None:
    """Make the rows of WindowManager.anthesis those of the session; the same job stays selected."""
    selected = window.jobs[window.job_index].name if window.job_index < len(window.jobs) else ""
    known = {row.name for row in window.jobs}
    jobs = sorted(pump.session.jobs.values(), key=lambda job: -job.created)
    while len(window.jobs) > len(jobs):
        window.jobs.remove(len(window.jobs) - 1)
    for index, job in enumerate(jobs):
        row = window.jobs[index] if index < len(window.jobs) else window.jobs.add()
        row.name = job.id
        for name, value in shown(job, pump).items():
            setattr(row, name, value)
    ids = [job.id for job in jobs]
    if ids and ids[0] not in known and jobs[0].mine:
        window.job_index = 0  # one that was just asked for
    elif selected in ids:
        window.job_index = ids.index(selected)
    else:
        window.job_index = min(window.job_index, max(0, len(ids) - 1))


def shown(job: Job, pump: Pump) -> dict:
    """The columns of one row."""
    arriving = job.id in pump.arrivals.open
    return {
        "title": job.title or "Untitled",
        "state": job.state,
        "text": _text(job, pump, arriving),
        "factor": job.upload.share if job.upload else job.done,
        "bar": "Sending" if job.upload else f"{job.done:.0%}",
        "final": job.final,
        "details": job.failure is not None and bool(job.failure.detail),
        "imported": job.id in pump.arrivals.objects,
        "importable": job.final and not arriving and _has_result(job),
        "begun": is_begun(job, pump),
    }


def _has_result(job: Job) -> bool:
    """Whether its records are more than a beginning, or previews."""
    if isinstance(job.request, protocol.Views | protocol.TextToMesh | protocol.LearnSubject):
        return job.state == "done"
    return job.records > 2


def is_begun(job: Job, pump: Pump) -> bool:
    """Whether a mesh from words was not optimised to the end, and can be gone on with: the same may have been asked for
    again, and be done."""
    ended = job.final and job.state != "done" and job.records > 0  # they are views of it
    if not ended or not isinstance(job.request, protocol.TextToMesh):
        return False
    return not any(each.state == "done" and each.request == job.request for each in pump.session.jobs.values())


def _text(job: Job, pump: Pump, arriving: bool) -> str:
    if job.failure is not None:
        return job.failure.text
    if arriving and pump.arrivals.waits:
        return pump.arrivals.waits
    if arriving and job.final and job.taken:
        return f"Importing {job.taken} of {job.records}"
    if not arriving and is_begun(job, pump) and job.id not in pump.arrivals.objects:
        step = pump.arrivals.reached.get(job.id)
        return f"Cancelled. Make Mesh again goes on {f'from step {step}' if step else 'where it stopped'}"
    if not arriving and pump.arrivals.notes.get(job.id):
        return ". ".join(pump.arrivals.notes[job.id])
    if job.state == "done" and job.id not in pump.arrivals.objects and not arriving:
        return "Finished earlier. Import it to have it in this file"
    if job.state == "sending" and pump.session.state == "ready":
        return "Sending the request"
    words = LEARNING if isinstance(job.request, protocol.LearnSubject) else WORDS
    text = job.text if job.state in ("running", "uploading") and job.text else words[job.state]
    return text if job.seconds_left is None else f"{text}. About {duration(job.seconds_left)} left"


def duration(seconds: float) -> str:
    """8 s, 3 min, 2 h."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    if seconds < 3600:
        return f"{round(seconds / 60)} min"
    return f"{round(seconds / 3600)} h"

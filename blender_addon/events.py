# SPDX-License-Identifier: GPL-3.0-or-later

"""Where Blender calls us: its timer, a file being opened, its end. And the one Pump that they all reach."""

import atexit
import sys
import time
import traceback

import bpy
from bpy.app.handlers import persistent

from . import job_list, preferences, undoing
from .pump import Pump

FAULT_INTERVAL = 1.0  # seconds after a fault of ours
REDRAW_INTERVAL = 1 / 30  # seconds: a viewport drawn more often only takes time from the import
# Where we draw; the viewport itself is left alone.
PLACES = {("VIEW_3D", "UI"), ("VIEW_3D", "HUD"), ("PREFERENCES", "WINDOW")}

_pump: Pump | None = None
_drawn_at = 0.0
_stale = False  # something changed that is not drawn yet


def running() -> Pump:
    """The add-on's Pump, while the add-on is enabled."""
    return _pump


def start() -> None:
    global _pump
    _pump = Pump(preferences.current())
    _pump.join()
    bpy.app.timers.register(_on_timer, first_interval=0.1, persistent=True)
    bpy.app.handlers.load_pre.append(_before_load)
    bpy.app.handlers.load_post.append(_after_load)
    bpy.app.handlers.undo_pre.append(_before_undo)
    bpy.app.handlers.redo_pre.append(_before_undo)
    bpy.app.handlers.undo_post.append(_after_undo)
    bpy.app.handlers.redo_post.append(_after_undo)
    atexit.register(_pump.close)


def stop() -> None:
    global _pump
    bpy.app.handlers.redo_post.remove(_after_undo)
    bpy.app.handlers.undo_post.remove(_after_undo)
    bpy.app.handlers.redo_pre.remove(_before_undo)
    bpy.app.handlers.undo_pre.remove(_before_undo)
    bpy.app.handlers.load_post.remove(_after_load)
    bpy.app.handlers.load_pre.remove(_before_load)
    if bpy.app.timers.is_registered(_on_timer):
        bpy.app.timers.unregister(_on_timer)
    atexit.unregister(_pump.close)
    if not bpy.app.is_job_running("RENDER"):  # which reads what would be written to
        _pump.arrivals.close()
        _pump.arrivals.push_undo()
    _pump.close()
    _pump = None


def settings_changed(_preferences=None, _context=None) -> None:
    """The update callback of the preferences."""
    if _pump is not None:
        _pump.change_settings(preferences.current())


def refresh() -> None:
    """Show what is known now."""
    global _drawn_at, _stale
    _drawn_at, _stale = time.monotonic(), False
    manager = bpy.context.window_manager
    job_list.refill(manager.anthesis, _pump)
    _redraw()


def _redraw() -> None:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            for region in area.regions:
                if (area.type, region.type) in PLACES:
                    region.tag_redraw()


def wake() -> None:
    """After an operator: show what it did, and let the timer come at once."""
    _pump.arrivals.push_undo()
    refresh()
    hurry()


def hurry() -> None:
    """Let the timer come at once."""
    if bpy.app.timers.is_registered(_on_timer):
        bpy.app.timers.unregister(_on_timer)
    bpy.app.timers.register(_on_timer, first_interval=0, persistent=True)


def _on_timer() -> float:
    """The border of all that goes on by itself: Blender would never again call a timer that raises."""
    try:
        return _turn()
    except Exception:  # noqa: BLE001  see above
        _pump.fault = traceback.format_exc()
        print(_pump.fault, file=sys.stderr)
        _redraw()
        return FAULT_INTERVAL


def _turn() -> float:
    """One tick and what is to be seen of it. Seconds until the next."""
    global _stale
    _pump.session.reader.typed = bpy.context.scene.anthesis.generate.words
    _stale |= _pump.tick()
    interval = _pump.interval
    if _stale and (interval or time.monotonic() - _drawn_at > REDRAW_INTERVAL):
        refresh()
    return interval


@persistent
def _before_load(*_) -> None:
    _pump.orders.forget()
    _pump.arrivals.forget_file()


@persistent
def _after_load(*_) -> None:
    _pump.arrivals.look_after_load()
    refresh()


@persistent
def _before_undo(*_) -> None:
    undoing.begin(_pump.arrivals.loose)


@persistent
def _after_undo(*_) -> None:
    _pump.arrivals.expect_another_moment(undoing.end())
    hurry()

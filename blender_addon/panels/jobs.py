# SPDX-License-Identifier: GPL-3.0-or-later

"""What was asked for, and how far it is."""

import bpy

from .tab import Tab, draw_text

JOB_ICONS = {
    "done": "CHECKMARK",
    "failed": "ERROR",
    "quarantined": "ERROR",
    "cancelled": "CANCEL",
}


class ANTHESIS_UL_jobs(bpy.types.UIList):
    """One job a row: what it is, how far it is, and the button that fits its state."""

    def draw_item(self, context, layout, data, item, icon, active_data, active_property, index):
        row = layout.row(align=True)
        running = item.state in ("running", "uploading", "cancelling")
        split = row.split(factor=0.65) if running else row
        arriving = item.state == "done" and not item.importable
        split.label(text=item.title, icon="IMPORT" if arriving else JOB_ICONS.get(item.state, "SORTTIME"))
        if running:
            split.progress(factor=item.factor, type="BAR", text=item.bar)
        if not item.final:
            icon = "CANCEL" if item.state == "cancelling" else "X"
            row.operator("anthesis.cancel_job", text="", icon=icon, emboss=False).job = item.name

    def filter_items(self, context, data, propname):
        jobs = getattr(data, propname)
        titles = bpy.types.UI_UL_list.filter_items_by_name(
            self.filter_name, self.bitflag_filter_item, jobs, "title", reverse=self.use_filter_invert
        )
        return titles, []


class ANTHESIS_PT_jobs(Tab, bpy.types.Panel):
    bl_label = "Jobs"

    def draw(self, context):
        layout, window = self.layout, context.window_manager.anthesis
        if not window.jobs:
            layout.label(text="No jobs yet", icon="INFO")
            return
        row = layout.row()
        row.template_list("ANTHESIS_UL_jobs", "", window, "jobs", window, "job_index", rows=4)
        column = row.column(align=True)
        column.operator("anthesis.remove_job", text="", icon="REMOVE")
        column.separator()
        column.operator("anthesis.clear_jobs", text="", icon="TRASH")
        if window.job_index < len(window.jobs):
            self.draw_selected(context, window.jobs[window.job_index])

    def draw_selected(self, context, job):
        layout = self.layout
        draw_text(layout, context, job.text, "ERROR" if job.state in ("failed", "quarantined") else "NONE")
        if job.state == "cancelling":
            layout.operator("anthesis.cancel_job", text="Stop by Force", icon="CANCEL").job = job.name
        elif not job.final:
            layout.operator("anthesis.cancel_job", icon="X").job = job.name
        elif job.importable:
            verb, icon = ("Import Again", "FILE_REFRESH") if job.imported else ("Import", "IMPORT")
            layout.operator("anthesis.import_again", text=verb, icon=icon).job = job.name
        if job.begun:
            layout.operator("anthesis.take_as_it_is", icon="MESH_DATA").job = job.name
        if job.details:
            row = layout.row(align=True)
            row.operator("anthesis.show_details", icon="TEXT").job = job.name
            row.operator("anthesis.show_log", icon="TEXT")


CLASSES = (ANTHESIS_UL_jobs, ANTHESIS_PT_jobs)

"""The add-on's end of the protocol. Plain Python: no bpy, no threads, nothing that blocks."""

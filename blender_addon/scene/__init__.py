"""The only folder that reads or writes mesh data. Nothing here keeps a bpy reference from one call to the next."""

"""What `python -m backend` does in a terminal: one module a command, each with main(options) -> exit code."""

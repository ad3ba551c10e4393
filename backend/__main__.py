"""python -m backend serve | run | doctor | models | train"""

import sys

import backend.threads  # noqa: F401  # isort: skip
from backend.commands import interrupt

if sys.argv[1:2] == ["run"]:  # before anything else is imported
    interrupt.end_at_once()

import argparse


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m backend", description="Anthesis without Blender.")
    parser.add_argument(
        "command",
        choices=("serve", "run", "doctor", "models", "train"),
        help="serve: do jobs for Blender; run: do one here and write a file; doctor: say what this machine can do; "
        "models: public checkpoints, which are here, and getting them; train: make the networks of learned engines",
    )
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="of the command; try COMMAND --help")
    options = parser.parse_args()
    match options.command:
        case "serve":
            from backend.service.serve import main as command
        case "run":
            from backend.commands.run import main as command
        case "doctor":
            from backend.commands.doctor import main as command
        case "models":
            from backend.commands.models import main as command
        case "train":
            from backend.commands.train import main as command
    return command(options.arguments)


def _written() -> int:
    """The exit code, with all on its way that was printed: what nobody reads is heard of here, not while we end."""
    try:
        return main()
    finally:
        sys.stdout.flush()


if __name__ == "__main__":
    try:
        sys.exit(_written())
    except KeyboardInterrupt:  # serve, while libraries are being imported; and doctor
        sys.exit(130)
    except BrokenPipeError:
        if sys.argv[1:2] == ["serve"]:  # which has pipes of its own
            raise
        interrupt.end_unread()

"""The public checkpoints of the diffusion engine: which there are, which are here, and getting them.

Nothing is downloaded but by get, and not before its licence is accepted.
"""

import argparse
import shlex
import textwrap
from pathlib import Path

from msgspec.structs import replace

from backend import learned, models, terminal
from backend.commands.bar import say, shown

FAILED, BAD_INPUT, STOPPED = 1, 2, 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=terminal.command("models"), description=__doc__)
    parser.add_argument(
        "action", nargs="?", default="list", choices=("list", "get", "check", "use", "offline"),
        help="list: what there is, and what of it is here (default); get NAME: fetch what is missing or damaged of it, "
             "and go on where that broke off; check NAME: read it all and compare checksums; use NAME: look for it in "
             "--folder, where all of it lies, or again in the hub's cache without; offline on | off: whether get may "
             "go to the network",
    )  # fmt: skip
    parser.add_argument("name", nargs="?", help=", ".join(model.name for model in models.MODELS))
    parser.add_argument("--folder", type=Path, help="of get and use: where the model lies, in place of the hub's cache")
    parser.add_argument(
        "--accept-licence", action="store_true", help="of get: you have read the licence, and accept it"
    )
    return parser


def main(options: list[str]) -> int:
    """The exit code: 0 done, 1 the model is not here whole, 2 asked for what cannot be, 130 stopped by Ctrl-C."""
    parser = _parser()
    arguments = parser.parse_args(options)
    if (arguments.action == "list") != (arguments.name is None):
        parser.error(f"{arguments.action} wants {'no' if arguments.name else 'a'} name")
    try:
        match arguments.action:
            case "list":
                return _list()
            case "offline":
                return _offline(arguments.name)
        return {"get": _get, "check": _check, "use": _use}[arguments.action](models.named(arguments.name), arguments)
    except (models.ModelError, learned.NotInstalled) as error:
        say(str(error))
        return BAD_INPUT
    except KeyboardInterrupt:
        say("Stopped. What has arrived is kept: get it again, and it goes on from there")
        return STOPPED


def _list() -> int:
    settings = models.load()
    for model in models.MODELS:
        about = "" if model.exact else "about "
        use = "commercial use allowed" if model.licence.commercial else "NON-COMMERCIAL USE ONLY"
        print(f"{model.name}: {models.look(model, settings).say()}")
        print(f"    {about}{models.size(model.size)} on disk, a GPU with about {models.size(model.memory)}")
        print(f"    {model.licence.name}, {use}: {model.licence.address}")
    if why := models.offline(settings):
        print(f"Nothing is fetched in offline mode; {why}")
    return 0


def _get(model: models.Model, arguments: argparse.Namespace) -> int:
    if not arguments.accept_licence and not models.load().has_accepted(model):
        print(_licence(model))
        where = f" --folder {shlex.quote(str(arguments.folder))}" if arguments.folder else ""
        asked = terminal.command(f"models get {model.name}{where} --accept-licence")
        say(f"Read it, then accept it: {asked}")
        return BAD_INPUT
    with shown() as report:
        models.get(model, arguments.accept_licence, report, arguments.folder)
    print(models.look(model).say())
    return 0


def _licence(model: models.Model) -> str:
    licence = model.licence
    use = "Commercial use is allowed." if licence.commercial else "NON-COMMERCIAL USE ONLY."
    text = f"{model.title} comes under {licence.name}: {licence.address}\n{use} {licence.terms}"
    return "\n".join(
        textwrap.fill(line, 100, break_on_hyphens=False, break_long_words=False) for line in text.split("\n")
    )


def _check(model: models.Model, arguments: argparse.Namespace) -> int:
    with shown() as report:
        state = models.look(model, thorough=True, report=report)
    print(state.say())
    return 0 if state.word == "here" else FAILED


def _use(model: models.Model, arguments: argparse.Namespace) -> int:
    """A folder is remembered only where it holds all of the model."""
    if arguments.folder is not None and (why := models.lacking(model, arguments.folder)):
        say(why)
        return FAILED
    models.use(model, arguments.folder)
    state = models.look(model)
    print(state.say())
    return 0 if state.word == "here" else FAILED


def _offline(word: str) -> int:
    if word not in ("on", "off"):
        say(f"offline is on or off, not {word!r}")
        return BAD_INPUT
    models.remember(replace(models.load(), offline=word == "on"))
    return _list()

"""What a prompt asks for, how that is said back, and how a prompt is refused."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from backend import protocol

from .vocabulary import measures, objects, processes
from .vocabulary.colours import CSS

RefusalKind = Literal["empty", "object", "several", "negation", "process", "parameter"]
_SPACED = {words.replace(" ", ""): words for words in CSS}
_ONES = {number: word for word, number in measures.numbers("en").items() if number <= 20} | {1: "one"}
_LONGEST_QUOTE = 60  # characters of a prompt in a refusal
_LONGEST_PHRASE = 200  # characters, of protocol.Line
_LONGEST_WORD = 40  # characters
_WORDS_TOLD = 32  # that were passed over
_ERRORS_TOLD = 8


class Size(NamedTuple):
    """`value` times the usual size ("relative") or a height in metres ("metres")."""

    kind: Literal["relative", "metres"]
    value: float


@dataclass(frozen=True)
class Stage:
    """One process of a life. What was not said is None."""

    process: str
    pace: Literal["slow", "fast"] | None = None
    amount: float | None = None  # in (0, 1]: how far it goes
    drop: int | None = None  # petals or leaves that fall
    together: bool = False  # at once with the stage before it


@dataclass(frozen=True)
class Understanding:
    """What a prompt asks for. No stages: the whole life. `colour` is a name that colours.srgb knows."""

    specimen: str
    count: int = 1
    colour: str | None = None
    size: Size | None = None
    parameters: dict[str, int] = field(default_factory=dict)
    stages: tuple[Stage, ...] = ()
    reverse: bool = False
    passed_over: tuple[str, ...] = ()  # words that carry meaning and were not understood, as typed, in lower case
    read_as: tuple[tuple[str, str], ...] = ()  # typing errors: the word as typed and the word it was taken for
    turned: str | None = None  # the colour that a leaf or an apple turns to
    unmade: str | None = None  # a number that cannot be made, in digits or vague ("hundreds"); `count` is then a guess
    undone: str | None = None  # a verb that is not known, where nothing else is said to happen
    form: str | None = None  # a kind that has a shape of its own, one of objects.FORMS

    def words(self) -> tuple[str, ...]:
        """What was understood, in phrases of English: the object first, then each stage."""
        whole = "their whole lives" if self.count > 1 or self.unmade is not None else "its whole life"
        phrases = (self._noun(), *(self._stages() or [whole]), *(["in reverse"] if self.reverse else []))
        return tuple(_cut(phrase, _LONGEST_PHRASE) for phrase in phrases)

    def understood(self) -> str:
        """One line for the panel: "three white candles, burning down; read candels as candles"."""
        line = ", ".join(self.words())
        if self.read_as:
            read = [f"{_cut(typed, _LONGEST_WORD)} as {word}" for typed, word in self.read_as[:_ERRORS_TOLD]]
            line += "; read " + ", ".join(read) + (", and so on" if len(self.read_as) > _ERRORS_TOLD else "")
        return line

    def words_passed_over(self) -> tuple[str, ...]:
        """As many of them, and as much of each, as a panel can show."""
        told = [_cut(word, _LONGEST_WORD) for word in self.passed_over[:_WORDS_TOLD]]
        further = len(self.passed_over) - len(told)
        return (*told, f"and {further} more") if further else tuple(told)

    def say(self) -> str:
        """All of it in one line: "three white candles, burning down slowly; passed over: majestic"."""
        return self.understood() + (f"; passed over: {', '.join(self.passed_over)}" if self.passed_over else "")

    def _noun(self) -> str:
        told = self.count > 1 and self.unmade is None
        count = _ONES.get(self.count, str(self.count)) if told else ""
        times = self.size.value if self.size and self.size.kind == "relative" else 1.0
        relative = measures.SAID_SIZES.get(times, "")
        several = self.count > 1 or self.unmade is not None
        noun = self._name(several)
        described = " ".join(word for word in (count, relative, _spaced(self.colour or ""), noun) if word)
        if not several:
            described = _with_article(described)
        if self.size and self.size.kind == "metres":
            described += f" {self.size.value:g} m tall"
        elif times != 1.0 and not relative:
            described += f" {times:g} times as large"
        for part, number in self.parameters.items():
            noun = _many_of(part) if number != 1 else _one_of(part)
            described += f" without {noun}" if number == 0 else f" with {_ONES.get(number, number)} {noun}"
        return described

    def _name(self, several: bool) -> str:
        return objects.FORMS[self.specimen][self.form][several] if self.form else objects.NAMES[self.specimen][several]

    def _stages(self) -> list[str]:
        told: list[str] = []
        for k, stage in enumerate(self.stages):
            words = [processes.SAID[stage.process]]
            if self.turned and stage.process in ("turn", "ripen"):
                words = ["turning", _spaced(self.turned)]
            if stage.drop is not None:
                part = "leaves" if self.specimen == "oak_leaf" else "petals"
                words += [_ONES.get(stage.drop, str(stage.drop)), part if stage.drop != 1 else _one_of(part)]
            elif stage.process == "drop" and stage.amount is not None:
                some = {0.5: "half of the", 1.0: "all"}.get(stage.amount, f"{100 * stage.amount:g} % of the")
                words += [some, "leaves" if self.specimen == "oak_leaf" else "petals"]
            if stage.pace:
                words.append(measures.SAID_PACES[stage.pace])
            if stage.amount is not None and (stage.process != "drop" or stage.drop is not None):
                words.append(_said_amount(stage.amount))
            if stage.together and told:
                told[-1] += " while " + " ".join(words)
            else:
                told.append(("then " if k else "") + " ".join(words))
        return told

    @property
    def windblown(self) -> bool:
        """Whether a wind blows on it."""
        return any(stage.process == "sway" for stage in self.stages)

    def header(self) -> dict[str, tuple[str, ...] | str]:
        """The fields of a protocol.Subject that say so to the artist."""
        colour = None if self.turned else self.colour
        name = " ".join(word for word in (colour, self._name(False)) if word).capitalize()
        return {"name": name, "understood": self.words(), "passed_over": self.words_passed_over()}


class NotUnderstood(ValueError):
    """A prompt that the built-in engine cannot follow; the message says in one sentence what to do instead.

    `kind` says why; `nearest` the known specimen that is nearest to an unknown object, `process` what a specimen
    cannot do.
    """

    def __init__(
        self, kind: RefusalKind, message: str, *, nearest: str | None = None, process: str | None = None
    ) -> None:
        super().__init__(message)
        self.kind, self.nearest, self.process = kind, nearest, process

    @classmethod
    def empty(cls) -> "NotUnderstood":
        return cls("empty", 'The prompt names nothing: say what should come to life, for example "a red rose blooming"')

    @classmethod
    def unknown_object(cls, prompt: str, nearest: str | None) -> "NotUnderstood":
        hint = f"ask for a {_listed([one for one, _ in objects.NAMES.values()])}"
        if nearest:
            hint = f"the nearest is {_example(nearest)}; {hint}"
        return cls(
            "object",
            f"The built-in engine cannot make {_quoted(prompt)}: {hint}, or select a mesh and use Animate Selected. "
            f"Only a diffusion engine could make other things from words, and this version has none",
            nearest=nearest,
        )

    @classmethod
    def open_word(cls, word: str, nearest: str, clear: tuple[str, str]) -> "NotUnderstood":
        return cls(
            "object",
            f'"{word}" may be ice cream or ice: say "{clear[0]}" or "{clear[1]}", or select a mesh and use Animate '
            f"Selected",
            nearest=nearest,
        )

    @classmethod
    def several(cls, specimens: list[str]) -> "NotUnderstood":
        named = [_with_article(objects.NAMES[specimen][0]) for specimen in specimens]
        return cls(
            "several",
            f"The built-in engine makes one kind of object from a prompt and this one names {_listed(named, 'and')}: "
            f"ask for {named[0]} first and for the rest in prompts of their own, or select a mesh and use Animate "
            f"Selected",
        )

    @classmethod
    def several_looks(cls, specimen: str) -> "NotUnderstood":
        one, many = objects.NAMES[specimen]
        return cls(
            "several",
            f"The built-in engine makes one kind of object with one look from a prompt, and this one names {many} "
            f'more than once: say how many in one number ("three {many}"), or ask for each {one} in a prompt '
            f"of its own",
        )

    @classmethod
    def revival(cls, words: str, specimen: str) -> "NotUnderstood":
        noun = _with_article(objects.NAMES[specimen][0])
        last = [process for process in objects.PROCESSES_OF[specimen] if process not in ("drop", "sway")][-1]
        return cls(
            "negation",
            f'The built-in engine does not understand "{words}": ask for what has happened before, in reverse, for '
            f'example "{noun} {processes.SAID[last]} in reverse"',
        )

    @classmethod
    def negation(cls, word: str, specimen: str) -> "NotUnderstood":
        return cls(
            "negation",
            f'"{word}" asks for something not to be or not to happen, which the built-in engine does not '
            f"understand: leave it out and say what should happen, for example "
            f"{_example(specimen)}, or select a mesh and use Animate Selected",
        )

    @classmethod
    def no_such_process(cls, specimen: str, process: str) -> "NotUnderstood":
        able = [_named(known, specimen) for known in objects.PROCESSES_OF[specimen]]
        return cls(
            "process",
            f"{_ours(specimen)} cannot "
            f"{_named(process, specimen)}: it can {_listed(able)}, so ask for {_example(specimen)}, or select a mesh "
            f"and use Animate Selected",
            process=process,
        )

    @classmethod
    def turns_otherwise(cls, specimen: str, colour: str) -> "NotUnderstood":
        noun = _with_article(objects.NAMES[specimen][0])
        ripens = "turn" not in objects.PROCESSES_OF[specimen]
        way = "ripens from green to red or yellow" if ripens else "turns from green to another colour"
        saying = f"{noun} {processes.SAID['ripen' if ripens else 'turn']}"
        reverse = " in reverse" if colour.endswith("green") else ""
        return cls(
            "process",
            f"{_ours(specimen)} {way} and cannot turn {_spaced(colour)}: ask for "
            f'"{saying}{reverse}", or select a mesh and use Animate Selected',
            process="turn",
        )

    @classmethod
    def disordered(cls, specimen: str | None) -> "NotUnderstood":
        noun = "it" if specimen is None else _with_article(objects.NAMES[specimen][0])
        return cls(
            "process",
            f"The order in which {noun} should do this is not understood: say the "
            f"stages in the order in which they happen",
        )

    @classmethod
    def turned_between(cls) -> "NotUnderstood":
        return cls(
            "process",
            '"In reverse" turns the whole life and stands between two stages here: say it at the end, or ask for one '
            "stage alone in reverse",
        )

    @classmethod
    def compared(cls, words: str, specimen: str) -> "NotUnderstood":
        return cls(
            "process",
            f'"{_cut(words, _LONGEST_QUOTE)}" compares two stages, which the built-in engine does not understand: say '
            f'"slowly" or "quickly" of each, for example {_example(specimen, " slowly")}',
        )

    @classmethod
    def unknown_process(cls, specimen: str, words: str) -> "NotUnderstood":
        able = [_named(known, specimen) for known in objects.PROCESSES_OF[specimen]]
        return cls(
            "process",
            f'The built-in engine does not know what "{_cut(words, _LONGEST_WORD)}" does to '
            f"{_with_article(objects.NAMES[specimen][0])}: it can {_listed(able)}, so ask for {_example(specimen)}, or "
            f"select a mesh and use Animate Selected",
        )

    @classmethod
    def within(cls, specimen: str, inner: str, outer: str) -> "NotUnderstood":
        return cls(
            "process",
            f"{_ours(specimen)} cannot {_named(outer, specimen)} and "
            f"{_named(inner, specimen)} one after the other, since the two are one process: ask for one of "
            f"the two, for example {_example(specimen)}",
            process=inner,
        )

    @classmethod
    def keeps_leaves(cls, specimen: str) -> "NotUnderstood":
        return cls(
            "process",
            f"{_ours(specimen)} cannot lose its leaves: ask for {_example(specimen)}, or "
            f"select a mesh and use Animate Selected",
            process="drop",
        )

    @classmethod
    def at_odds(cls, specimen: str, named: list[str]) -> "NotUnderstood":
        words = _listed([_named(process, specimen) for process in named], "and")
        return cls(
            "process",
            f"{_ours(specimen)} cannot {words} in one life: ask for one of them, for example {_example(specimen)}",
            process=named[-1],
        )

    @classmethod
    def at_once(cls, specimen: str, process: str, other: str) -> "NotUnderstood":
        return cls(
            "process",
            f"{_ours(specimen)} cannot {_named(process, specimen)} and "
            f'{_named(other, specimen)} at once: say "then" between them, or ask for one of the two',
            process=other,
        )

    @classmethod
    def too_large(cls, specimen: str, count: int, vertices: int) -> "NotUnderstood":
        nouns = objects.NAMES[specimen][1]
        return cls(
            "parameter",
            f"{count} {nouns} would have {vertices:,} vertices, more than one mesh may have: ask for fewer, or for "
            f"less detail",
        )

    @classmethod
    def without(cls, specimen: str, process: str, part: str) -> "NotUnderstood":
        absent = f"without {_many_of(part)}"
        return cls(
            "parameter",
            f'{_ours(specimen)} cannot {_named(process, specimen)} {absent}: leave out "{absent}", or ask for '
            f"something else to happen",
        )

    @classmethod
    def unfit(cls, specimen: str, process: str, settings: dict[str, float]) -> "NotUnderstood":
        told = _listed([f"{name} {value:g}" for name, value in settings.items()], "and")
        return cls(
            "parameter",
            f"{_ours(specimen)} needs {told} to {_named(process, specimen)}: set that, or ask for something else",
        )

    @classmethod
    def other_kind(cls, specimen: str, given: str) -> "NotUnderstood":
        one, other = (_with_article(objects.NAMES[name][0]) for name in (specimen, given))
        return cls("several", f"The prompt names {one} and the parameters are those of {other}: leave one of them out")

    @classmethod
    def halfway(cls, specimen: str, process: str, following: str) -> "NotUnderstood":
        return cls(
            "process",
            f"{_ours(specimen)} has to {_named(process, specimen)} all the way before it can "
            f"{_named(following, specimen)}: leave out how far it goes, or ask for one of the two",
            process=following,
        )

    @classmethod
    def too_many(cls, specimen: str, part: str, number: float, there: str) -> "NotUnderstood":
        return cls(
            "parameter",
            f"{_ours(specimen)} cannot have {_so_many(number)} {_many_of(part)}: {there}, so ask for a number within "
            f"that",
        )

    @classmethod
    def too_many_fall(cls, specimen: str, part: str, number: float, there: int, most: int) -> "NotUnderstood":
        return cls(
            "parameter",
            f"{_ours(specimen)} cannot lose {_so_many(number)} {_many_of(part)}: it has {there} here and can have up "
            f'to {most}, so ask for fewer to fall, or say "with {most} {_many_of(part)}" too',
        )

    @classmethod
    def too_many_individuals(cls, specimen: str, typed: str) -> "NotUnderstood":
        several = objects.NAMES[specimen][1]
        return cls(
            "parameter",
            f"The built-in engine makes 1 to {protocol.INDIVIDUALS} {several} from one prompt, and this one asks for "
            f"{_cut(typed, _LONGEST_WORD)}: ask for a number within that",
        )

    @classmethod
    def too_long(cls, stages: int, most: int) -> "NotUnderstood":
        return cls(
            "parameter",
            f"A life of the built-in engine has up to {most} stages and the prompt names {stages}: leave some of them "
            f"out",
        )

    @classmethod
    def too_tall(cls, specimen: str, metres: float, there: str) -> "NotUnderstood":
        noun = _with_article(objects.NAMES[specimen][0])
        return cls(
            "parameter",
            f"What the built-in engine makes is {there} tall, and {noun} of {_so_many(metres)} m was asked for: ask "
            f"for a height within that",
        )


def _ours(specimen: str) -> str:
    """ "A rose of the built-in engine"."""
    return f"{_with_article(objects.NAMES[specimen][0]).capitalize()} of the built-in engine"


def _example(specimen: str, pace: str = "") -> str:
    noun = _with_article(objects.NAMES[specimen][0])
    return f'"{noun} {processes.SAID[objects.PROCESSES_OF[specimen][0]]}{pace}"'


def _spaced(colour: str) -> str:
    """ "papayawhip" -> "papaya whip", "pale yellow" as it is."""
    shade, _, name = colour.rpartition(" ")
    return f"{shade} {_SPACED.get(name, name)}".strip()


def _named(process: str, specimen: str) -> str:
    return "fall" if process == "drop" and specimen not in objects.FLOWERS else processes.NAMED[process]


def _so_many(number: float) -> str:
    return f"{number:g}" if number < 1e6 else "more than a million"


def _said_amount(amount: float) -> str:
    """ "A little", or the number that was said."""
    vague = None if isinstance(amount, measures.Percent) else measures.SAID_AMOUNTS.get(amount)
    return vague or f"{100 * amount:g} %"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


def _one_of(part: str) -> str:
    return objects.SAID_PARTS.get(part, (part.removesuffix("s"), part))[0]


def _many_of(part: str) -> str:
    return objects.SAID_PARTS.get(part, (part.removesuffix("s"), part))[1]


def _with_article(noun: str) -> str:
    return ("an " if noun[0] in "aeio" else "a ") + noun


def _quoted(prompt: str) -> str:
    text = " ".join(prompt.split())
    return f'"{_cut(text, _LONGEST_QUOTE)}"'


def _listed(words: list[str], last: str = "or") -> str:
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else words[0]

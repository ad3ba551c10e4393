"""The reading of a prompt: which object, how many, what colour and size, which parts; then its stages.

Every step marks the items that it understood as used. What carries meaning and is not used at the end is passed over,
so that a step may always leave a word alone, and nothing is guessed.
"""

import dataclasses
import itertools

from rapidfuzz.distance import OSA

from backend import protocol

from .colour import UNRIPE, colour_of, scenery, turning
from .items import ADJECTIVES, BORDERS, SILENT, Item, Row, row_of
from .lexicon import SENSES, is_object
from .meaning import NotUnderstood, Stage, Understanding
from .numbers import count_of, size_of
from .parts import absent_parts, parts_of
from .stages import stages_of
from .tokens import folded
from .vocabulary import objects, processes
from .vocabulary.objects import PARAMETERS_OF, PROCESSES_OF
from .vocabulary.ordinary import ORDINARY
from .vocabulary.small_words import BLOWING, PARTICLES, SILENT_VERBS, UNDOING

MOST_STAGES = 8  # of a life
_NUMBERS = ("count", "one", "indefinite")
_LOOKS = ("colour", "shade", "size", "process", "whole")
# Between a verb and its particle: "puts the red candle slowly out".
_BEFORE_PARTICLES = frozenset(
    "silent pace amount again part object definite indefinite possessive colour shade size coloured intensifier".split()
)
_AFTER_HEADS = frozenset("break place with without and".split())  # what may follow the head of a noun phrase
_NO_NOUNS = ("ing", "ly", "ed", "s")  # ends of words that head no noun phrase
_VERB_ENDINGS = {"en": ("ing", "ed", "s"), "de": ("t", "end"), "fr": ("issant", "issent")}
_RELATIVES = frozenset("that which who qui die der das welche welcher welches".split())
_AFTER_ADJECTIVES = frozenset("place object unknown near colour shade".split())
_REFLEXIVES = ("s'", "se", "sich")
_NEAREST_LETTERS = 4  # a part of a word as long as this makes a known object its nearest: "candlestick"


def understand(prompt: str) -> Understanding:
    """Read a prompt. Raises NotUnderstood where it is empty, where it names no or several known objects, and where it
    asks for what the object cannot do, for too much, or for something not to happen."""
    row = row_of(prompt)
    specimen = _specimen(prompt, row)
    _flavours(row, specimen)
    parameters = absent_parts(row, specimen)
    _refuse_negation(row, specimen)
    reverse = _reverse(row)
    turned = turning(row, specimen)
    if turned == UNRIPE:
        raise NotUnderstood.turns_otherwise(specimen, turned)
    scenery(row)
    parameters |= parts_of(row, specimen)
    size = size_of(row)
    count, unmade = count_of(row, specimen)
    colour = colour_of(row, turned)
    _refuse_other_looks(row, specimen)
    _pass_frozen(row, specimen)
    _refuse_comparison(row, specimen)
    stages = _parts_of_stages(row, specimen, stages_of(row, specimen))
    _refuse_turned_between(row, stages)
    stages = _blown(row, specimen, stages)
    if not stages:
        _refuse_other_head(prompt, row, specimen)
    if specimen == "candle" and parameters.get("flame") == 0 and not stages:
        stages = (Stage("melt"),)  # what its life is without a flame
    for _, item in row.of("told"):
        item.used |= item.value == "bud" and bool(stages) and stages[0].process == "bloom"
    for _, item in row.of("life"):
        item.used = not stages
    _tell_particles(row)
    if len(stages) > MOST_STAGES:
        raise NotUnderstood.too_long(len(stages), MOST_STAGES)
    for stage in stages:
        if stage.process == "turn" and specimen == "apple" and turned:
            raise NotUnderstood.turns_otherwise(specimen, turned)
        if stage.process not in PROCESSES_OF[specimen]:
            raise NotUnderstood.no_such_process(specimen, stage.process)
    for _, item in row.of("wind"):
        item.scenery = all(stage.process != "sway" for stage in stages)
    passed_over = _passed_over(row)
    order = [part for part in PARAMETERS_OF.get(specimen, ()) if part in parameters]
    return Understanding(
        specimen,
        count,
        colour,
        size,
        {part: parameters[part] for part in order},
        stages,
        reverse,
        passed_over,
        tuple((typed, meant) for typed, meant in row.read_as if typed not in passed_over),
        turned,
        unmade,
        None if stages else _undone(row),
        _form(row, specimen),
    )


def _specimen(prompt: str, row: Row) -> str:
    """The one specimen that is named; its items are used."""
    for k, item in list(row.of("compound")):
        specimen, plural, kind, value = item.value
        item.kind, item.value = "object", (specimen, plural)
        own = tuple(token for token in item.tokens if kind == "told" and not is_object(token.key))
        row.items.insert(k, Item(kind, value, own))
    named = [(k, item) for k, item in row.of("object")]
    for k, item in row.of("open"):
        cream, ice, *clear = item.value
        if any(other.value[0] in (cream, ice) for _, other in named):
            item.used = True
        elif _is_counted(row, k) or _has_scoops_or_flavour(row):
            item.kind, item.value = "object", (cream, item.text.endswith("s") and row.language == "fr")
            named.append((k, item))
        elif not named:
            raise NotUnderstood.open_word(item.text.capitalize(), cream, (clear[0], clear[1]))
    if not named and (plant := _growing_plant(row)):
        named = [plant]
    specimens = list(dict.fromkeys(item.value[0] for _, item in sorted(named, key=lambda pair: pair[0])))
    if not specimens:
        if all(item.kind in SILENT for item in row.items):
            raise NotUnderstood.empty()
        denied = [item for item in row.items if item.kind not in SILENT]
        if all(item.kind in ("not", "without") for item in denied):
            raise NotUnderstood.negation(denied[0].text, "rose")
        raise NotUnderstood.unknown_object(prompt, _nearest(row))
    if len(specimens) > 1:
        raise NotUnderstood.several(specimens)
    for k, item in named:
        if item.value[0] == "oak_leaf" and _is_other_leaf(row, k):
            raise NotUnderstood.unknown_object(prompt, "oak_leaf")
        item.used = True
    return specimens[0]


def _growing_plant(row: Row) -> tuple[int, Item] | None:
    """ "A plant" that grows and of which no kind is told is a sprout."""
    things = [(k, item) for k, item in enumerate(row.items) if item.kind == "unknown" or item.sense("near")]
    grows = any(item.value == "grow" for _, item in row.of("process"))
    if not grows or len(things) != 1 or things[0][1].text not in objects.PLANTS:
        return None
    item = things[0][1]
    item.kind, item.value = "object", ("sprout", bool(objects.PLANTS[item.text]))
    return things[0]


def _is_other_leaf(row: Row, k: int) -> bool:
    """Whether the leaf at k is of another kind ("a maple leaf") or of another thing ("a tree losing its leaves")."""
    owner = row.next_not(k - 1, ADJECTIVES - {"process"} | {"all", "of", "amount"}, -1)
    owned = row.at(owner).kind == "possessive" and any(item.kind in ("near", "unknown") for item in row.items[:owner])
    return row.at(k - 1).text in objects.LEAF_KINDS or owned


def _is_counted(row: Row, k: int) -> bool:
    return row.at(row.next_not(k - 1, ADJECTIVES, -1)).kind in ("indefinite", "count", "one")


def _has_scoops_or_flavour(row: Row) -> bool:
    return any(item.sense("flavour") or (item.kind == "part" and item.value[0] == "scoops") for item in row.items)


def _flavours(row: Row, specimen: str) -> None:
    """What ice cream tastes of is its colour; of another thing it is no flavour."""
    for item in row.items:
        if specimen != "ice_cream":
            item.senses = tuple(sense for sense in item.senses if sense.kind != "flavour")
        elif item.sense("flavour"):
            item.become("flavour")
            item.kind = "colour"


def _form(row: Row, specimen: str) -> str | None:
    """A kind of the specimen that has a shape of its own: "tealight"."""
    found = [item for _, item in row.of("form") if item.value in objects.FORMS.get(specimen, ())]
    for item in found:
        item.used = True
    return found[0].value if found else None


def _nearest(row: Row) -> str | None:
    """The specimen that is nearest to an unknown object: in kind, else as a part of its word, else in spelling."""
    places = [k for k, _ in row.of("place", "with") if any(item.kind in ("near", "unknown") for item in row.items[:k])]
    named = row.items[: places[0]] if places else row.items  # "a house on fire" is no fire
    if near := [item.value for item in named if item.kind == "near"]:
        return near[0]
    for k, item in enumerate(named):
        if item.kind == "colour" and item.sense("near") and row.at(k + 1).kind not in ("unknown", "colour", "and"):
            return item.sense("near").value
    words = [
        item.last if item.kind == "unknown" else folded(item.text)
        for item in named
        if item.kind == "unknown" or (item.kind == "colour" and not _is_spoken(item, row.language))
    ]
    for word in words:
        parts = [(len(noun), specimen) for noun, specimen in _OWN_NOUNS if word.startswith(noun) or word.endswith(noun)]
        if parts:
            return max(parts)[1]
    for word in words:
        limit = 2 if len(word) >= 8 else 1
        alike = [(noun, specimen) for noun, specimen in _NOUNS if noun[0] == word[0] and len(noun) > _NEAREST_LETTERS]
        distances = [(OSA.distance(word, noun, score_cutoff=limit), specimen) for noun, specimen in alike]
        if distances and min(distances)[0] <= limit:
            return min(distances)[1]
    own = [noun for noun in _nouns({row.language: objects.OBJECTS[row.language]}) if len(noun[0]) == _NEAREST_LETTERS]
    for word in words:
        short = len(word) == _NEAREST_LETTERS - 1 and word not in ORDINARY[row.language]  # "rse"
        for noun, specimen in own if short else []:
            if noun[0] == word[0] and OSA.distance(word, noun) == 1:
                return specimen
    return next((_OF_PART[item.value[0]] for _, item in row.of("part")), None)


def _is_spoken(item: Item, language: str) -> bool:
    return any(language in sense.languages for sense in item.senses)


def _nouns(*tables: dict[str, dict[str, str]]) -> list[tuple[str, str]]:
    nouns = [
        (noun.partition("/")[0], specimen)
        for table in tables
        for of_language in table.values()
        for specimen, listed in of_language.items()
        for noun in listed.split(", ")
    ]
    return [(noun, specimen) for noun, specimen in nouns if " " not in noun and len(noun) >= _NEAREST_LETTERS]


_OWN_NOUNS = _nouns(objects.OBJECTS)
_NOUNS = _nouns(objects.OBJECTS, objects.NEAR)
_OF_PART = {"petals": "rose", "thorns": "rose", "leaves": "oak_leaf", "wicks": "candle", "scoops": "ice_cream"}
_OF_PART |= {"spots": "mushroom", "cuts": "bread", "drips": "candle"}


def _refuse_negation(row: Row, specimen: str) -> None:
    for _, item in row.of("not", "without", "lack", "unknown"):
        denied = item.kind in ("not", "without") or (item.kind == "lack" and item.value == "flame")
        if (denied and not item.used) or (item.kind == "unknown" and _is_undone_process(item.last)):
            raise NotUnderstood.negation(item.text, specimen)
    for _, item in row.of("revival"):
        raise NotUnderstood.revival(item.text, specimen)


def _is_undone_process(word: str) -> bool:
    """ "unwilting", "un-rotting", "unburnt"."""
    rest = word.removeprefix("un").removeprefix("-")
    return rest != word and any(sense.kind == "process" for sense in SENSES.get((rest,), ()))


def _refuse_other_looks(row: Row, specimen: str) -> None:
    """Refuse the object named again with a number or a look of its own: "three red roses and two white ones"."""
    first = next(k for k, item in row.of("object"))
    if _is_described_twice(row, first):
        raise NotUnderstood.several_looks(specimen)
    for k, item in enumerate([*row.items[first + 1 :], row.at(-1)], first + 1):
        start = row.next_not(k - 1, ADJECTIVES - {"unknown", "near", "told"} | {*_NUMBERS}, -1)
        own = row.items[start + 1 : k]
        numbered = any(other.kind in _NUMBERS for other in own)
        unread = [other for other in own if not (other.used or other.scenery)]
        coloured = any(other.kind == "colour" for other in unread)
        added = numbered and row.at(start).kind == "and" and any(o.kind == "object" for o in row.items[:start])
        if item.kind == "object":
            again = added or coloured or any(other.kind == "count" for other in unread)
        else:
            again = added and coloured and (item.kind in BORDERS or item.text in ("one", "ones"))
        if again:
            raise NotUnderstood.several_looks(specimen)


def _is_described_twice(row: Row, k: int) -> bool:
    """ "Two red and three white roses": numbers and looks on both sides of "and" before the object at k."""
    around = ADJECTIVES - {"unknown", "near", "told"} | {*_NUMBERS}
    joint = row.next_not(k - 1, around, -1)
    start = row.next_not(joint - 1, around, -1)
    sides = row.items[start + 1 : joint], row.items[joint + 1 : k]
    return row.at(joint).kind == "and" and all(
        any(item.kind in _NUMBERS for item in side) and any(item.kind in _LOOKS for item in side) for side in sides
    )


def _tell_particles(row: Row) -> None:
    """ "Goes up and down": particles say something of their own behind a silent verb, or in a clause without one."""
    for k, item in row.of("silent", "place"):
        if item.text not in PARTICLES or row.at(row.next_not(k + 1, {"pace", "amount"})).kind not in BORDERS:
            continue
        at = k - 1
        while row.at(at).kind in _BEFORE_PARTICLES and row.at(at).text not in SILENT_VERBS:
            at -= 1
        verb = row.at(at)
        item.scenery = verb.kind in BORDERS or verb.text in SILENT_VERBS
        verb.scenery |= verb.text in SILENT_VERBS


def _refuse_comparison(row: Row, specimen: str) -> None:
    """ "Twice as fast as it bloomed" is no pace of its own, and what it is compared with is no stage."""
    for k, _ in row.of("pace"):
        said, before = row.at(k + 1), row.at(k - 1).text
        word = said.text.partition(" ")[0]
        compares = (word == "as" and before.endswith("as")) or word in ("than", "als")
        compares |= (word == "wie" and before in ("so", "wie")) or (
            word in ("que", "qu'") and before in ("plus", "moins", "aussi")
        )
        end = row.next_not(k + 2, {other.kind for other in row.items} - {"process", "whole", "break"})
        if compares and row.at(end).kind in ("process", "whole"):
            words = " ".join(other.text for other in row.items[max(k - 1, 0) : end + 1])
            raise NotUnderstood.compared(words, specimen)


def _refuse_turned_between(row: Row, stages: tuple[Stage, ...]) -> None:
    """ "Rotting in reverse, then ripening": the whole is turned, and it must not stand beside one stage of several."""
    verbs = [k for k, item in row.of("process", "whole") if item.used and not item.scenery]
    if len(stages) > 1 and any(verbs[0] < k < verbs[-1] for k, _ in row.of("reverse") if verbs):
        raise NotUnderstood.turned_between()


def _blown(row: Row, specimen: str, stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """ "A rose in the breeze" sways, where it can."""
    blows = any(item.last in BLOWING for _, item in row.of("wind"))
    if stages or not blows or "sway" not in PROCESSES_OF[specimen]:
        return stages
    return (Stage("sway"),)


def _refuse_other_head(prompt: str, row: Row, specimen: str) -> None:
    """Refuse what only begins with the object: "mushroom soup", "une pomme de pin"; "rose stem" is a part of it."""
    for k, item in row.of("object"):
        if row.language == "fr":
            joined = row.at(k + 1).text in ("de", "d'") and row.at(k + 2).kind == "unknown"
            if joined and not any(token.number for token in row.at(k + 2).tokens):
                raise NotUnderstood.unknown_object(prompt, specimen)
        head = row.at(k + 1)
        if row.language != "en" or item.value[1] or row.at(k + 2).kind not in _AFTER_HEADS:
            continue
        of_kind = head.kind == "near" and head.value not in (specimen, "sprout", "oak_leaf", *objects.FLOWERS)
        if of_kind or (head.kind == "unknown" and head.text.isalpha() and not _ends_as_no_noun(head.text)):
            raise NotUnderstood.unknown_object(prompt, specimen)


def _ends_as_no_noun(word: str) -> bool:
    return word.endswith(_NO_NOUNS) and not word.endswith("ss")


def _undone(row: Row) -> str | None:
    """A verb that is not read and says what happens to the object, as typed."""
    first = next(k for k, item in row.of("object"))
    for k, item in enumerate(row.items[first + 1 :], first + 1):
        before, after = row.at(k - 1), row.at(k + 1)
        if item.kind == "told" and item.text in UNDOING:
            return item.text
        if item.kind != "unknown" or item.text == "watch":
            continue
        if after.text in PARTICLES and row.at(k + 2).kind in BORDERS and row.language == "en":
            return f"{item.text} {after.text}"  # "blown out"
        if after.kind in _AFTER_ADJECTIVES and not (before.text in _RELATIVES and after.kind == "colour"):
            continue
        if before.sense("turn") or (before.text in SILENT_VERBS and item.text not in PARTICLES):
            return f"{before.text} {item.text}"  # "going stale"
        if before.text in _REFLEXIVES or _is_verb(row, k):
            return item.text
    moved = [item.text for _, item in row.of("silent", "place") if item.scenery]  # "put the candle out"
    return " ".join(moved) if any(word in SILENT_VERBS for word in moved) else None


def _is_verb(row: Row, k: int) -> bool:
    """Whether the unread word at k stands where a verb does: behind the object with the end of a verb, or behind
    "that" and "qui". What stands before a place ("standing on a table") only says where it is."""
    item = row.items[k]
    at = row.next_not(k - 1, {"pace"}, -1)
    before = row.at(at)
    if item.tokens[0].capital or item.text.endswith(("ly", "ss")):
        return False
    if before.text in _RELATIVES or (row.language == "de" and before.kind == "definite" and at == k - 1):
        return before.text in ("that", "which", "who", "qui") or (
            row.at(at - 1).kind == "break" and item.text.endswith(_VERB_ENDINGS["de"])
        )
    return before.kind in ("object", "silent") and item.text.endswith(_VERB_ENDINGS[row.language])


def _pass_frozen(row: Row, specimen: str) -> None:
    """Ice is frozen anyway."""
    for _, item in row.of("process"):
        if item.value == "freeze" and specimen in ("ice_cream", "ice_block") and item.last in processes.FROZEN:
            item.kind = "unknown"


def _parts_of_stages(row: Row, specimen: str, stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """A process that is part of the one beside it happens at once with it. Raises NotUnderstood where it is asked for
    before or after it: "a candle melting, then burning down"."""
    within = protocol.SPECIES[specimen].within
    told = list(stages)
    for k, (before, stage) in enumerate(itertools.pairwise(stages), 1):
        pair = (before.process, stage.process)
        inner = next((process for process in pair if within.get(process) in pair), None)
        if inner is None or stage.together:
            continue
        if any(row.of("then", "after", "before")):
            raise NotUnderstood.within(specimen, inner, within[inner])
        told[k] = dataclasses.replace(stage, together=True)
    return tuple(told)


def _reverse(row: Row) -> bool:
    found = [item for _, item in row.of("reverse")]
    for item in found:
        item.used = True
    return bool(found)


def _passed_over(row: Row) -> tuple[str, ...]:
    """Words that carry meaning and were not understood, in the order of the prompt."""
    left = (item for item in row.items if not item.used and (item.kind not in SILENT or item.scenery))
    words = (token.text for item in left for token in item.tokens if not _is_function_word(item, token.key))
    return tuple(dict.fromkeys(words))


def _is_function_word(item: Item, word: str) -> bool:
    """Whether a word of a phrase says nothing without the others. Phrases that are told are told whole."""
    return (
        len(item.tokens) > 1
        and item.value != "told"
        and all(sense.kind in SILENT for sense in SENSES.get((word,), ()))
        and (word,) in SENSES
    )

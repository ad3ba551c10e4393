"""Parts of an object: how many petals, leaves, thorns, wicks and scoops there are, and how many of them fall."""

from .items import ADJECTIVES, Item, Row
from .meaning import NotUnderstood
from .vocabulary.objects import PARAMETERS_OF

_BETWEEN_VERB_AND_PART = frozenset("pace silent particle size again amount then object".split())
_BETWEEN_PART_AND_VERB = frozenset("pace silent subject of definite indefinite colour shade size".split())
_SINGULAR = {"leaves": "leaf"}
_OPENING = ("bloom", "close")


def absent_parts(row: Row, specimen: str) -> dict[str, int]:
    """Parts that are asked to be absent: "thornless", "without thorns"."""
    absent = {}
    for _, item in row.of("lack"):
        if parameter := _parameter(item.value, specimen):
            absent[parameter] = 0
            item.used = True
    for k, item in enumerate(row.items):
        noun = row.at(
            row.next_not(k + 1, ADJECTIVES - {"process"} | {"all", "silent", "indefinite", "definite", "possessive"})
        )
        if not item.sense("without") or (item.sense("not") and _is_of_verb(row, k)):
            continue
        if noun.kind == "part" and (parameter := _parameter(noun.value[0], specimen)):
            absent[parameter] = 0
            item.kind, item.used, noun.used = "without", True, True
    return absent


def _parameter(part: str, specimen: str) -> str | None:
    """The name of the part in the record of this specimen, where it has one."""
    return next((name for name in (part, _SINGULAR.get(part)) if name in PARAMETERS_OF.get(specimen, ())), None)


def _is_of_verb(row: Row, k: int) -> bool:
    """Whether "no" denies a process and not a part: "loses no petals", "no petals fall"."""
    before = row.at(row.next_not(k - 1, {"silent", "possessive"}, -1))
    after = row.at(row.next_not(k + 1, {"part", "silent"}))
    return before.kind in ("process", "lose") or (after.kind == "process" and after.value == "drop")


def parts_of(row: Row, specimen: str) -> dict[str, int]:
    """Numbers of parts; petals that fall are given to the verb that lets them fall. Raises NotUnderstood for leaves
    that cannot fall."""
    found: dict[str, int] = {}
    for k, item in list(row.of("part")):
        if item.used:
            continue
        part = item.value[0]
        counted, governor = _counted_before(row, k)
        number = None if counted and counted.kind == "indefinite" and item.last.endswith("ed") else _whole(counted)
        verb = _falling(row, k, governor)
        if verb is not None and part in ("petals", "leaves"):
            verb.kind, verb.value = "process", "drop" if verb.kind == "lose" else verb.value
            if part == "leaves" and specimen != "oak_leaf":
                raise NotUnderstood.keeps_leaves(specimen)
            item.used = True
            if counted is not None and counted.kind in ("all", "amount"):
                counted.kind, counted.value = "amount", 1.0 if counted.kind == "all" else counted.value
            elif number is not None and counted is not None:
                verb.value, counted.used = ("drop", number), True
        elif number is not None and counted is not None and row.at(governor).kind != "then":
            if (parameter := _parameter(part, specimen)) and parameter not in found:
                found[parameter] = number
                item.used = counted.used = True
        elif part == "petals" and counted is None and _only_described(row, k):
            item.used = True
    _all_that_fall(row, specimen)
    for _, item in row.of("lose"):
        item.kind = "unknown"
    return found


def _all_that_fall(row: Row, specimen: str) -> None:
    """ "Every leaf falls", "twelve petals, all fall": an amount of the verb."""
    for k, item in row.of("all"):
        noun = row.next_not(k + 1, {"silent", "definite", "possessive", "plural article", "of", "colour", "shade"})
        is_leaf = row.at(noun).kind == "object" and row.at(noun).value[0] == "oak_leaf"
        of_parts = is_leaf or any(other.value[0] in ("petals", "leaves") for _, other in row.of("part"))
        verb = row.next_not(noun + is_leaf, _BETWEEN_PART_AND_VERB | {"particle"})
        falls = row.at(verb).kind == "process" and row.at(verb).value == "drop"
        if falls and of_parts and row.at(row.next_not(verb + 1, {"silent", "possessive"})).kind != "part":
            item.kind, item.value = "amount", 1.0


def _counted_before(row: Row, k: int) -> tuple[Item | None, int]:
    """What counts the part at k, and the index of what stands before both."""
    inner = ADJECTIVES - {"process", "amount", "multiple", "whole"} | {"of", "definite", "possessive", "plural article"}
    of_object = row.at(k - 1).kind == "object" and not row.at(k - 1).value[1]  # "twenty rose petals"
    at = row.next_not(k - 1 - of_object, inner, -1)
    counted = row.at(at) if row.at(at).kind in ("count", "one", "indefinite", "multiple", "all", "amount") else None
    if counted is not None:
        at = row.next_not(at - 1, {"silent", "indefinite", "definite", "possessive", "of"}, -1)
    return counted, at


def _whole(counted: Item | None) -> int | None:
    """A number of parts, where it is one."""
    if counted is None or counted.scenery or counted.kind in ("all", "amount"):
        return None
    number = 1 if counted.kind in ("one", "indefinite") else counted.value
    return int(number) if number == int(number) else None


def _falling(row: Row, k: int, governor: int) -> Item | None:
    """The verb that lets the part at k fall: before it without "with" between, or right after it."""
    before = row.at(row.next_not(governor, _BETWEEN_VERB_AND_PART, -1))
    if before.kind == "lose" or (before.kind == "process" and before.value == "drop"):
        return before
    after = row.next_not(k + 1, _BETWEEN_PART_AND_VERB)
    if row.at(after).kind == "object" and row.at(after).used:
        after = row.next_not(after + 1, {"pace", "silent", "subject", "plural article", "colour", "shade"})
    verb = row.at(after)
    verb_last = verb.kind == "lose" and row.language == "de"  # "die zwei Blütenblätter verliert"
    if not verb_last and (verb.kind != "process" or verb.value != "drop"):
        return None
    own = row.next_not(after + 1, {"count", "one", "indefinite", "pace", "silent", "possessive", "all", "amount", "of"})
    return None if row.at(own).kind == "part" else verb


def _only_described(row: Row, k: int) -> bool:
    """Whether uncounted petals say nothing of their own: "opens its petals", "with red petals"."""
    before = row.at(row.next_not(k - 1, {"definite", "possessive", "silent", "plural article"}, -1))
    after = row.at(row.next_not(k + 1, {"silent", "pace", "subject"}))
    return before.kind in ("process", "colour") or (after.kind == "process" and after.value in _OPENING)

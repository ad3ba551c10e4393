"""The colour of the object, and what has a colour or size but is something else: scenery, and what a leaf turns to."""

from .items import ADJECTIVES, BORDERS, Item, Row
from .vocabulary import colours

_BEFORE_COLOURS = frozenset(
    "silent pace amount definite of place subject particle again with coloured".split()
)  # between "turns" and what it turns to
_OF_CHANGE = frozenset("from to into until von zu".split())
_FROM = frozenset("from von vom de du".split())
UNRIPE = "green"  # what a leaf and an apple are before they turn
_REDDISH = frozenset("red crimson scarlet yellow".split())  # what an apple that ripens turns to


def turning(row: Row, specimen: str) -> str | None:
    """The first colour that a leaf or an apple turns to. Others belong to no stage: of "turning yellow, then brown"
    brown is passed over, as is what it turns from, where that is not what it is anyway."""
    first = None
    for k, item in list(enumerate(row.items)):
        colouring = item.kind == "turn" or (item.kind == "process" and item.value.startswith("turn"))
        if not colouring:
            continue
        turned = _colours_from(row, k + 1)
        if not turned and row.language == "de" and row.at(k - 1).kind == "colour":
            turned = [[row.at(k - 1)]]
        for phrase in turned:
            name = _name(phrase)
            is_before = row.at(row.items.index(phrase[0]) - 1).text in _FROM
            chosen = first is None and not is_before and name is not None
            first = name if chosen else first
            for word in phrase:
                word.used = chosen or (is_before and name == UNRIPE)
                word.scenery = not word.used
        if item.kind != "turn":
            continue
        if turned:
            reddening = any(word.value in _REDDISH for phrase in turned for word in phrase)
            item.kind, item.value = "process", "turn|ripen" if reddening else "turn"
        elif specimen == "oak_leaf" and not item.sense("silent"):
            item.kind, item.value = "process", "turn"
        else:
            item.kind = "silent" if item.sense("silent") else "unknown"
    return first


def _name(phrase: list[Item]) -> str | None:
    """The colour that words say, with the shade before or, in French, after it."""
    named = next((word.value for word in phrase if word.kind == "colour"), None)
    if named is None or named.startswith(colours.SHADES):
        return named
    return colours.canonical(next((word.value for word in phrase if word.kind == "shade"), None), named)


def _colours_from(row: Row, k: int) -> list[list[Item]]:
    """Colours with their shades that follow k, through adverbs, "from", "to", commas and connectors."""
    found: list[list[Item]] = []
    while row.at(k := row.next_not(k, _BEFORE_COLOURS)).kind in ("colour", "shade"):
        last = k
        while row.at(last).kind in ("colour", "shade"):
            last += 1
        found.append(row.items[k:last])
        k = row.next_not(last, {"break", "and", "then"}) if row.at(last).kind in ("break", "and", "then") else last
    return found


def scenery(row: Row) -> None:
    """Mark what describes something else: "on a black background", "with a blue flame", "green stem"."""
    for k, _ in row.of("place", "with"):
        end = k + 1
        while row.at(end).kind not in BORDERS and not _is_verb_here(row, end):
            end += 1
            if row.at(end).kind == "and" and row.at(end - 1).kind == row.at(end + 1).kind == "colour":
                end += 1
        within = row.items[k + 1 : end]
        if any(other.kind == "object" for other in within):
            continue
        foreign = [other for other in within if other.kind in ("unknown", "near", "told")]
        foreign += [other for other in within if other.kind == "part" and other.value[0] != "petals"]
        if foreign:
            for other in within:
                described = other.kind in ("colour", "shade", "size", "process", "amount", "pace")
                counted = other.kind in ("count", "one") and not any(o.kind == "part" for o in foreign)
                other.scenery = described or counted
    for k, item in row.of("colour"):
        end = row.next_not(k + 1, ADJECTIVES - {"unknown", "near", "told"})
        noun = row.at(end)
        of_change = row.at(row.next_not(k - 1, {"shade", "definite"}, -1)).text in _OF_CHANGE
        if of_change or (noun.kind == "part" and noun.value[0] != "petals"):
            item.scenery = not item.used
        if noun.kind not in ("unknown", "near", "told"):
            continue
        beyond = row.at(row.next_not(end, ADJECTIVES | {"silent", "definite"}))
        before = row.at(row.next_not(k - 1, {"colour", "shade", "size"}, -1))
        if beyond.kind not in ("object", "part") and not (row.language == "fr" and before.kind == "object"):
            item.scenery = True


def _is_verb_here(row: Row, k: int) -> bool:
    """Whether a process at k is said of the object, and is no adjective of the scenery ("on a burning table")."""
    if row.at(k).kind not in ("process", "whole"):
        return False
    return row.at(k + 1).kind not in ("unknown", "near") or row.at(k - 1).kind in ("unknown", "near", "told")


def colour_of(row: Row, turned: str | None) -> str | None:
    """The first colour that is said of the object, with its shade. What turns to another is green before, or passed
    over."""
    found: str | None = None
    for k, item in row.of("colour"):
        if item.used or item.scenery or not _is_of_object(row, k):
            continue
        order = (k + 1, k - 1) if row.language == "fr" else (k - 1, k + 1)
        beside = [row.at(j) for j in order[: 2 if row.language == "fr" else 1]]
        shade = next((other for other in beside if other.kind == "shade" and not other.used), None)
        if item.value.startswith(colours.SHADES):
            shade = None  # "light dark red" is dark red
        colour = colours.canonical(shade.value if shade else None, item.value)
        if turned and colour != UNRIPE:
            continue
        if found is None or found == colour:
            found = colour
            item.used = True
            if shade:
                shade.used = True
        after = row.at(k + 1)
        if after.kind == "coloured":
            after.used = True
    return found


def _is_flavour_of_object(row: Row, k: int) -> bool:
    """Whether ice cream tastes of what stands at k: "vanilla ice cream", "glace à la vanille", not "and a coffee"."""
    ahead = row.at(row.next_not(k + 1, ADJECTIVES | {"and", "break", "of"})).kind in ("object", "part")
    behind = row.next_not(k - 1, ADJECTIVES | {"with", "of", "definite", "break"}, -1)
    return ahead or row.at(behind).kind == "object"


def _is_of_object(row: Row, k: int) -> bool:
    """Colours that are things must stand beside the object; any other must not be a noun ("an orange")."""
    item = row.items[k]
    if item.sense("flavour"):
        return _is_flavour_of_object(row, k)
    around = ADJECTIVES - {"unknown", "near", "told"} | {"and", "lack", "silent"}
    ahead = row.at(row.next_not(k + 1, around | {"unknown", "break"})).kind in ("object", "part", "coloured")
    behind = row.at(row.next_not(k - 1, around | {"coloured", "of", "break"}, -1)).kind == "object"
    before = row.at(row.next_not(k - 1, {"shade", "size", "silent", "multiple"}, -1)).kind
    if row.at(k + 1).kind == "colour" and item.value in colours.THINGS and row.language != "fr":
        return False  # "snow white" is a white
    if item.value in colours.THINGS:
        beside = behind and (row.language == "fr" or row.at(k - 1).kind == "break") and before != "indefinite"
        return ahead or beside or row.at(k + 1).kind == "coloured"
    return ahead or before not in ("indefinite", "count")

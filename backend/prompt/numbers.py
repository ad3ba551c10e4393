"""How many objects, and how large."""

from backend import protocol

from .items import ADJECTIVES, BORDERS, Item, Row
from .meaning import Size
from .vocabulary import measures, objects


def size_of(row: Row) -> Size | None:
    """A height where one is said, else the first factor."""
    found: list[Size] = []
    relative: list[Item] = []
    k = 0
    while k < len(row.items):
        item = row.items[k]
        factor, end = _factor_of_size(row, k)
        if factor is not None:
            found.append(Size("relative", factor))
            for part in row.items[k:end]:
                part.used = True
            k = end
            continue
        if item.kind == "size" and not item.scenery and not item.used:
            size = Size("relative", item.value)
            if size not in found:
                found.append(size)
            relative.append(item)
        metres, end = _metres(row, k)
        if metres is None:
            k += 1
            continue
        extent = row.next_not(end, {"silent", "of", "place"})
        is_height = row.at(extent).sense("height") is not None
        is_other = row.at(extent).sense("other extent") is not None and not is_height
        if metres > 0 and not is_other and not any(size.kind == "metres" for size in found):
            found.insert(0, Size("metres", round(metres, 6)))
            before = row.next_not(k - 1, {"of"}, -1)  # "haute de 20 cm"
            start = before if row.at(before).sense("height") else k
            for item in row.items[start : extent + 1 if is_height else end]:
                item.used = True
        k = end
    for item in relative:
        item.used = item.value == found[0].value and found[0].kind == "relative"
    return found[0] if found else None


def _factor_of_size(row: Row, k: int) -> tuple[float | None, int]:
    """How many times as large from k on, and the index behind it: "twice as large", "half as tall", "30 % larger"."""
    item, at = row.at(k), k + 1
    times = item.kind == "multiple" or (item.kind == "count" and item.text.endswith("x"))
    if item.kind == "count" and row.at(at).kind in ("otherwise", "unknown") and row.at(at).text in measures.TIMES:
        times, at = True, at + 1
    percent = row.at(at).last in ("percent", "prozent", "pourcent")
    share = item.kind == "amount" and (percent or item.value in (0.25, 0.5, 0.75))
    if item.scenery or item.used or not (times or share) or item.value <= 0:
        return None, k
    end = row.next_not(at + percent, {"silent", "definite"})
    between = [other.text for other in row.items[at + percent : end]]
    sized = row.at(end)
    if sized.kind == "comparative" or (sized.kind == "size" and "plus" in between):
        sign = sized.value if sized.kind == "comparative" else (1 if sized.value > 1 else -1)
        factor = item.value**sign if times else 1.0 + sign * item.value
    elif between and (sized.kind == "size" or sized.sense("height") or sized.text == "size"):
        factor = 1.0 / item.value if sized.kind == "size" and sized.value < 1 else float(item.value)
    else:
        return None, k
    other = row.at(row.next_not(end + 2, {"indefinite", "definite", "possessive"}))
    beside = row.at(end + 1).text in measures.AS and (
        other.kind in ("near", "unknown") or other.sense("other extent")  # "as tall as a house", "as tall as wide"
    )
    return (float(f"{factor:g}"), end + 1) if factor > 0 and not beside else (None, k)


def _metres(row: Row, k: int) -> tuple[float | None, int]:
    """A length that starts at k, in metres, and the index behind it; None where there is none."""
    total: float | None = None
    while not (row.at(k).scenery or row.at(k).used):
        factor, at = _factor(row, k)
        if row.at(at).text == "in" and row.at(k).kind == "count" and row.at(at + 1).sense("height"):
            row.at(at).kind, row.at(at).value = "unit", measures.METRES["inch"]
        unit, halved = row.at(at), _is_and_a_half(row, at + 1)
        told = row.at(k).kind not in ("indefinite", "unit") or halved or row.at(at + 1).sense("height")
        if factor is None or unit.kind != "unit" or (factor == 1 and not told) or (row.at(k) is unit and total):
            break
        total = (total or 0.0) + (factor + 0.5 * halved) * unit.value
        k = at + 4 if halved else at + 1
    return total, k


def _factor(row: Row, k: int) -> tuple[float | None, int]:
    """How many units are said from k on, and the index of the unit: "2", "one and a half", "half a", "a", ""."""
    item = row.at(k)
    if item.kind in ("count", "one"):
        number = 1.0 if item.kind == "one" else float(item.value)
        return (number + 0.5, k + 4) if _is_and_a_half(row, k + 1) else (number, k + 1)
    if item.kind == "amount" and item.value in (0.25, 0.5, 0.75):
        return item.value, row.next_not(k + 1, {"indefinite", "of"})
    if item.kind == "indefinite":
        return (0.5, k + 2) if row.at(k + 1).kind == "amount" and row.at(k + 1).value == 0.5 else (1.0, k + 1)
    return (1.0, k) if item.kind == "unit" else (None, k)


def _is_and_a_half(row: Row, k: int) -> bool:
    kinds = [row.at(k + j).kind for j in range(3)]
    return kinds == ["and", "indefinite", "amount"] and row.at(k + 2).value == 0.5


def count_of(row: Row, specimen: str) -> tuple[int, str | None]:
    """How many: a number that counts the object, else three of a plural, else one. And, as typed, a number that counts
    it and that cannot be made."""
    numbers: list[int] = []
    usual = False  # "a bouquet of 7 lilies" are seven
    unmade: str | None = None
    for k, item in list(row.of("count", "one", "bunch")):
        if item.used or item.scenery:
            continue
        number = 1 if item.kind == "one" else measures.BOUQUET if item.kind == "bunch" else item.value
        following = row.at(k + 1)
        half = row.at(k + 2).text in measures.HALF_DOZENS and following.kind == "and"  # "two and a half dozen"
        if half:
            number = measures.COLLECTIVES["dozen"] * (number + 0.5)
            row.at(k + 2).scenery = True
        elif _is_and_a_half(row, k + 1) and row.at(row.next_not(k + 4, ADJECTIVES)).kind == "object":
            if not numbers and unmade is None:
                unmade = f"{number + 0.5:g}"
            continue
        collective = following.kind == "count" and following.text.partition(" ")[0] in measures.COLLECTIVES
        if collective:
            number *= measures.COLLECTIVES[following.text.partition(" ")[0]]
            following.scenery = True
        elif following.kind == "count" and following.value > protocol.INDIVIDUALS:
            continue  # "two hundred"
        if not _counts_object(row, k + 2 * half) or (item.kind == "bunch" and specimen not in objects.FLOWERS):
            continue
        if not (number == int(number) and 1 <= number <= protocol.INDIVIDUALS):
            if (not numbers or usual) and unmade is None:
                unmade = _in_digits(row.at(k - 1), item, number)
            continue
        exact = not isinstance(number, measures.Usual)
        if not numbers or numbers[0] == number or (exact and usual):
            item.used = True
            following.used |= collective
            row.at(k + 2).used |= half
            row.at(k - 1).used |= row.at(k - 1).text == "x"
            numbers.insert(0, int(number))
            usual = not exact
    for _, item in row.of("multiple"):
        item.scenery = not item.used
    if numbers:
        return numbers[0], unmade
    pictures = [item for _, item in row.of("object") if not item.text.replace(" ", "").isalnum()]
    if len(pictures) > 1 and len({item.text for item in pictures}) == 1 and not pictures[0].text[0].isascii():
        most = protocol.INDIVIDUALS
        return min(len(pictures), most), str(len(pictures)) if len(pictures) > most else unmade
    first, item = next((k, item) for k, item in row.of("object"))
    article = row.at(row.next_not(first - 1, ADJECTIVES, -1))
    plural = item.value[1] or (article.kind == "plural article" and row.language == "fr")
    if item.last in objects.SAME_IN_PLURAL:
        plural = article.text == "die" or any(verb.last.endswith("en") for _, verb in row.of("process"))
    return measures.PLURAL if plural else 1, unmade


def _in_digits(before: Item, item: Item, number: float) -> str:
    """A number as it is told in a refusal: as typed where it is in digits or vague ("hundreds"), else in digits."""
    if isinstance(item.value, measures.Unmade):
        return max((token.text for token in item.tokens), key=len)  # "hundreds of"
    if any(token.number is not None for token in item.tokens):
        return item.text
    times = before.value if before.kind == "count" and not isinstance(before.value, measures.Usual) else 1
    return f"{times * number:g}" if times * number < 1e6 else f"{times * number:.0f}"


def _counts_object(row: Row, k: int) -> bool:
    """Whether a number at k counts the object: "three small white candles", "candles x3", not "three bowls of ice"."""
    at, strangers = k + 1, 0
    while True:
        kind = row.at(at).kind
        if kind == "object":
            return True
        if kind == "of" and strangers:
            return False
        if (
            kind == "break"
            and row.at(at - 1).kind in ("size", "colour")
            and row.at(at + 1).kind in ADJECTIVES | {"object"}
        ):
            at += 1
        elif kind in ADJECTIVES or kind in (
            "of",
            "count",
            "definite",
            "possessive",
            "lack",
            "silent",
            "plural article",
        ):
            strangers += kind in ("unknown", "near", "told")
            at += 1
        else:
            break
        if strangers > 2:
            return False
    if row.at(k + 1).kind not in BORDERS:
        return False
    marked = row.at(k - 1).kind == "break" or row.at(k - 1).text == "x"
    before = row.at(k - 2 if marked else k - 1)
    return before.kind == "object" and (marked or before.value[1])

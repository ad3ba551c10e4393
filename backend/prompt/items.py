"""A prompt as a row of items: phrases of the vocabulary, unknown words and breaks, each with the sense it has here."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .lexicon import LANGUAGES, LONGEST_PHRASE, SENSES, Sense
from .spelling import spelt
from .tokens import Token, first_tokens, folded
from .vocabulary.measures import FEW, PAIR, Percent
from .vocabulary.objects import PLANTS
from .vocabulary.processes import FADING
from .vocabulary.small_words import COLLIDING, TOLD_APART

# Where a phrase has several senses in one language, the first of these kinds is taken unless _settle knows better.
_PRIORITY = (
    "told", "wind", "reverse", "together", "whole", "compound", "object", "open", "part", "colour", "lack", "near",
    "process", "size", "shade", "count", "one", "multiple", "comparative", "bunch", "pace", "amount", "all", "some",
    "lose", "turn", "separated", "unit", "otherwise", "height", "other extent", "after", "then", "while", "before",
    "without", "not", "revival", "with", "and", "place", "particle", "of", "coloured", "again", "plural article",
    "indefinite", "possessive", "definite", "subject", "intensifier", "silent", "life", "flavour",
)  # fmt: skip
_RANK = {kind: k for k, kind in enumerate(_PRIORITY)}
MOST_WORDS = 200  # of a prompt, and breaks between them; what comes after is passed over as one
# Kinds that say nothing on their own.
SILENT = frozenset(
    "break silent subject definite indefinite possessive of some again one and then while after before together with "
    "place particle coloured wind".split()
) | {"plural article"}
_LETS = frozenset("lässt lassen laesst lasse ließ ließen fallenlässt".split())
# Kinds that stand between an article or number and its noun.
ADJECTIVES = frozenset(
    "colour shade size unknown near process pace amount multiple coloured told lack whole height comparative".split()
) | {"other extent", "form"}
# Kinds that end a noun phrase or a clause.
BORDERS = frozenset("break then and while after before with without place not subject reverse together".split())


@dataclass(eq=False)
class Item:
    """A phrase and its sense. `used` says that something was understood by it; `scenery` that it belongs elsewhere."""

    kind: str
    value: Any
    tokens: tuple[Token, ...]
    senses: tuple[Sense, ...] = ()
    used: bool = False
    scenery: bool = False

    def sense(self, kind: str) -> Sense | None:
        return next((sense for sense in self.senses if sense.kind == kind), None)

    def become(self, kind: str) -> None:
        self.kind, self.value = kind, sense.value if (sense := self.sense(kind)) else None

    @property
    def text(self) -> str:
        return " ".join(token.text for token in self.tokens)

    @property
    def last(self) -> str:
        return self.tokens[-1].key if self.tokens else ""


@dataclass
class Row:
    """The items of a prompt in order, and its language."""

    items: list[Item]
    language: str
    read_as: tuple[tuple[str, str], ...] = field(default=())

    def of(self, *kinds: str) -> Iterator[tuple[int, Item]]:
        return ((k, item) for k, item in enumerate(self.items) if item.kind in kinds)

    def at(self, k: int) -> Item:
        """The item at k; outside the row a break."""
        return self.items[k] if 0 <= k < len(self.items) else Item("break", None, ())

    def next_not(self, k: int, skipped: Iterable[str], step: int = 1) -> int:
        """Index of the first item from k on whose kind is not skipped; one past the row where there is none."""
        while 0 <= k < len(self.items) and self.items[k].kind in skipped:
            k += step
        return k


def row_of(prompt: str) -> Row:
    """Cut a prompt into items, each with one sense."""
    found, further = first_tokens(prompt, MOST_WORDS)
    language = _language(found)
    found = [_in_thousands(token, language) for token in found]
    mended = [_mended(token, language) for token in found]
    errors = (
        (typed.text, meant.key)
        for typed, meant in zip(found, mended, strict=True)
        if folded(typed.key) != folded(meant.key)
    )
    row = Row(_items(mended, language), language, tuple(dict.fromkeys(errors)))
    _settle(row)
    if further:
        told = f"and {further:,} further word{'s' * (further > 1)}"
        row.items += [Item("break", None, ()), Item("unknown", None, (Token(told, "…"),))]
    return row


def _in_thousands(token: Token, language: str) -> Token:
    """The token with the number that "1.500" is in German and "1,500" in English."""
    mark = {"en": ",", "de": "."}.get(language)
    whole, _, rest = token.text.partition(mark or " ")
    if token.number is None or len(rest) != 3 or not rest.isdigit() or not re.fullmatch("-?[1-9][0-9]{0,2}", whole):
        return token
    return token._replace(number=float(whole + rest))


def _mended(token: Token, language: str) -> Token:
    """The token with its typing error mended, where it has one."""
    if not token.key or token.number is not None:
        return token
    return token._replace(key=spelt(token.key, language) or token.key)


def _language(found: list[Token]) -> str:
    """The language of most words; English where it is open. An opening "die" is German: no English prompt begins so."""
    votes = dict.fromkeys(LANGUAGES, 0.0)
    votes["en"] = 0.1
    for k, token in enumerate(found):
        spoken = {language for sense in SENSES.get((token.key,), ()) for language in sense.languages}
        if token.key == "die" and (k == 0 or not found[k - 1].key):
            spoken = {"de"}
        for language in spoken:
            votes[language] += 1 / len(spoken) ** 2
    return max(votes, key=votes.__getitem__)


def _items(found: list[Token], language: str) -> list[Item]:
    items: list[Item] = []
    k = 0
    while k < len(found):
        if not found[k].key:
            items.append(Item("break", None, (found[k],)))
            k += 1
        elif found[k].number is not None:
            items.append(Item("count", found[k].number, (found[k],)))
            k += 1
        else:
            item = _phrase(found[k : k + LONGEST_PHRASE], language)
            items.append(item)
            k += len(item.tokens)
    return items


def _phrase(ahead: list[Token], language: str) -> Item:
    """The longest phrase of the vocabulary at the start of `ahead`, or one unknown word."""
    for length in range(len(ahead), 0, -1):
        words = tuple(ahead[:length])
        senses = SENSES.get(tuple(token.key for token in words), ())
        spoken = tuple(sense for sense in senses if language in sense.languages)
        if not spoken and senses and length == 1 and words[0].key in COLLIDING:
            continue
        if chosen := sorted(spoken or senses, key=lambda sense: _RANK[sense.kind]):
            item = Item(chosen[0].kind, chosen[0].value, words, tuple(chosen))
            if words[-1].key == "paar" and words[-1].capital:
                item.value = PAIR if item.value == FEW else item.value
            return item
    return Item("unknown", None, (ahead[0],))


def _settle(row: Row) -> None:
    """Choose between senses by what stands around them."""
    _settle_little(row)
    _settle_percents(row)
    for k, item in enumerate(row.items):
        if kind := _kind_here(row, k, item):
            item.become(kind)
    _settle_apart(row)


def _kind_here(row: Row, k: int, item: Item) -> str | None:
    """The kind that the item at k has here, where it is not the first of its senses."""
    behind, before = row.at(k - 1), row.at(row.next_not(k - 1, ("silent", "pace"), -1))
    ahead = row.at(k + 1)
    earlier = any(other.kind == "object" for other in row.items[:k])
    named = any(other is not item and not other.sense("process") for _, other in row.of("object"))
    if item.kind == "object" and item.sense("colour"):
        return "colour" if earlier and before.kind not in ("indefinite", "count") else None
    if item.kind == "object" and item.sense("process"):
        if item.value[0] == "rose" and all(o.value[0] == "rose" for _, o in row.of("object")):
            return None  # "rose rose" is a rose, named twice
        follows = before.kind in ("object", "then") or behind.kind == "pace" or _joins_verbs(row, k - 1)
        return "process" if before.kind == "subject" or ((named or earlier) and follows) else None
    if item.kind == "near" and item.sense("process") and (earlier or named):
        return None if behind.kind in ("with", "without", "place", "indefinite", "of", "count") else "process"
    if item.kind == "process" and item.last in FADING and _changes_colour(row, k + 1):
        return "unknown"  # "fading to white" is a colour that no flower turns to
    if item.kind == "object" and item.sense("part"):
        return "part" if _is_part(row, k) else None
    if item.last == "en" and row.language == "fr":
        return "while" if ahead.kind == "process" else None
    if item.sense("particle") and ahead.kind in ("break", "and", "then", "while", "pace", "reverse"):
        return "particle"
    if item.text == "life" and behind.kind == "object":
        return "life"
    if item.text == "watch" and behind.kind == "object":
        return "unknown"
    if item.kind == "colour" and (baking := item.sense("process")) and baking.value == "bake":
        return "process" if any(other.value[0] == "bread" for _, other in row.of("object")) else None
    if item.kind == "intensifier" and ahead.kind in ("pace", "size", "shade", "colour", "amount", "process"):
        return "silent"
    if item.kind == "other extent" and item.sense("silent") and behind.kind != "unit":
        return "silent"
    return None


def _changes_colour(row: Row, k: int) -> bool:
    """Whether "to white" or "into a pale pink" stands at k."""
    return row.at(k).text in ("to", "into") and row.at(row.next_not(k + 1, {"indefinite"})).kind in ("colour", "shade")


def _joins_verbs(row: Row, k: int) -> bool:
    """Whether the connector at k follows a verb: "blooms and sprouts", not "a rose and sprouts"."""
    return (
        row.at(k).kind == "and"
        and row.at(row.next_not(k - 1, {"pace", "amount", "silent", "part"}, -1)).kind == "process"
    )


def _settle_percents(row: Row) -> None:
    for k, item in row.of("count"):
        if row.at(k + 1).last in ("percent", "prozent", "pourcent") and 0 < item.value <= 100:
            item.kind, item.value = "amount", Percent(item.value / 100)
            row.at(k + 1).kind = "silent"


def _settle_apart(row: Row) -> None:
    """ "Fällt ... um" is told, and is no falling of petals: a particle that ends the clause of its verb."""
    for k, item in row.of("process", "separated"):
        end = row.next_not(k + 1, {other.kind for other in row.items} - BORDERS | {"place", "particle"})
        particle = row.at(end - 1)
        if row.language == "de" and item.last in TOLD_APART.get(particle.last, ()):
            item.kind = particle.kind = "told"


def _settle_little(row: Row) -> None:
    """ "a little rose" is small, "opens a little" is an amount: the article belongs to a noun or to nothing."""
    for k, item in enumerate(list(row.items)):
        if item.kind == "amount" and item.text == "a little":
            if row.at(row.next_not(k + 1, ADJECTIVES)).kind in ("object", "part"):
                item.kind, item.value = "size", 0.7
        elif item.kind == "size" and item.text == "little" and row.at(k + 1).kind == "break":
            item.kind, item.value = "amount", 0.3


def _is_part(row: Row, k: int) -> bool:
    """Whether "leaf" is a part of another specimen here."""
    others = [item for _, item in row.of("object") if item is not row.items[k]]
    after = row.at(row.next_not(k + 1, {"pace", "silent", "again", "amount"}))
    if others and row.language == "de" and after.kind == "lose":  # "eine Rose, die drei Blätter verliert"
        return True
    falls = after.kind == "process" and after.value == "drop"
    if others and falls and (row.at(k - 1).kind == "all" or any(item.text in _LETS for item in row.items)):
        return True  # "eine Rose lässt Blätter fallen", "a rose, all leaves fall"
    if not others and row.at(row.next_not(k - 1, ADJECTIVES | {"count", "indefinite", "one"}, -1)).kind == "with":
        grows = any(item.value == "grow" for _, item in row.of("process"))
        return grows and any(item.text in PLANTS for item in row.items[:k])  # "a sprouting bean with two leaves"
    if all(item.value[0] == "oak_leaf" for item in others):
        verb = row.at(k - 2) if row.at(k - 1).kind in ("count", "one", "indefinite", "all") else None
        return bool(others) and verb is not None and (verb.kind == "lose" or verb.value == "drop")
    before = row.next_not(k - 1, ADJECTIVES - {"process"} | {"count", "indefinite", "one", "of", "all"}, -1)
    if row.at(before).kind == "and":  # "with a thick stem and green leaves"
        before = row.next_not(before - 1, ADJECTIVES - {"process"} | {"count", "indefinite", "one", "part"}, -1)
    governor = row.at(before)
    if governor.kind in ("with", "without", "not", "possessive", "process", "lose") or governor.sense("with"):
        return True
    return row.at(k - 1).kind in ("count", "one") and row.at(k + 1).kind == "object"

"""All vocabularies in one book: phrases to what they may mean, and words to their nearest spelling."""

import itertools
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from . import inflection
from .tokens import keys
from .vocabulary import colours, measures, objects, processes, small_words

LANGUAGES = ("en", "de", "fr")
LONGEST_PHRASE = 6


class Sense(NamedTuple):
    """One meaning of a phrase. `kind` says what `value` is, reading.py what is done with it."""

    kind: str
    value: Any
    languages: frozenset[str]


class _Book:
    """Phrases and their senses while they are collected."""

    def __init__(self) -> None:
        self.languages: dict[tuple[tuple[str, ...], str, Any], set[str]] = defaultdict(set)

    def add(self, phrases: str | Iterable[str], kind: str, value: Any, language: str) -> None:
        """Phrases are a list or one text with commas between; each is entered with its other spellings."""
        for phrase in phrases.split(", ") if isinstance(phrases, str) else phrases:
            for spelling in _spellings(phrase):
                if "" not in (key := keys(spelling)):
                    self.languages[key, kind, value].add(language)

    def senses(self) -> dict[tuple[str, ...], tuple[Sense, ...]]:
        found: dict[tuple[str, ...], list[Sense]] = defaultdict(list)
        for (key, kind, value), languages in self.languages.items():
            found[key].append(Sense(kind, value, frozenset(languages)))
        return {key: tuple(senses) for key, senses in found.items()}


def _spellings(phrase: str) -> set[str]:
    """The phrase, and with ae, oe, ue for German letters."""
    return {phrase, phrase.replace("ä", "ae").replace("ö", "oe").replace("ü", "ue")}


def _nouns(book: _Book, kind: str, value: Any, nouns: str, language: str) -> None:
    plural_of = {"en": inflection.english_plural, "de": lambda noun: "", "fr": inflection.french_plural}[language]
    counted = kind in ("object", "part")
    for noun in nouns.split(", "):
        singular, told, plural = noun.partition("/")
        plural = plural if told else plural_of(singular)
        several = [plural, *_other_plurals(singular, plural, language)] if plural != singular else []
        for is_plural, words in ((False, [singular]), (True, several)):
            joined = [word.replace(" ", "") for word in words if kind == "object"]
            book.add({*words, *joined} - {""}, kind, (value, is_plural) if counted else value, language)


def _other_plurals(singular: str, plural: str, language: str) -> list[str]:
    """The German dative, and the English plural as it is written in haste: lilys, loafs."""
    if language == "de":
        return [plural + "n"] if plural.endswith(("e", "el", "er")) else []
    return [singular + "s"] if language == "en" and singular[-1] in "yf" else []


def _objects(book: _Book) -> None:
    for language in LANGUAGES:
        for specimen, nouns in objects.OBJECTS[language].items():
            _nouns(book, "object", specimen, nouns, language)
        for specimen, nouns in objects.NEAR[language].items():
            _nouns(book, "near", specimen, nouns, language)
        for part, nouns in objects.PARTS[language].items():
            _nouns(book, "part", part, nouns, language)
        for part, words in objects.WITHOUT_PART[language].items():
            declined = words.split(", ")
            if language == "de":
                declined = [form for word in declined for form in inflection.german_adjective(word)]
            book.add(declined, "lack", part, language)
        for told, table in (("told", objects.KINDS), ("form", objects.FORM_WORDS)):
            for (specimen, kind), nouns in table[language].items():
                for noun in nouns.split(", "):
                    for plural, word in enumerate(noun.split("/")):
                        book.add(word, "compound", (specimen, bool(plural), told, kind), language)
    for language, words in objects.OPEN_WORDS.items():
        for word, choices in words.items():
            book.add(word, "open", choices, language)


def _colours(book: _Book) -> None:
    for words in (*colours.CSS, *colours.PLAIN):
        first, *rest = words.split()
        joinings = itertools.product((" ", ""), repeat=len(rest))
        written = [first + "".join(map("".join, zip(joints, rest, strict=True))) for joints in joinings]
        book.add(written, "colour", words.replace(" ", ""), "en")
    for language, synonyms in colours.SYNONYMS.items():
        for name, words in synonyms.items():
            book.add(_declined(words, language), "colour", name, language)
    for language, flavours in colours.FLAVOUR_WORDS.items():
        for name, words in flavours.items():
            book.add(words, "flavour", name, language)
    for (name, words), (noun, plural) in itertools.product(
        colours.GERMAN_FLAVOUR_PREFIXES.items(), objects.ICE_CREAM_ENDINGS.items()
    ):
        compounds = [prefix + noun for prefix in words.split(", ")]
        book.add(compounds, "compound", ("ice_cream", plural, "colour", name), "de")
    for language, shades in colours.SHADE_WORDS.items():
        for shade, words in shades.items():
            book.add(_declined(words, language, every=True), "shade", shade, language)
    german = [(name, word) for name, words in colours.SYNONYMS["de"].items() for word in words.split(", ")]
    for (prefix, shade), (name, word) in itertools.product(colours.GERMAN_SHADE_PREFIXES.items(), german):
        book.add(inflection.german_adjective(prefix + word), "colour", colours.canonical(shade, name), "de")


def _declined(words: str, language: str, every: bool = False) -> list[str]:
    found = []
    for word in words.split(", "):
        if language == "fr":
            found += inflection.french_adjective(word)
        elif language == "de" and (every or word.endswith(tuple(colours.GERMAN_DECLINED))):
            found += inflection.german_adjective(word)
        else:
            found.append(word)
    return found


def _processes(book: _Book) -> None:
    rules = {"en": inflection.english_verb, "de": inflection.german_verb, "fr": inflection.french_verb}
    regular = {"en": processes.ENGLISH, "de": processes.GERMAN, "fr": processes.FRENCH}
    words = {"en": processes.ENGLISH_WORDS, "de": processes.GERMAN_WORDS, "fr": processes.FRENCH_WORDS}
    for language in LANGUAGES:
        rule = rules[language]
        for process, verbs in regular[language].items():
            for verb in verbs.split(", "):
                book.add(rule(verb), "process", process, language)
        for process, forms in words[language].items():
            book.add(forms, "process", process, language)
        for kind, verbs in (("lose", processes.LOSE), ("turn", processes.TURN)):
            for verb in verbs[language].split(", "):
                book.add(rule(verb), kind, kind, language)
    for process, forms in processes.ENGLISH_WHOLE.items():
        book.add(forms, "whole", process, "en")
    for verbs, _ in processes.GERMAN_SEPARATED:
        book.add(verbs, "separated", "", "de")
    for particle in processes.GERMAN_PARTICLES:
        book.add(particle, "particle", particle, "de")


def _measures(book: _Book) -> None:
    for language in LANGUAGES:
        for table in (measures.COUNTS[language], measures.LARGE[language]):
            for words, count in table.items():
                book.add(words, "count", count, language)
        for words, number in measures.numbers(language).items():
            book.add(words, "count", number, language)
        for words, number in measures.MULTIPLES[language].items():
            book.add(words, "multiple", number, language)
        for sign, words in measures.COMPARATIVES[language].items():
            book.add(_adjectives(words, language) if words else [], "comparative", sign, language)
        for size, words in measures.RELATIVE_SIZES[language].items():
            book.add(_adjectives(words, language), "size", size, language)
        for kind, table in (("pace", measures.PACES), ("amount", measures.AMOUNTS)):
            for value, words in table[language].items():
                book.add(words, kind, value, language)
        for kind, table in (
            ("some", measures.SOME), ("bunch", measures.FLOWER_BUNCHES), ("all", measures.ALL),
            ("height", measures.HEIGHT), ("other extent", measures.NOT_HEIGHT),
            ("otherwise", measures.COUNTED_OTHERWISE),
        ):  # fmt: skip
            book.add(table[language], kind, kind, language)
    for unit, metres in measures.METRES.items():
        plurals = [unit + "s"] if len(unit) > 2 and unit not in ("inch", "feet", "foot", "zoll", "fuß") else []
        for language in LANGUAGES:
            book.add([unit, *plurals], "unit", metres, language)
    book.add("inches", "unit", measures.METRES["inch"], "en")
    book.add("metern", "unit", 1.0, "de")
    book.add("zentimetern", "unit", 0.01, "de")
    for prefix, size in measures.GERMAN_SIZE_PREFIXES.items():
        for specimen, nouns in objects.OBJECTS["de"].items():
            for noun in nouns.split(", "):
                for plural, word in enumerate(noun.split("/")):
                    if word and " " not in word:
                        book.add(prefix + word, "compound", (specimen, bool(plural), "size", size), "de")
    for word, specimen in objects.BOUQUETS.items():
        book.add(word, "compound", (specimen, True, "count", measures.BOUQUET), "de")


def _adjectives(words: str, language: str) -> list[str]:
    if language == "en":
        return words.split(", ")
    if language == "fr":
        return [form for word in words.split(", ") for form in inflection.french_adjective(word)]
    return [
        f"{head}{space}{form}"
        for word in words.split(", ")
        for head, space, last in [word.rpartition(" ")]
        for form in inflection.german_adjective(last)
    ]


def _small_words(book: _Book) -> None:
    for language in LANGUAGES:
        for kind, table in (
            ("indefinite", small_words.INDEFINITE), ("one", small_words.ONE), ("definite", small_words.DEFINITE),
            ("plural article", small_words.DEFINITE_PLURAL), ("possessive", small_words.POSSESSIVE),
            ("subject", small_words.SUBJECT), ("then", small_words.THEN), ("and", small_words.AND),
            ("while", small_words.WHILE), ("together", small_words.TOGETHER), ("after", small_words.AFTER),
            ("before", small_words.BEFORE), ("again", small_words.AGAIN), ("reverse", small_words.REVERSE),
            ("not", small_words.NOT), ("revival", small_words.REVIVAL), ("without", small_words.WITHOUT),
            ("with", small_words.WITH),
            ("of", small_words.OF), ("place", small_words.PLACE), ("wind", small_words.WIND),
            ("coloured", small_words.COLOURED), ("silent", small_words.SILENT), ("told", small_words.TOLD),
            ("intensifier", small_words.INTENSIFIERS), ("life", small_words.LIFE),
        ):  # fmt: skip
            book.add(table[language], kind, kind, language)


def _written() -> dict[tuple[str, ...], tuple[Sense, ...]]:
    book = _Book()
    for collect in (_objects, _colours, _processes, _measures, _small_words):
        collect(book)
    return book.senses()


SENSES = _written()
WORDS = frozenset(word for phrase in SENSES for word in phrase)
SEPARATED = {
    (verb, particle): process
    for (verbs, particle), process in processes.GERMAN_SEPARATED.items()
    for verb in verbs.split(", ")
}


# Words for a state in which something is that has gone through a process: "closed", "geschlossene", "fermée".
STATES = {
    language: frozenset(
        token
        for verbs in regular.values()
        for verb in verbs.split(", ")
        for form in inflection.attributive(verb, language)
        for token in keys(form)[-1:]
    )
    | processes.STATES[language]
    for language, regular in (("en", processes.ENGLISH), ("de", processes.GERMAN), ("fr", processes.FRENCH))
}


def is_object(word: str) -> bool:
    """Whether the word alone names what the built-in engine can make."""
    return any(sense.kind == "object" for sense in SENSES.get((word,), ()))

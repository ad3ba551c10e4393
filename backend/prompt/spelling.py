"""Typing errors: the word of the vocabulary that is meant by a word that is none."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import lru_cache

from rapidfuzz.distance import OSA
from rapidfuzz.process import extract

from .lexicon import SENSES, WORDS, is_object
from .tokens import folded
from .vocabulary.ordinary import ORDINARY
from .vocabulary.small_words import RESPELT

_SHORT = 4  # letters up to which a word must sound the same: "roze" is rose, "nose" is not
_LONG = 8  # letters from which on two edits are forgiven
_LONGEST = 40  # letters; what is longer is no word
_MEANINGFUL = ("object", "process", "colour", "near")


@lru_cache(maxsize=4096)
def spelt(word: str, language: str = "en") -> str | None:
    """The word of the vocabulary that is meant by `word`: itself, or what it is a typing error of; None: unknown.

    A word of the vocabulary is never another one, nor is an ordinary word of the language. What sounds the same is
    taken first, also without an inner vowel. Else one edit is forgiven (a letter more, less, other, or two exchanged),
    from eight letters on two; words of four letters only have a letter too much or two exchanged, and shorter ones
    none. The first letter must be right. Of several words the nearest is taken, of those equally near the one that has
    a meaning in `language` and is not silent; where two meanings are left, none.
    """
    if word in WORDS:
        return word
    if word in RESPELT:
        return RESPELT[word]
    if folded(word) in _FOLDED:
        return _FOLDED[folded(word)]
    squeezed = [re.sub(r"(.)\1{2,}", repeated, word) for repeated in (r"\1", r"\1\1")]
    for candidate in (*squeezed, *([word + "g"] if word.endswith("in") else [])):
        if candidate in WORDS:
            return candidate
    if word in ORDINARY[language] or not word.isalpha() or not 3 <= len(word) <= _LONGEST or _is_compound(word):
        return None
    for others in (_alike(word), _near(word)):
        if meant := _unambiguous(word, [other for other in others if _is_readable(other, language)], language):
            return meant
    return None


def sound(word: str) -> str:
    """The word as it sounds, roughly: doubled letters once, ck and k, ph and f, z and s, ee and ea, wh and w alike."""
    word = folded(word)
    for written, heard in (("ph", "f"), ("ck", "k"), ("wh", "w"), ("ea", "e"), ("z", "s"), ("y", "i")):
        word = word.replace(written, heard)
    return re.sub(r"(.)\1+", r"\1", word)


def _skeleton(word: str) -> str:
    """First letter, consonants and last letter: what is left when vowels are dropped in haste ("whte")."""
    word = folded(word)
    return word[0] + re.sub("[aeiouy]", "", word[1:-1]) + word[-1]


def _grouped(words: Iterable[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for word in sorted(words):
        groups[key(word)].append(word)
    return dict(groups)


_NOUNS = frozenset(filter(is_object, WORDS))
_FOLDED = {folded(word): word for word in sorted(WORDS) if folded(word) not in WORDS}
_BY_SOUND = _grouped((word for word in WORDS if len(word) >= _SHORT - 1), sound)
_BY_SKELETON = _grouped((word for word in WORDS if len(word) > _SHORT and word.isalpha()), _skeleton)
_BY_LETTER = _grouped((word for word in WORDS if len(word) >= _SHORT), lambda word: folded(word)[0])


def _is_compound(word: str) -> bool:
    """Whether the word is an object that goes on, or a process undone: "candlestick", "rosebush", "unburning"."""
    undone = word.startswith("un") and word[2:] in WORDS
    return undone or any(word[:k] in _NOUNS for k in range(_SHORT, len(word) - 2))


def _is_readable(word: str, language: str) -> bool:
    """Whether a prompt in `language` may contain the word: small words of another language are never meant."""
    senses = SENSES.get((word,), ())
    if any(language in sense.languages for sense in senses) or not senses:
        return True
    return len(word) > _SHORT + 1 and all(sense.kind in _MEANINGFUL for sense in senses)


def _alike(word: str) -> list[str]:
    found = [other for other in _BY_SOUND.get(sound(word), []) if other[0] == word[0]]
    found = [other for other in found if len(other) >= _SHORT or len(word) == len(other) + 1]
    if not found and len(word) >= _SHORT:
        found = [
            other
            for other in _BY_SKELETON.get(_skeleton(word), [])
            if len(other) > len(word) and _is_subsequence(word, other)
        ]
    return found


def _is_subsequence(short: str, long: str) -> bool:
    letters = iter(long)
    return all(letter in letters for letter in short)


def _near(word: str) -> list[str]:
    choices = _BY_LETTER.get(folded(word)[0], [])
    edits = {
        other: distance
        for other, distance, _ in extract(word, choices, scorer=OSA.distance, score_cutoff=2, limit=None)
        if _is_forgiven(word, other, distance) and not _is_hidden(word, other)
    }
    found = [other for other, distance in edits.items() if distance == min(edits.values())]
    swapped = [other for other in found if sorted(other) == sorted(word)]
    return swapped or found


def _is_forgiven(word: str, other: str, distance: int) -> bool:
    shorter = min(len(word), len(other))
    if shorter < _SHORT:
        return False
    if shorter == _SHORT:
        return distance == 1 and (len(word) > len(other) or sorted(word) == sorted(other))
    return distance <= (1 if shorter < _LONG else 2)


def _is_hidden(word: str, other: str) -> bool:
    """Whether taking `word` for `other` would silence a word: "looping" is not "looking"."""
    exchanged = len(word) == len(other) and sorted(word) != sorted(other)
    return exchanged and all(sense.kind == "silent" for sense in SENSES.get((other,), ()))


def _unambiguous(word: str, others: list[str], language: str) -> str | None:
    if not others:
        return None
    distances = {other: OSA.distance(word, other) for other in others}
    nearest = [other for other, distance in distances.items() if distance == min(distances.values())]
    # "sunflowes" are several: the last letter tells the number
    nearest = [other for other in nearest if other.endswith("s") == word.endswith("s")] or nearest
    for wanted in (lambda sense: language in sense.languages, lambda sense: sense.kind != "silent"):
        nearest = [other for other in nearest if any(map(wanted, SENSES.get((other,), ())))] or nearest
    meanings = {frozenset((sense.kind, str(sense.value)) for sense in SENSES.get((other,), ())) for other in nearest}
    return min(nearest) if len(meanings) == 1 else None

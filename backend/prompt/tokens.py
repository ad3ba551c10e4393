"""A prompt in words, numbers and breaks. Words keep what was typed beside the form that is looked up."""

import re
import unicodedata
from typing import NamedTuple

from .vocabulary.measures import METRES
from .vocabulary.small_words import CLITICS, DECORATIVE_EMOJI, ELISIONS

_TOKEN = re.compile(
    r"""
    (?P<half>½|(?<!\d)1/2(?!\d))
  | (?P<number>(?:(?<![\w.,)\]])[-−])?\d+(?:[.,]\d+)?)
    (?:\s?(?P<mark>''|["″”]|['′’](?![^\W\d_]))|(?P<suffix>[^\W\d_]*)(?![^\W_]))
  | (?P<word>w/o(?!\w)|(?:un|non)-(?=\w)[^\W_]+|\#?[^\W_]+(?:['’`´][^\W_]+)*['’]?)
  | (?P<arrow>-+>|=+>|→|➡|>)
  | (?P<and>[&+])
  | (?P<percent>%)
  | (?P<stop>[.;:!?…\n()\[\]{}|—–/,]|(?<!\S)-+(?!\S))
  | (?P<symbol>\S)
    """,
    re.VERBOSE,
)
_LARGEST = 1e9  # a number beyond is told as this one, which is too many of anything
_MARKS = {"'": "feet", "′": "feet", "’": "feet"}


class Token(NamedTuple):
    """`text` as typed in lower case, `key` what is looked up (empty: a break), `number` where it is one in digits."""

    text: str
    key: str
    number: float | None = None
    capital: bool = False  # the first letter only: German tells "ein Paar" (two) from "ein paar" (a few) by it


def folded(word: str) -> str:
    """Without accents, as many people type."""
    return "".join(c for c in unicodedata.normalize("NFKD", word.replace("œ", "oe")) if not unicodedata.combining(c))


def keys(phrase: str) -> tuple[str, ...]:
    """The keys of a phrase of the vocabulary, cut as a prompt is."""
    return tuple(token.key for token in tokens(phrase))


def tokens(text: str) -> list[Token]:
    """Cut a text. Never raises: what is no word is a break or nothing."""
    return first_tokens(text, len(text) + 1)[0]


def first_tokens(text: str, most: int) -> tuple[list[Token], int]:
    """About as many tokens as `most`, and how many words follow them, which are not looked at."""
    text = unicodedata.normalize("NFC", text)
    found: list[Token] = []
    for match in _TOKEN.finditer(text):
        if len(found) >= most:
            return found, sum(any(map(str.isalnum, word)) for word in text[match.start() :].split())
        kind = match.lastgroup
        if match["number"]:
            found += _number(match)
        elif kind == "word":
            found += _word(match["word"])
        elif kind in ("half", "arrow", "and", "percent"):
            found.append(Token(match[0], {"half": "half", "arrow": "then", "and": "and", "percent": "percent"}[kind]))
        elif kind == "stop":
            found.append(Token(match[0], ""))
        elif unicodedata.category(match[0]) == "So" and not _decorative(match[0]):
            found.append(Token(match[0], match[0]))
    return found, 0


def _number(match: re.Match) -> list[Token]:
    digits, suffix = match["number"], (match["suffix"] or "").lower()
    value = _value(digits)
    if match["mark"]:
        unit = _MARKS.get(match["mark"], "inch")
        return [Token(digits, digits, value), Token(match["mark"], unit)]
    if not suffix or suffix == "x":
        return [Token(digits + suffix, digits, value)]
    if suffix in METRES or suffix == "in":
        return [Token(digits, digits, value), Token(suffix, "inch" if suffix == "in" else suffix)]
    return [Token(digits + suffix, digits + suffix)]


def _value(digits: str) -> float:
    value = float(digits.replace(",", ".").replace("−", "-"))
    return max(-_LARGEST, min(value, _LARGEST))


def _word(word: str) -> list[Token]:
    lower = re.sub("[’`´]", "'", word.lower())
    if re.fullmatch(r"\d+e\d+", lower):  # "1e3"
        return [Token(lower, lower, min(float(lower), _LARGEST))]
    if re.fullmatch(r"x\d+", lower):
        return [Token(lower, lower, _value(lower[1:]))]
    head, apostrophe, rest = lower.partition("'")
    if lower == "w/o":
        return [Token(lower, "without")]
    capital = word[:1].isupper() and not word[1:].isupper()
    if not apostrophe:
        return [Token(lower, lower.replace("ß", "ss"), capital=capital)]
    if head in ELISIONS and rest not in CLITICS:
        return [Token(head + "'", head + "'"), *(_word(rest) if rest else [])]
    if not rest or rest in CLITICS:
        return [Token(head, head.replace("ß", "ss"), capital=capital)]
    if rest == "t":
        return [Token(lower, head + "t")]
    return [part for half in lower.split("'") for part in _word(half)]


def _decorative(symbol: str) -> bool:
    return any(first <= ord(symbol) <= last for first, last in DECORATIVE_EMOJI)

"""Write backend/prompt/vocabulary/ordinary.py anew: `python -m tools.ordinary_words FOLDER`, after its vocabulary
changed.

FOLDER holds en.json.gz, de.json.gz and fr.json.gz: word -> how often it was seen, as pyspellchecker 0.8 (MIT) carries
them in spellchecker/resources. Only words are kept, and of these only what spelling.spelt would take for ours.
"""

import gzip
import json
import sys
import textwrap
from pathlib import Path

from backend.prompt import lexicon, spelling

LEAST_SEEN = {"en": 150, "de": 300, "fr": 300}
# Words that are too rare for the lists and likely in prompts.
ADDED = {
    "en": "bluish reddish greenish yellowish pinkish whitish blackish brownish greyish grayish purplish matcha looping "
    "candlelit rosie thorny leafy waxy flowery",
    "de": "",
    "fr": "",
}
LEFT_OUT = frozenset("cunts slut scheissen hellhole sucer shit whore".split())
HEAD = '''"""Ordinary words that are near in spelling to a word of the vocabulary and are no typing errors of it.

Made by tools/ordinary_words.py from the word lists of pyspellchecker (MIT): frequent words of each language that
spelling.spelt would otherwise take for ours.
"""

ORDINARY = {
'''


def ordinary(seen: dict[str, int], language: str) -> list[str]:
    """The words of a language that must not be taken for typing errors."""
    found = set(ADDED[language].split())
    for word, times in seen.items():
        word = word.replace("ß", "ss")
        if times < LEAST_SEEN[language] or word in lexicon.WORDS or word in LEFT_OUT or len(word) < 3:
            continue
        meant = spelling.spelt(word, language)
        # "Lilly" is a name, and here a lily
        if meant and not (lexicon.is_object(meant) and spelling.sound(meant) == spelling.sound(word)):
            found.add(word)
    return sorted(found)


def main(folder: Path) -> None:
    spelling.ORDINARY.update(dict.fromkeys(lexicon.LANGUAGES, frozenset()))
    text = HEAD
    for language in lexicon.LANGUAGES:
        seen = json.loads(gzip.decompress((folder / f"{language}.json.gz").read_bytes()))
        lines = textwrap.wrap(" ".join(ordinary(seen, language)), 104, break_on_hyphens=False)
        words = "\n".join(f'            "{line} "' for line in lines)
        text += f'    "{language}": frozenset(\n        (\n{words}\n        ).split()\n    ),\n'
    (Path(__file__).parents[1] / "backend/prompt/vocabulary/ordinary.py").write_text(text + "}\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

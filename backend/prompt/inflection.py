"""Forms of regular words by rule: English verbs and nouns, German verbs and adjectives, French verbs and adjectives.

A rule stands here only where it is honest, that is where a grammar states it without exceptions that matter; every
irregular word is spelled out in vocabulary/. All functions take and give lower case and keep accents.
"""

_VOWELS = "aeiou"
_INSEPARABLE = ("ver", "zer", "ent", "be", "er")
_GERMAN_ENDINGS = ("e", "er", "es", "en", "em")
_FRENCH_AGREEMENT = ("", "e", "s", "es")


def english_plural(noun: str) -> str:
    """candle -> candles, lily -> lilies, match -> matches. Of a phrase the last word is put in the plural."""
    if noun.endswith(("s", "x", "z", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in _VOWELS:
        return noun[:-1] + "ies"
    return noun + "s"


def english_verb(verb: str) -> tuple[str, ...]:
    """wilt -> wilt, wilts, wilting, wilted. "rot+" doubles its last letter; of a phrase the first word is inflected.

    Irregular pasts follow after slashes and take the place of the regular one: "grow/grew/grown".
    """
    base, *pasts = verb.split("/")
    base, _, rest = base.partition(" ")
    doubled = base.endswith("+")
    base = base.rstrip("+")
    stem = base + base[-1] if doubled else base[:-1] if base.endswith("e") and not base.endswith("ee") else base
    past = stem[:-1] + "ied" if stem.endswith("y") and stem[-2] not in _VOWELS else stem + "ed"
    third = base + "es" if base.endswith("o") else english_plural(base)
    forms = (base, third, stem + "ing", *(pasts or (past,)))
    return tuple(f"{form} {rest}" if rest else form for form in forms)


def german_adjective(stem: str) -> tuple[str, ...]:
    """klein -> klein, kleine, kleiner, kleines, kleinen, kleinem. "dunkel" loses its e: dunkle, dunkler."""
    root = stem[:-2] + stem[-1] if stem.endswith("el") else stem.removesuffix("e")
    return stem, *(root + ending for ending in _GERMAN_ENDINGS)


def german_verb(verb: str) -> tuple[str, ...]:
    """Infinitive, third persons, both participles with their endings, and the infinitive with "zu".

    "welken" is weak; "wachsen/wächst/wuchs/gewachsen" is told in full; "auf|blühen" has a separable prefix, whose
    finite forms stand apart in a main clause ("blüht ... auf") and together after a relative pronoun ("aufblüht").
    """
    prefix, infinitive, third, past, participle = _german_parts(verb)
    finite = (infinitive, third, past, past.removesuffix("e") + "en")
    participles = [form for word in (infinitive + "d", participle) for form in german_adjective(word)]
    with_zu = (f"{prefix}zu{infinitive}",) if prefix else ()
    return *(prefix + form for form in (*finite, *participles)), *with_zu


def _german_parts(verb: str) -> tuple[str, str, str, str, str]:
    """Separable prefix, infinitive, third persons of present and past, and past participle."""
    prefix, _, verb = verb.rpartition("|")
    infinitive, *told = verb.split("/")
    stem = infinitive.removesuffix("n").removesuffix("e")
    link = "e" if stem.endswith(("t", "d", "fn", "kn")) else ""
    augment = "" if infinitive.startswith(_INSEPARABLE) else "ge"
    third, past, participle = told or (f"{stem}{link}t", f"{stem}{link}te", f"{augment}{stem}{link}t")
    return prefix, infinitive, third, past, participle


def attributive(verb: str, language: str) -> frozenset[str]:
    """Past participles as they stand beside a noun, without those that are finite forms too in French: closed,
    geschlossene, fermée."""
    if language == "en":
        return frozenset(english_verb(verb)[3:])
    if language == "de":
        prefix, *_, participle = _german_parts(verb)
        return frozenset(prefix + form for form in german_adjective(participle)[1:])
    infinitive, singular, plural, *forms = french_verb(verb)
    past = forms[2:6]
    return frozenset(past) - {infinitive, singular, plural}


def french_adjective(word: str) -> tuple[str, ...]:
    """vert -> vert, verte, verts, vertes; rouge -> rouge, rouges. "blanc/blanche" is told with its feminine."""
    masculine, _, feminine = word.partition("/")
    if feminine:
        return masculine, feminine, masculine + "s", feminine + "s"
    if masculine.endswith("e"):
        return masculine, masculine + "s"
    return tuple(masculine + ending for ending in _FRENCH_AGREEMENT)


def french_plural(noun: str) -> str:
    """bougie -> bougies, cornet de glace -> cornets de glace: the first word of a phrase takes the s."""
    head, space, rest = noun.partition(" ")
    return head + ("" if head.endswith(("s", "x")) else "s") + space + rest


def french_verb(verb: str) -> tuple[str, ...]:
    """Third persons of present and imperfect, infinitive and both participles: faner, fleurir, fondre.

    An irregular verb is told as "infinitive/singular/plural/present participle/past participle".
    """
    if "/" in verb:
        infinitive, singular, plural, participle, past = verb.split("/")
    else:
        infinitive, stem = verb, verb[:-2]
        endings = {"er": ("e", "ent", "ant", "é"), "ir": ("it", "issent", "issant", "i"), "re": ("", "ent", "ant", "u")}
        singular, plural, participle, past = (stem + ending for ending in endings[verb[-2:]])
    imperfect = participle.removesuffix("ant")
    agreed = [past + ending for ending in _FRENCH_AGREEMENT] + [participle + ending for ending in _FRENCH_AGREEMENT]
    return infinitive, singular, plural, imperfect + "ait", imperfect + "aient", *agreed

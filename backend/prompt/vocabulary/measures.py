"""Counts, sizes, paces and amounts. Vague words have one value each, which is told to whoever types them."""


class Usual(int):
    """A number that a collective has where none is told: "a bouquet of 7 lilies" are seven."""


class Percent(float):
    """A share that was said in percent, and is said so again."""


class Unmade(int):
    """More than can be made, without a number: "hundreds of roses"."""


BOUQUET = Usual(12)
HUNDREDS, THOUSANDS, MILLIONS = Unmade(200), Unmade(2000), Unmade(2 * 10**6)

COUNTS = {  # words -> number, where no article or noun is part of it
    "en": {
        "a few": 3, "few": 3, "several": 5, "a couple of": 2, "a couple": 2, "couple of": 2, "a pair of": 2,
        "pair of": 2, "a pair": 2, "half a dozen": 6, "half dozen": 6, "a half dozen": 6, "a dozen": 12,
        "one dozen": 12, "two dozen": 24, "three dozen": 36, "four dozen": 48, "dozen": 12, "pairs of": 2,
        "bouquets of": BOUQUET, "a baker's dozen": 13, "a single": 1, "single": 1, "a bouquet of": BOUQUET,
        "bouquet of": BOUQUET, "one and a half dozen": 18, "bouquet": BOUQUET, "both": 2,
        "a score of": 20, "a dozen of": 12, "pair": 2, "a bunch of flowers": BOUQUET,
        "a dozen and a half": 18, "one dozen and a half": 18, "dozens of": 24, "dozens": 24,
    },
    "de": {
        "ein paar": 3, "paar": 3, "einige": 3, "einigen": 3, "einiger": 3, "mehrere": 5, "mehreren": 5, "mehrerer": 5,
        "ein dutzend": 12, "dutzend": 12, "halbes dutzend": 6, "ein halbes dutzend": 6, "zwei dutzend": 24,
        "drei dutzend": 36, "vier dutzend": 48, "ein strauß": BOUQUET, "strauß": BOUQUET, "einen strauß": BOUQUET,
        "einem strauß": BOUQUET, "ein einzelner": 1, "eine einzelne": 1, "einzelne": 1, "ein einzelnes": 1,
        "einzige": 1, "einzelner": 1, "einzelnes": 1, "ein strauß aus": BOUQUET, "ein strauß von": BOUQUET,
        "blumenstrauß": BOUQUET, "ein strauß mit": BOUQUET, "beide": 2, "ein bouquet": BOUQUET,
        "anderthalb dutzend": 18, "anderthalb": 1.5, "eineinhalb": 1.5,
        "zweieinhalb": 2.5, "dreieinhalb": 3.5, "dutzende": 24, "dutzende von": 24,
    },
    "fr": {
        "quelques": 3, "plusieurs": 5, "une douzaine de": 12, "une douzaine d'": 12, "douzaine de": 12,
        "douzaine d'": 12, "deux douzaines de": 24, "deux douzaines d'": 24, "une demi douzaine de": 6,
        "une demi douzaine d'": 6, "une dizaine de": 10, "une dizaine d'": 10, "une quinzaine de": 15,
        "une vingtaine de": 20, "une trentaine de": 30, "une quarantaine de": 40, "une cinquantaine de": 50,
        "une paire de": 2, "une paire d'": 2, "paire de": 2, "un bouquet de": BOUQUET, "un bouquet d'": BOUQUET,
        "bouquet de": BOUQUET,
        "une seule": 1, "un seul": 1, "un couple de": 2, "une quinzaine d'": 15, "une vingtaine d'": 20,
        "les deux": 2, "une gerbe de": BOUQUET, "une douzaine et demie de": 18,
        "des douzaines de": 24, "douzaines de": 24, "des douzaines d'": 24, "douzaines d'": 24,
    },
}  # fmt: skip
# A few or some of what is not counted ("some bread") is one.
SOME = {"en": "some", "de": "etwas", "fr": ""}
FLOWER_BUNCHES = {"en": "a bunch of, bunch of", "de": "ein bund, bund", "fr": "une botte de, botte de"}
# After a number they multiply it.
COLLECTIVES = {
    "dozen": 12, "dozens": 12, "pairs": 2, "bouquets": 12, "dutzend": 12, "dutzende": 12, "douzaines": 12,
}  # fmt: skip
FEW, PAIR, PLURAL = 3, 2, 3

_EN_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_EN_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_DE_ONES = (
    "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn "
    "achtzehn neunzehn"
).split()
_DE_TENS = "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split()
_FR_ONES = (
    "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix_sept dix_huit "
    "dix_neuf"
).split()
_FR_TENS = "vingt trente quarante cinquante soixante".split()
LARGE = {
    "en": {
        "hundred": 100,
        "a hundred": 100,
        "one hundred": 100,
        "thousand": 1000,
        "a thousand": 1000,
        "million": 10**6,
        "hundreds of": HUNDREDS,
        "hundreds": HUNDREDS,
        "thousands of": THOUSANDS,
        "thousands": THOUSANDS,
        "millions of": MILLIONS,
    },
    "de": {
        "hundert": 100,
        "tausend": 1000,
        "einhundert": 100,
        "eine million": 10**6,
        "hunderte": HUNDREDS,
        "hunderte von": HUNDREDS,
        "tausende": THOUSANDS,
        "tausende von": THOUSANDS,
        "millionen": MILLIONS,
        "millionen von": MILLIONS,
    },
    "fr": {
        "cent": 100,
        "mille": 1000,
        "un million": 10**6,
        "des centaines de": HUNDREDS,
        "des centaines d'": HUNDREDS,
        "centaines de": HUNDREDS,
        "des milliers de": THOUSANDS,
        "des milliers d'": THOUSANDS,
        "milliers de": THOUSANDS,
        "des millions de": MILLIONS,
    },
}


def numbers(language: str) -> dict[str, int]:
    """Whole numbers in words. "one" and its kin in German and French are articles too and stand elsewhere."""
    if language == "en":
        tens = {
            f"{ten} {_EN_ONES[one]}" if one else ten: 10 * k + one
            for k, ten in enumerate(_EN_TENS, 2)
            for one in range(10)
        }
        return {word: k for k, word in enumerate(_EN_ONES)} | tens | {w.replace(" ", ""): n for w, n in tens.items()}
    if language == "de":
        ones = ["", "ein", *_DE_ONES[2:10]]
        tens = {
            f"{ones[one]}und{ten}" if one else ten: 10 * k + one
            for k, ten in enumerate(_DE_TENS, 2)
            for one in range(10)
        }
        return {word: k for k, word in enumerate(_DE_ONES)} | tens | {"zwo": 2}
    tens = {ten: 10 * k for k, ten in enumerate(_FR_TENS, 2)}
    for ten, value in list(tens.items()):
        tens |= {f"{ten} {one}": value + k for k, one in enumerate(_FR_ONES[2:10], 2)} | {f"{ten} et un": value + 1}
        tens |= {f"{ten} et une": value + 1}
    teens = {f"soixante {teen}": 60 + k for k, teen in enumerate(_FR_ONES[10:], 10)} | {"soixante et onze": 71}
    eighties = {f"quatre vingt {one}": 80 + k for k, one in enumerate(_FR_ONES[1:], 1)}
    tens |= teens | eighties | {"quatre vingts": 80, "quatre vingt": 80, "quatre vingt une": 81}
    tens = {word.replace("_", " "): value for word, value in tens.items()}
    return {word.replace("_", " "): k for k, word in enumerate(_FR_ONES) if k != 1} | tens


RELATIVE_SIZES = {
    "en": {
        0.4: "tiny, teeny, teensy, miniature, mini, minuscule, minute, itty bitty, microscopic",
        0.7: "small, little, lil, smallish, wee, petite, small sized, lil'",
        1.4: "large, big, large sized, sizable",
        2.0: "huge, giant, enormous, gigantic, massive, colossal, immense, humongous, ginormous, mammoth, monumental",
    },
    "de": {
        0.4: "winzig, mini, klitzeklein",
        0.7: "klein",
        1.4: "groß",
        2.0: "riesig, riesengroß, enorm, gigantisch, gewaltig, riesenhaft, mächtig",
    },
    "fr": {
        0.4: "minuscule, miniature",
        0.7: "petit",
        1.4: "grand, gros/grosse",
        2.0: "énorme, géant, gigantesque, immense, colossal",
    },
}
GERMAN_SIZE_PREFIXES = {"riesen": 2.0, "mini": 0.4}
SAID_SIZES = {0.4: "tiny", 0.7: "small", 1.4: "large", 2.0: "huge"}

METRES = {
    "mm": 0.001, "millimetre": 0.001, "millimeter": 0.001, "cm": 0.01, "centimetre": 0.01, "centimeter": 0.01,
    "m": 1.0, "metre": 1.0, "meter": 1.0, "inch": 0.0254, "foot": 0.3048, "feet": 0.3048, "ft": 0.3048,
    "yard": 0.9144, "zentimeter": 0.01, "zoll": 0.0254, "fuß": 0.3048, "mètre": 1.0, "centimètre": 0.01,
    "millimètre": 0.001, "pouce": 0.0254, "pied": 0.3048, "km": 1000.0, "kilometre": 1000.0, "kilometer": 1000.0,
    "kilomètre": 1000.0, "dm": 0.1, "decimetre": 0.1, "dezimeter": 0.1,
}  # fmt: skip
HEIGHT = {
    "en": "tall, high, in height, of height, big, large",
    "de": "hoch, hohe, hoher, hohes, hohen, hohem, groß, große, großer, großes, großen, höhe",
    "fr": "de haut, de hauteur, haut, haute, hauts, hautes, de grand, grand, grande",
}
NOT_HEIGHT = {
    "en": "wide, long, thick, across, deep, broad, in diameter, away, diameter, around",
    "de": "breit, breite, breiter, breites, lang, lange, langer, langes, dick, dicke, dicker, tief, entfernt, "
    "durchmesser",
    "fr": "de large, de long, de diamètre, large, d'épaisseur, de largeur, de longueur",
}
# What a number may count that is none of ours: number and noun are passed over together.
COUNTED_OTHERWISE = {
    "en": "second, seconds, sec, secs, minute, minutes, min, hour, hours, day, days, week, weeks, month, months, year, "
    "years, frame, frames, fps, times, time, percent, degrees, degree, pm, am, k, kg, grams, euros, dollars, o'clock",
    "de": "sekunde, sekunden, minuten, stunde, stunden, tag, tage, tagen, woche, wochen, monat, monate, jahr, jahre, "
    "jahren, bilder, bildern, mal, prozent, grad, uhr",
    "fr": "seconde, secondes, minutes, heure, heures, jour, jours, semaine, semaines, mois, an, ans, année, années, "
    "images, fois, pourcent, degrés",
}

PACES = {
    "en": {
        "slow": "slow, slowly, gradually, leisurely, sluggishly, unhurriedly, little by little, bit by bit, "
        "in slow motion, slow motion, ever so slowly, at a slow pace, slo mo, in slo mo, slow mo, in slow mo, "
        "real slow, slower, gradual, at a snail's pace",
        "fast": "fast, quick, quickly, rapid, rapidly, swift, swiftly, speedily, hastily, in no time, in a flash, "
        "in a hurry, hurriedly, speedy, at high speed, at a fast pace, briskly, faster, in a rush, quicker",
    },
    "de": {
        "slow": "langsam, langsame, langsamer, langsames, langsamen, gemächlich, allmählich, in zeitlupe, "
        "nach und nach, zeitlupe, behäbig, ganz langsam",
        "fast": "schnell, schnelle, schneller, schnelles, schnellen, rasch, rasche, rascher, rasant, zügig, flott, "
        "blitzschnell, geschwind, im eiltempo, rapide, eilig",
    },
    "fr": {
        "slow": "lent, lente, lents, lentes, lentement, peu à peu, petit à petit, au ralenti, progressivement, "
        "doucement, graduellement",
        "fast": "vite, rapide, rapides, rapidement, à toute vitesse, en accéléré, prestement, très vite, "
        "à toute allure",
    },
}
SAID_PACES = {"slow": "slowly", "fast": "quickly"}

AMOUNTS = {
    "en": {
        0.5: "half, halfway, half way, by half, midway",
        0.3: "a little, a bit, a little bit, slightly, a tad, a touch, somewhat, lil bit, a lil bit",
        1.0: "completely, fully, entirely, totally, wholly, all the way, to the end, to the very end, altogether, "
        "complete, utterly, in full",
        0.25: "a quarter, one quarter",
        0.75: "three quarters, three fourths",
    },
    "de": {
        0.5: "halb, halbe, halber, halbes, halben, zur hälfte, die hälfte, hälfte, bis zur hälfte, halbwegs",
        0.3: "ein wenig, ein bisschen, etwas, leicht, ein klein wenig, ein kleines bisschen, wenig, bisschen",
        1.0: "ganz, vollständig, völlig, komplett, vollkommen, gänzlich, bis zum ende, restlos, total",
        0.25: "ein viertel, zu einem viertel",
        0.75: "drei viertel, dreiviertel",
    },
    "fr": {
        0.5: "à moitié, à demi, la moitié, moitié, de moitié, à mi chemin, demi",
        0.3: "un peu, légèrement, un petit peu",
        1.0: "complètement, entièrement, totalement, tout à fait, jusqu'au bout, en entier, pleinement, intégralement",
        0.25: "un quart",
        0.75: "trois quarts, aux trois quarts",
    },
}
ALL = {"en": "all, every", "de": "alle, sämtliche", "fr": "tous, toutes"}  # an amount only before what can fall
SAID_AMOUNTS = {0.3: "a little", 0.5: "halfway", 1.0: "completely"}
MULTIPLES = {
    "en": {"double": 2, "triple": 3, "quadruple": 4, "twin": 2, "twice": 2, "thrice": 3},
    "de": {
        "doppelt": 2, "doppelte": 2, "doppelter": 2, "dreifach": 3, "dreifache": 3, "zweimal": 2, "dreimal": 3,
        "viermal": 4, "fünfmal": 5, "sechsmal": 6, "zehnmal": 10,
    },
    "fr": {"double": 2, "triple": 3},
}  # fmt: skip
# After a factor or a share: "three times larger", "30 % smaller". On their own they are passed over.
COMPARATIVES = {
    "en": {1: "larger, bigger, taller, higher", -1: "smaller, shorter"},
    "de": {1: "größer, höher", -1: "kleiner"},
    "fr": {1: "", -1: ""},
}
TIMES = frozenset("times mal fois x".split())
HALF_DOZENS = frozenset(("a half dozen", "half a dozen", "half dozen"))
AS = frozenset("as than wie als que qu'".split())

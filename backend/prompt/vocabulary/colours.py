"""Colours: the 148 names of CSS, plain names beside them, shades, and both in German and French.

The table of the W3C (CSS Color Module Level 4, section 6.1) stands here as data rather than as a library: it has not
changed since 2014, and the words of which a name is made ("papaya whip") have to be written down in any case.
"""

# Words of a CSS name -> sRGB. The canonical name is the words without spaces.
CSS = {
    "alice blue": 0xF0F8FF, "antique white": 0xFAEBD7, "aqua": 0x00FFFF, "aqua marine": 0x7FFFD4, "azure": 0xF0FFFF,
    "beige": 0xF5F5DC, "bisque": 0xFFE4C4, "black": 0x000000, "blanched almond": 0xFFEBCD, "blue": 0x0000FF,
    "blue violet": 0x8A2BE2, "brown": 0xA52A2A, "burly wood": 0xDEB887, "cadet blue": 0x5F9EA0,
    "chartreuse": 0x7FFF00, "chocolate": 0xD2691E, "coral": 0xFF7F50, "cornflower blue": 0x6495ED,
    "corn silk": 0xFFF8DC, "crimson": 0xDC143C, "cyan": 0x00FFFF, "dark blue": 0x00008B, "dark cyan": 0x008B8B,
    "dark golden rod": 0xB8860B, "dark gray": 0xA9A9A9, "dark green": 0x006400, "dark khaki": 0xBDB76B,
    "dark magenta": 0x8B008B, "dark olive green": 0x556B2F, "dark orange": 0xFF8C00, "dark orchid": 0x9932CC,
    "dark red": 0x8B0000, "dark salmon": 0xE9967A, "dark sea green": 0x8FBC8F, "dark slate blue": 0x483D8B,
    "dark slate gray": 0x2F4F4F, "dark turquoise": 0x00CED1, "dark violet": 0x9400D3, "deep pink": 0xFF1493,
    "deep sky blue": 0x00BFFF, "dim gray": 0x696969, "dodger blue": 0x1E90FF, "fire brick": 0xB22222,
    "floral white": 0xFFFAF0, "forest green": 0x228B22, "fuchsia": 0xFF00FF, "gainsboro": 0xDCDCDC,
    "ghost white": 0xF8F8FF, "gold": 0xFFD700, "golden rod": 0xDAA520, "gray": 0x808080, "green": 0x008000,
    "green yellow": 0xADFF2F, "honey dew": 0xF0FFF0, "hot pink": 0xFF69B4, "indian red": 0xCD5C5C,
    "indigo": 0x4B0082, "ivory": 0xFFFFF0, "khaki": 0xF0E68C, "lavender": 0xE6E6FA, "lavender blush": 0xFFF0F5,
    "lawn green": 0x7CFC00, "lemon chiffon": 0xFFFACD, "light blue": 0xADD8E6, "light coral": 0xF08080,
    "light cyan": 0xE0FFFF, "light golden rod yellow": 0xFAFAD2, "light gray": 0xD3D3D3, "light green": 0x90EE90,
    "light pink": 0xFFB6C1, "light salmon": 0xFFA07A, "light sea green": 0x20B2AA, "light sky blue": 0x87CEFA,
    "light slate gray": 0x778899, "light steel blue": 0xB0C4DE, "light yellow": 0xFFFFE0, "lime": 0x00FF00,
    "lime green": 0x32CD32, "linen": 0xFAF0E6, "magenta": 0xFF00FF, "maroon": 0x800000,
    "medium aqua marine": 0x66CDAA, "medium blue": 0x0000CD, "medium orchid": 0xBA55D3, "medium purple": 0x9370DB,
    "medium sea green": 0x3CB371, "medium slate blue": 0x7B68EE, "medium spring green": 0x00FA9A,
    "medium turquoise": 0x48D1CC, "medium violet red": 0xC71585, "midnight blue": 0x191970, "mint cream": 0xF5FFFA,
    "misty rose": 0xFFE4E1, "moccasin": 0xFFE4B5, "navajo white": 0xFFDEAD, "navy": 0x000080, "old lace": 0xFDF5E6,
    "olive": 0x808000, "olive drab": 0x6B8E23, "orange": 0xFFA500, "orange red": 0xFF4500, "orchid": 0xDA70D6,
    "pale golden rod": 0xEEE8AA, "pale green": 0x98FB98, "pale turquoise": 0xAFEEEE, "pale violet red": 0xDB7093,
    "papaya whip": 0xFFEFD5, "peach puff": 0xFFDAB9, "peru": 0xCD853F, "pink": 0xFFC0CB, "plum": 0xDDA0DD,
    "powder blue": 0xB0E0E6, "purple": 0x800080, "rebecca purple": 0x663399, "red": 0xFF0000,
    "rosy brown": 0xBC8F8F, "royal blue": 0x4169E1, "saddle brown": 0x8B4513, "salmon": 0xFA8072,
    "sandy brown": 0xF4A460, "sea green": 0x2E8B57, "sea shell": 0xFFF5EE, "sienna": 0xA0522D, "silver": 0xC0C0C0,
    "sky blue": 0x87CEEB, "slate blue": 0x6A5ACD, "slate gray": 0x708090, "snow": 0xFFFAFA, "spring green": 0x00FF7F,
    "steel blue": 0x4682B4, "tan": 0xD2B48C, "teal": 0x008080, "thistle": 0xD8BFD8, "tomato": 0xFF6347,
    "turquoise": 0x40E0D0, "violet": 0xEE82EE, "wheat": 0xF5DEB3, "white": 0xFFFFFF, "white smoke": 0xF5F5F5,
    "yellow": 0xFFFF00, "yellow green": 0x9ACD32,
}  # fmt: skip

# Names that CSS lacks and artists use, by eye.
PLAIN = {
    "peach": 0xFFCBA4, "cream": 0xFFF3D0, "scarlet": 0xE02010, "burgundy": 0x6D071A, "lilac": 0xC8A2C8,
    "mauve": 0xC79BD2, "apricot": 0xFBCEB1, "amber": 0xFFBF00, "mint": 0xAAF0C9, "ruby": 0x9B111E,
    "emerald": 0x28A060, "mustard": 0xD9A514, "copper": 0xB87333, "bronze": 0xA97142, "charcoal": 0x36454F,
    "ochre": 0xCC7722, "rust": 0xA8431A, "vermilion": 0xE34234, "magnolia": 0xF4EBE3, "champagne": 0xF3E2C3,
    "cherry": 0xB0142A, "wine": 0x722F37, "blush": 0xEBB6B4, "caramel": 0xB9722F, "jade": 0x2AA876,
    "sapphire": 0x0F52BA, "cerise": 0xDE3163, "aubergine": 0x472C4C, "eggplant": 0x614051, "terracotta": 0xC8674A,
}  # fmt: skip

# What a name of a hue means on a petal, a leaf or wax: CSS means the light of a screen there, which no surface sends
# back. Chosen by eye under a neutral light.
PIGMENTS = {
    "red": 0xAD1924, "crimson": 0x950D27, "pink": 0xDD768B, "white": 0xEAE6DA, "cream": 0xE7D4AD, "yellow": 0xE7BC30,
    "orange": 0xE27927, "peach": 0xE7A67C, "purple": 0x7C3089, "violet": 0x6F3FAA, "blue": 0x3850B3, "black": 0x1E1216,
    "green": 0x508B38, "brown": 0x734B2C, "magenta": 0xBC2795, "gold": 0xDDA230, "turquoise": 0x45BCAD,
    "gray": 0x7E7E7E, "lime": 0x90CE38, "chocolate": 0x55331F, "coral": 0xD96A55, "salmon": 0xDB8B72,
}  # fmt: skip

# What ice cream tastes of, and is coloured by; of other things these words say no colour.
FLAVOURS = {
    "vanilla": 0xEFE0B4, "strawberry": 0xE3A0A6, "lemon": 0xEFE6A0, "pistachio": 0xB4C48A, "raspberry": 0xC4476A,
    "blueberry": 0x8C7AA8, "banana": 0xEEDD9C, "mango": 0xE9A94A, "coffee": 0xA98467, "hazelnut": 0xB6926B,
    "cherry": 0xB0142A, "chocolate": 0x55331F,
}  # fmt: skip
FLAVOUR_WORDS = {
    "en": {
        "vanilla": "vanilla", "strawberry": "strawberry", "lemon": "lemon", "pistachio": "pistachio",
        "raspberry": "raspberry", "blueberry": "blueberry", "banana": "banana", "mango": "mango", "coffee": "coffee",
        "hazelnut": "hazelnut", "cherry": "cherry", "chocolate": "chocolate",
    },
    "de": {
        "vanilla": "vanille", "strawberry": "erdbeer, erdbeere", "lemon": "zitrone, zitronen", "pistachio": "pistazie",
        "raspberry": "himbeer, himbeere", "blueberry": "heidelbeer, heidelbeere, blaubeere", "banana": "banane",
        "coffee": "kaffee", "hazelnut": "haselnuss", "cherry": "kirsche, kirsch", "chocolate": "schokolade, schoko",
    },
    "fr": {
        "vanilla": "vanille", "strawberry": "fraise", "lemon": "citron", "pistachio": "pistache",
        "raspberry": "framboise", "blueberry": "myrtille", "banana": "banane", "mango": "mangue", "coffee": "café",
        "hazelnut": "noisette", "cherry": "cerise", "chocolate": "chocolat",
    },
}  # fmt: skip
GERMAN_FLAVOUR_PREFIXES = {
    "vanilla": "vanille", "strawberry": "erdbeer", "lemon": "zitronen", "pistachio": "pistazien",
    "raspberry": "himbeer", "blueberry": "heidelbeer, blaubeer", "banana": "bananen", "mango": "mango",
    "coffee": "kaffee", "hazelnut": "haselnuss", "cherry": "kirsch", "chocolate": "schokoladen, schoko",
}  # fmt: skip

SHADES = ("pale", "light", "dark", "deep", "bright")

# Colours that are things too: colours only where they stand beside the object ("a snow rose", not "in the snow").
THINGS = frozenset(
    "chocolate coral cornsilk honeydew lavender lime linen moccasin olive orchid peru plum salmon seashell silver snow "
    "tan thistle tomato wheat gold peach cream apricot mint ruby emerald mustard copper bronze rust magnolia champagne "
    "cherry wine caramel jade sapphire charcoal aubergine eggplant blush amber".split()
)

# Other words for the names above.
SYNONYMS = {
    "en": {
        "gray": "grey", "darkgray": "dark grey, darkgrey", "lightgray": "light grey, lightgrey",
        "slategray": "slate grey, slategrey", "dimgray": "dim grey, dimgrey",
        "darkslategray": "dark slate grey, darkslategrey", "lightslategray": "light slate grey, lightslategrey",
        "gold": "golden", "silver": "silvery", "navy": "navy blue", "aquamarine": "aqua marine",
        "turquoise": "turquoise blue", "mistyrose": "misty rose", "vermilion": "vermillion", "beige": "ecru",
        "skyblue": "sky blue", "peach": "peachy", "cream": "creamy white, cream white, creamy",
    },
    "de": {
        "skyblue": "himmelblau", "navy": "marineblau", "midnightblue": "mitternachtsblau, nachtblau",
        "lilac": "flieder, fliederfarben", "forestgreen": "waldgrün", "crimson": "karminrot, purpurrot",
        "turquoise": "türkis, türkisfarben", "gold": "golden, goldfarben, goldgelb", "silver": "silbern, silberfarben",
        "scarlet": "scharlachrot", "burgundy": "burgunderrot, bordeauxrot, bordeaux", "cream": "cremefarben, creme",
        "peach": "pfirsichfarben", "ivory": "elfenbein, elfenbeinfarben", "apricot": "aprikosenfarben",
        "royalblue": "königsblau", "mint": "mintgrün", "olive": "olivgrün", "snow": "schneeweiß",
        "salmon": "lachsfarben",
        "coral": "korallenrot", "steelblue": "stahlblau", "orangered": "orangerot", "yellowgreen": "gelbgrün",
        "hotpink": "pink", "lavender": "lavendelfarben", "wine": "weinrot", "brown": "braun", "red": "rot",
        "blue": "blau", "green": "grün", "yellow": "gelb", "white": "weiß", "black": "schwarz", "gray": "grau",
        "pink": "rosa, rosafarben, rosarot", "purple": "lila, purpurn, purpur", "violet": "violett",
        "orange": "orange, orangefarben", "beige": "beige", "magenta": "magenta",
    },
    "fr": {
        "red": "rouge", "blue": "bleu", "green": "vert", "yellow": "jaune", "white": "blanc/blanche", "black": "noir",
        "gray": "gris", "brown": "brun, marron", "pink": "rose, rosé", "purple": "pourpre", "violet": "violet/violette",
        "orange": "orange, orangé", "gold": "doré, dore", "silver": "argenté", "skyblue": "bleu ciel",
        "navy": "bleu marine",
        "midnightblue": "bleu nuit", "turquoise": "turquoise", "lilac": "lilas", "mauve": "mauve", "cream": "crème",
        "ivory": "ivoire", "crimson": "cramoisi", "scarlet": "écarlate", "burgundy": "bordeaux", "peach": "pêche",
        "royalblue": "bleu roi", "salmon": "saumon", "coral": "corail", "lavender": "lavande", "beige": "beige",
        "fuchsia": "fuchsia", "olive": "vert olive", "hotpink": "rose vif", "apricot": "abricot", "khaki": "kaki",
    },
}  # fmt: skip
# German and French "lila" and "rosé" take no endings; these do.
GERMAN_DECLINED = frozenset("braun rot blau grün gelb weiß schwarz grau violett orange purpurn golden silbern".split())
SHADE_WORDS = {
    "en": {"pale": "pale, washed out", "light": "light", "dark": "dark", "deep": "deep", "bright": "bright, vivid"},
    "de": {"pale": "blass, bleich, zart", "light": "hell", "dark": "dunkel", "deep": "tief",
           "bright": "leuchtend, knallig, grell, kräftig"},
    "fr": {"pale": "pâle", "light": "clair", "dark": "foncé, sombre", "deep": "profond", "bright": "vif/vive, "
    "éclatant"},
}  # fmt: skip
GERMAN_SHADE_PREFIXES = {
    "blass": "pale",
    "zart": "pale",
    "hell": "light",
    "dunkel": "dark",
    "tief": "deep",
    "knall": "bright",
}


def canonical(shade: str | None, name: str) -> str:
    """The one name of a colour: "dark", "red" -> "darkred", which CSS has; "pale", "yellow" -> "pale yellow"."""
    if shade is None:
        return name
    return shade + name if shade + name in BY_NAME and shade + name not in PLAIN else f"{shade} {name}"


def srgb(colour: str) -> tuple[float, float, float]:
    """sRGB in [0, 1] of a surface of that canonical name; a shade is mixed with white, black or grey, also where CSS
    has a colour of that name and a pigment is meant: its dark gray is lighter than its gray. Raises KeyError."""
    shade, _, name = colour.rpartition(" ")
    if prefix := next((one for one in SHADES if colour.removeprefix(one) in PIGMENTS and colour.startswith(one)), ""):
        shade, name = prefix, colour.removeprefix(prefix)
    value = PIGMENTS.get(name, BY_NAME[name])
    rgb = [(value >> shift & 255) / 255 for shift in (16, 8, 0)]
    grey = sum(rgb) / 3
    mixed = {
        "": lambda x: x,
        "pale": lambda x: 0.45 * x + 0.55,
        "light": lambda x: 0.65 * x + 0.35,
        "dark": lambda x: 0.55 * x,
        "deep": lambda x: max(0.0, 0.75 * (1.25 * x - 0.25 * grey)),
        "bright": lambda x: min(1.0, max(0.0, 1.15 * (1.3 * x - 0.3 * grey))),
    }[shade]
    return mixed(rgb[0]), mixed(rgb[1]), mixed(rgb[2])


BY_NAME = {words.replace(" ", ""): value for words, value in (FLAVOURS | CSS | PLAIN).items()}

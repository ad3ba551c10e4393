"""Process verbs. A verb may stand for several processes, told with a bar: the first that the specimen has is meant.

The forms are made in inflection.py; "word" lists are forms that no rule makes. A German verb with a separable prefix
is told as "auf|blühen" and, where its stem alone says the same, as "blühen" too.
"""

ENGLISH = {
    "bloom": "bloom, blossom, open, unfold, unfurl, flower, reopen, spread open/spread open, burst open/burst open, "
    "come into bloom/came into bloom, come into flower/came into flower, burst into bloom/burst into bloom",
    "close": "close, shut+/shut, fold up, fold, fold shut",
    "wilt": "wilt, wither, fade, droop, perish",
    "drop": "drop+, fall/fell/fallen, shed+/shed, detach, drop off, fall off/fell off/fallen off",
    "sway": "sway, wave, swing/swung, rock, wobble, oscillate, sway in the wind, dance in the wind, "
    "dance in the breeze, blow in the wind/blew in the wind/blown in the wind, blow in the breeze, flutter, "
    "move in the wind, move in the breeze, nod+ in the wind, nod+ in the breeze, bend in the wind/bent in the wind, "
    "tremble in the wind",
    "grow": "grow/grew/grown, sprout, germinate, shoot up/shot up, spring up/sprang up/sprung up, come up/came up",
    "rot": "rot+, decay, moulder, molder, decompose, putrefy, spoil, go mouldy/went mouldy/gone mouldy, "
    "go moldy/went moldy/gone moldy, mould, mold, go bad/went bad/gone bad, go off/went off/gone off",
    "turn": "change colour, change color, change its colour, change its color, change colours, change colors, "
    "change their colour, change their color",
    "turn|ripen": "redden",
    "dry": "dry, shrivel, shrivel+, curl, curl up, crumple, wizen, desiccate, crinkle",
    "ripen": "ripen, mature, get ripe/got ripe, become ripe/became ripe",
    "rise": "rise/rose/risen, swell/swelled/swollen, puff up, prove",
    "bake": "bake",
    "burn": "burn/burned/burnt, burn down/burned down/burnt down, burn out/burnt out, burn up/burnt up",
    "melt": "melt/melted/molten, thaw, liquefy, liquify, defrost",
    "freeze": "freeze/froze/frozen",
}
ENGLISH_WORDS = {
    "bloom": "abloom, in bloom, in flower, blooming open, opened up, ajar",
    "wilt": "die, dies, dying, died",
    "rot": "rotten, going rotten, goes rotten",
    "turn": "in autumn colours, in autumn colors, in its autumn colours, in its autumn colors, in fall colours, "
    "in fall colors, autumn colours, autumn colors, fall colours, fall colors, autumn colour, autumn color, "
    "autumnal colours, fall color, fall colour, autumnal colors, autumn colouring, autumn coloring, yellowing, "
    "browning, yellows, browns, discolouring, discoloring",
    "sway": "blowin in the wind",
}
FROZEN = frozenset("frozen gefroren gefrorene gefrorener gefrorenes gefrorenen gelé gelée gelés gelées".split())
FADING = frozenset("fade fades fading faded".split())  # of a flower, but not "to white"
# Beside their past participles, words for what a thing is before or after a process.
STATES = {"en": frozenset("open ajar rotten".split()), "de": frozenset(), "fr": frozenset()}
# Words that ask for a whole process besides naming it.
ENGLISH_WHOLE = {"bloom": "in full bloom, full bloom, fully open, wide open"}

GERMAN = {
    "bloom": "blühen, auf|blühen, erblühen, öffnen, entfalten, auf|klappen, "
    "auf|springen/springt/sprang/gesprungen, entfalten, auf|brechen/bricht/brach/gebrochen",
    "close": "schließen/schließt/schloss/geschlossen, zu|gehen/geht/ging/gegangen, zu|klappen, zusammen|falten, "
    "verschließen/verschließt/verschloss/verschlossen",
    "wilt": "welken, verwelken, verblühen, sterben/stirbt/starb/gestorben, ab|sterben/stirbt/starb/gestorben, "
    "ein|gehen/geht/ging/gegangen, dahin|welken, verkümmern, ab|welken, hin|welken",
    "drop": "fallen/fällt/fiel/gefallen, ab|fallen/fällt/fiel/gefallen, herab|fallen/fällt/fiel/gefallen, "
    "herunter|fallen/fällt/fiel/gefallen, ab|werfen/wirft/warf/geworfen, fallen lassen",
    "sway": "schwanken, wiegen/wiegt/wog/gewiegt, schaukeln/schaukelt/schaukelte/geschaukelt, schwingen, "
    "wehen, pendeln/pendelt/pendelte/gependelt, wippen, hin und her wiegen, hin und her schwanken",
    "grow": "wachsen/wächst/wuchs/gewachsen, sprießen/sprießt/spross/gesprossen, keimen, "
    "heran|wachsen/wächst/wuchs/gewachsen, aus|treiben/treibt/trieb/getrieben, auf|wachsen/wächst/wuchs/gewachsen, "
    "empor|wachsen/wächst/wuchs/gewachsen",
    "rot": "faulen, verfaulen, verrotten, rotten, schimmeln/schimmelt/schimmelte/geschimmelt, "
    "verschimmeln/verschimmelt/verschimmelte/verschimmelt, vergammeln/vergammelt/vergammelte/vergammelt, verwesen, "
    "verderben/verdirbt/verdarb/verdorben, modern/modert/moderte/gemodert, vermodern/vermodert/vermoderte/vermodert",
    "turn": "verfärben, färben, vergilben, um|färben",
    "turn|ripen": "röten, erröten",
    "dry": "trocknen, vertrocknen, aus|trocknen, ein|trocknen, verdorren, dorren, "
    "schrumpeln/schrumpelt/schrumpelte/geschrumpelt, verschrumpeln/verschrumpelt/verschrumpelte/verschrumpelt, "
    "ein|schrumpfen, ein|rollen, zusammen|rollen, kräuseln/kräuselt/kräuselte/gekräuselt, "
    "ein|schrumpeln/schrumpelt/schrumpelte/geschrumpelt, verschrumpfen",
    "ripen": "reifen, heran|reifen, aus|reifen",
    "rise|bloom": "auf|gehen/geht/ging/gegangen",
    "rise": "auf|quellen/quillt/quoll/gequollen, hoch|gehen/geht/ging/gegangen",
    "bake": "backen/bäckt/backte/gebacken, backen/backt/buk/gebacken, aus|backen/backt/backte/gebacken",
    "burn": "brennen/brennt/brannte/gebrannt, ab|brennen/brennt/brannte/gebrannt, "
    "herunter|brennen/brennt/brannte/gebrannt, nieder|brennen/brennt/brannte/gebrannt, "
    "verbrennen/verbrennt/verbrannte/verbrannt, aus|brennen/brennt/brannte/gebrannt, "
    "runter|brennen/brennt/brannte/gebrannt",
    "melt": "schmelzen/schmilzt/schmolz/geschmolzen, zerschmelzen/zerschmilzt/zerschmolz/zerschmolzen, "
    "weg|schmelzen/schmilzt/schmolz/geschmolzen, dahin|schmelzen/schmilzt/schmolz/geschmolzen, tauen, auf|tauen, "
    "ab|tauen, ab|schmelzen/schmilzt/schmolz/geschmolzen, zerlaufen/zerläuft/zerlief/zerlaufen, "
    "zerfließen/zerfließt/zerfloss/zerflossen",
    "freeze": "gefrieren/gefriert/gefror/gefroren, erfrieren/erfriert/erfror/erfroren",
}
GERMAN_WORDS = {"turn": "herbstfarben, herbstfärbung", "rot": "faul, faule, fauler, faules, faulen"}
# Finite verbs that say a process only with a particle at the end of their clause: (verbs, particle) -> process.
GERMAN_SEPARATED = {
    ("geht, gehen, ging, gingen", "auf"): "rise|bloom",
    ("geht, gehen, ging, gingen", "zu"): "close",
    ("geht, gehen, ging, gingen", "ein"): "wilt",
    ("geht, gehen, ging, gingen", "hoch"): "rise",
    ("klappt, klappen", "zu"): "close",
    ("klappt, klappen, springt, springen, bricht, brechen", "auf"): "bloom",
    ("rollt, rollen", "ein"): "dry",
    ("rollt, rollen, zieht, ziehen, schrumpft, schrumpfen", "zusammen"): "dry",
    ("schrumpft, schrumpfen", "ein"): "dry",
    ("faltet, falten", "zusammen"): "close",
    ("faltet, falten", "auf"): "bloom",
    ("wirft, werfen", "ab"): "drop",
    ("treibt, treiben", "aus"): "grow",
    ("quillt, quellen", "auf"): "rise",
}
# Particles that only strengthen a verb which says its process without them ("blüht auf", "brennt herunter").
GERMAN_PARTICLES = frozenset(
    "auf ab aus ein zu nieder herunter runter herab heran zusammen weg dahin empor hoch an".split()
)

FRENCH = {
    "bloom": "fleurir, épanouir, ouvrir/ouvre/ouvrent/ouvrant/ouvert, éclore/éclot/éclosent/éclosant/éclos, déployer/"
    "déploie/déploient/déployant/déployé, déplier, rouvrir/rouvre/rouvrent/rouvrant/rouvert, refleurir",
    "close": "fermer/ferme/ferment/fermant/fermé, refermer/referme/referment/refermant/refermé, clore/clôt/closent/"
    "closant/clos, replier",
    "wilt": "faner, flétrir, dépérir, défraîchir",
    "drop": "tomber, laisser tomber/laisse tomber/laissent tomber/laissant tomber/laissé tomber",
    "sway": "balancer/balance/balancent/balançant/balancé, osciller, onduler, bercer/berce/bercent/berçant/bercé, "
    "tanguer, ballotter, vaciller",
    "grow": "pousser, grandir, croître/croît/croissent/croissant/crû, germer",
    "rot": "pourrir, moisir, décomposer, gâter, putréfier",
    "turn": "jaunir, brunir, roussir, changer de couleur/change de couleur/changent de couleur/changeant de couleur/"
    "changé de couleur, décolorer, colorer, virer",
    "turn|ripen": "rougir",
    "dry": "sécher/sèche/sèchent/séchant/séché, dessécher/dessèche/dessèchent/desséchant/desséché, recroqueviller, "
    "ratatiner, rabougrir, enrouler, friper, racornir",
    "ripen": "mûrir",
    "rise": "lever/lève/lèvent/levant/levé, gonfler, monter",
    "bake": "cuire/cuit/cuisent/cuisant/cuit",
    "burn": "brûler, consumer, consommer",
    "melt": "fondre, dégeler/dégèle/dégèlent/dégelant/dégelé, liquéfier, décongeler/décongèle/décongèlent/"
    "décongelant/décongelé",
    "freeze": "geler/gèle/gèlent/gelant/gelé",
}
FRENCH_WORDS = {
    "wilt": "meurt, meurent, mourir, mourant, mourante, mourantes",
    "turn": "couleurs d'automne, couleurs de l'automne",
    "bloom": "en fleur, en fleurs",
    "bake": "dore, dorent, dorer, dorant",
}

# "lose" says a process only of what can fall, "turn" and "become" only before a colour (or "turn" of a leaf).
LOSE = {
    "en": "lose/lost, lets fall, let fall, cast off, scatter",
    "de": "verlieren/verliert/verlor/verloren",
    "fr": "perdre, lâcher",
}
TURN = {
    "en": "turn, go/went/gone, become/became, get/got, change",
    "de": "werden/wird/wurde/geworden",
    "fr": "devenir/devient/deviennent/devenant/devenu, virer au/vire au/virent au/virant au/viré au, virer/vire/virent/"
    "virant/viré, tourner",
}
# How a stage is said again, in words that are understood.
SAID = {
    "bloom": "blooming", "close": "closing", "wilt": "wilting", "drop": "dropping", "sway": "swaying",
    "grow": "growing", "rot": "rotting", "turn": "turning colour", "dry": "drying", "ripen": "ripening",
    "rise": "rising", "bake": "baking", "burn": "burning down", "melt": "melting",
}  # fmt: skip
# How a process is named in a refusal: "a match cannot bloom".
NAMED = {process: process for process in SAID} | {
    "drop": "drop petals", "turn": "turn colour", "dry": "dry", "burn": "burn down", "freeze": "freeze",
}  # fmt: skip

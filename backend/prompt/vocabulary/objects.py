"""What the built-in engine can make, in words; what each can do; and known things that it cannot make.

Nouns are "singular" (plural by rule, English and French) or "singular/plural". "bread/" has no plural.
"""

from backend.species import SPECIES

# In the order in which they are told; processes in the order of a life.
PROCESSES_OF = {name: (*kind.life.stretches, *(("sway",) if kind.life.sways else ())) for name, kind in SPECIES.items()}
PARAMETERS_OF = {
    "rose": ("petals", "thorns", "leaves"),
    "lily": ("petals", "leaves"),
    "sunflower": ("petals", "leaves"),
    "sprout": ("leaves",),
    "mushroom": ("spots",),
    "oak_leaf": ("leaves",),
    "apple": ("leaf",),
    "bread": ("cuts",),
    "candle": ("wicks", "drips", "flame"),
    "ice_cream": ("scoops", "drips"),
}
SAID_PARTS = {  # one and many, where it is not the parameter's name, with and without its s
    "leaves": ("leaf", "leaves"), "leaf": ("leaf", "leaves"), "spots": ("wart", "spots"), "cuts": ("slash", "cuts"),
}  # fmt: skip
PLANTS = {  # sprouts, where they grow; whether they are several
    word: plural
    for pair in ("plant plants", "pflanze pflanzen", "plante plantes", "bean beans", "bohne bohnen", "haricot haricots")
    for plural, word in enumerate(pair.split())
}
FLOWERS = ("rose", "lily", "sunflower")
NAMES = {  # specimen -> how it is said in English, one and many
    "rose": ("rose", "roses"),
    "lily": ("lily", "lilies"),
    "sunflower": ("sunflower", "sunflowers"),
    "sprout": ("sprout", "sprouts"),
    "mushroom": ("mushroom", "mushrooms"),
    "oak_leaf": ("oak leaf", "oak leaves"),
    "apple": ("apple", "apples"),
    "bread": ("loaf of bread", "loaves of bread"),
    "candle": ("candle", "candles"),
    "ice_cream": ("ice cream", "ice creams"),
    "ice_block": ("ice block", "ice blocks"),
    "match": ("match", "matches"),
}

OBJECTS = {
    "en": {
        "rose": "rose, rose flower/, 🌹/",
        "lily": "lily, lily flower/, lilium/",
        "sunflower": "sunflower, sun flower, sunflower flower/, 🌻/",
        "sprout": "sprout, seedling, sapling, young plant, little plant, sprouting plant, plantlet, shoot, 🌱/",
        "mushroom": "mushroom, toadstool, shroom, fungus/fungi, fungus/funguses, champignon, fly agaric, 🍄/",
        "oak_leaf": "oak leaf/oak leaves, oakleaf/oakleaves, leaf/leaves, oak twig, 🍂/",
        "apple": "apple, 🍎/, 🍏/",
        "bread": "bread, loaf of bread/loaves of bread, loaf/loaves, bread loaf/bread loaves, 🍞/",
        "candle": "candle, taper candle, wax candle, 🕯/",
        "ice_cream": "ice cream, ice cream cone, icecream cone, gelato/gelati, soft serve, 🍦/, 🍨/",
        "ice_block": "ice block, block of ice/blocks of ice, ice cube, cube of ice/cubes of ice, ice/, 🧊/",
        "match": "match, matchstick, match stick",
    },
    "de": {
        "rose": "rose/rosen, rosenblüte/rosenblüten",
        "lily": "lilie/lilien, lilienblüte/lilienblüten",
        "sunflower": "sonnenblume/sonnenblumen",
        "sprout": "keimling/keimlinge, spross/sprosse, sprössling/sprösslinge, setzling/setzlinge, trieb/triebe, "
        "pflänzchen/, pflänzlein/, junge pflanze/junge pflanzen, sämling/sämlinge",
        "mushroom": "pilz/pilze, fliegenpilz/fliegenpilze, champignon/champignons",
        "oak_leaf": "eichenblatt/eichenblätter, blatt/blätter, eichenlaub/, laubblatt/laubblätter",
        "apple": "apfel/äpfel",
        "bread": "brot/brote, brotlaib/brotlaibe, laib brot/laibe brot, laib/laibe",
        "candle": "kerze/kerzen, wachskerze/wachskerzen",
        "ice_cream": "eistüte/eistüten, eiswaffel/eiswaffeln, speiseeis/, eiscreme/, eiskrem/, eishörnchen/, "
        "waffeleis/, eisbecher/",
        "ice_block": "eisblock/eisblöcke, block eis/, eiswürfel/, würfel eis/, eisklotz/eisklötze, eisbrocken/",
        "match": "streichholz/streichhölzer, zündholz/zündhölzer, zündhölzchen/, streichhölzchen/",
    },
    "fr": {
        "rose": "rose, fleur de rose",
        "lily": "lys/, lis/, fleur de lys",
        "sunflower": "tournesol",
        "sprout": "pousse, jeune pousse/jeunes pousses, plantule, jeune plante/jeunes plantes, petite plante, semis/, "
        "jeune plant/jeunes plants, germe",
        "mushroom": "champignon, amanite, amanite tue mouches",
        "oak_leaf": "feuille de chêne, feuille",
        "apple": "pomme",
        "bread": "pain, miche de pain, miche",
        "candle": "bougie, chandelle",
        "ice_cream": "cornet de glace, cornet de crème glacée, crème glacée/crèmes glacées, glace en cornet, cornet",
        "ice_block": "bloc de glace, glaçon, cube de glace",
        "match": "allumette",
    },
}

# German ends of words that begin with a flavour, and whether they are plural.
ICE_CREAM_ENDINGS = {"eis": False, "eiscreme": False, "eistüte": False, "eistüten": True}
SAME_IN_PLURAL = frozenset("eiswürfel zündhölzchen streichhölzchen pflänzchen eisbecher eishörnchen".split())
BOUQUETS = {"rosenstrauß": "rose", "lilienstrauß": "lily", "sonnenblumenstrauß": "sunflower"}  # German, of twelve

# Kinds of a specimen that is made as it always is: the words are passed over. A bud that opens is a rose blooming.
KINDS = {
    "en": {("rose", "bud"): "rose bud/rose buds, rosebud/rosebuds"},
    "de": {("rose", "bud"): "rosenknospe/rosenknospen"},
    "fr": {("rose", "bud"): "bouton de rose/boutons de rose, bouton de rose/boutons de roses"},
}
# Kinds that are made otherwise: how they are said in English, one and many; in words; and their own usual parameters.
FORMS = {"candle": {"tealight": ("tealight", "tealights")}}
FORM_WORDS = {
    "en": {("candle", "tealight"): "tealight/tealights, tea light/tea lights, tealight candle/tealight candles"},
    "de": {("candle", "tealight"): "teelicht/teelichter, teelichtern/teelichtern"},
    "fr": {("candle", "tealight"): "bougie chauffe plat/bougies chauffe plat, chauffe plat/chauffe plats"},
}
SHAPES = {"tealight": {"height": 0.02, "girth": 1.5, "drips": 0}}

# One word for two specimens: with an indefinite article, a number or scoops it is the first, else it is asked back.
OPEN_WORDS = {
    "de": {"eis": ("ice_cream", "ice_block", "Eiswaffel", "Eisblock")},
    "fr": {
        "glace": ("ice_cream", "ice_block", "cornet de glace", "bloc de glace"),
        "glaces": ("ice_cream", "ice_block", "cornets de glace", "blocs de glace"),
    },
}

# Things that are known and that no specimen shows -> the nearest in kind. Plurals by rule, or after a slash.
NEAR = {
    "en": {
        "rose": "flower, blossom, peony, carnation, poppy/poppies, camellia, hibiscus, geranium, begonia, "
        "violet, ranunculus, anemone, rosehip, wildflower, petal, thorn, flowerbed, pansy, primrose, 🌸, 🌺, 💐, 🥀",
        "lily": "tulip, orchid, iris, daffodil, lotus, crocus, hyacinth, magnolia, amaryllis, gladiolus, snowdrop, "
        "bluebell, freesia, lily of the valley/lilies of the valley, narcissus, calla, agapanthus, lavender, 🌷",
        "sunflower": "daisy, dandelion, aster, gerbera, chrysanthemum, marigold, dahlia, zinnia, chamomile, "
        "cornflower, 🌼",
        "sprout": "plant, seed, grass, fern, bean, beanstalk, vine, ivy, clover, herb, cactus/cacti, bamboo, corn, "
        "wheat, weed, moss, basil, houseplant, succulent, stem, stalk, bud, acorn",
        "mushroom": "truffle, mould, mold, puffball, morel, chanterelle, shiitake, portobello, lichen",
        "oak_leaf": "oak, oak tree, tree, branch, twig, foliage, acorn leaf, maple, birch, beech, elm, willow, poplar, "
        "aspen, linden, chestnut, sycamore, ginkgo, ash leaf, 🍁",
        "apple": "pear, orange, peach, plum, cherry, banana, tomato/tomatoes, lemon, lime, grape, strawberry, "
        "raspberry, blueberry, mango/mangoes, melon, watermelon, pumpkin, apricot, fruit, quince, kiwi, pineapple, "
        "avocado, nectarine, grapefruit, potato/potatoes, pepper, fig, olive, coconut, pomegranate, berry, 🍐, 🍊, 🍑",
        "bread": "bun, cake, croissant, muffin, cookie, pizza, dough, pie, toast, bagel, baguette, pastry, biscuit, "
        "cupcake, pancake, waffle, pretzel, roll, sourdough, brioche, souffle, donut, doughnut, scone, cheese, 🥐, 🥖",
        "candle": "torch, lamp, lantern, chandelier, wax, candelabra, candleholder, incense, oil lamp, lightbulb, wick",
        "ice_cream": "popsicle, ice lolly, sundae, sorbet, frozen yogurt, milkshake, ice pop, waffle cone, 🍧",
        "ice_block": "icicle, iceberg, snowman/snowmen, snowball, snow, snowflake, glacier, frost, ice sculpture, "
        "ice rink, ⛄, 🏔",
        "match": "lighter, cigarette, cigar, fuse, firewood, stick, log, campfire, bonfire, fire, firecracker, "
        "sparkler, matchbox, 🔥",
    },
    "de": {
        "rose": "blume/blumen, blüte/blüten, nelke/nelken, mohn, mohnblume/mohnblumen, pfingstrose/pfingstrosen, "
        "veilchen, hibiskus, kamelie/kamelien, hagebutte/hagebutten",
        "lily": "tulpe/tulpen, orchidee/orchideen, iris, schwertlilie/schwertlilien, narzisse/narzissen, "
        "osterglocke/osterglocken, krokus/krokusse, maiglöckchen, hyazinthe/hyazinthen, seerose/seerosen, lotus, "
        "schneeglöckchen, magnolie/magnolien, lavendel",
        "sunflower": "gänseblümchen, margerite/margeriten, löwenzahn, aster/astern, gerbera/gerberas, "
        "chrysantheme/chrysanthemen, ringelblume/ringelblumen, dahlie/dahlien, kornblume/kornblumen",
        "sprout": "pflanze/pflanzen, samen, samenkorn, gras/gräser, farn/farne, bohne/bohnen, efeu, kaktus/kakteen, "
        "kraut/kräuter, klee, moos, weizen, mais, knospe/knospen, stängel",
        "mushroom": "trüffel/trüffeln, schimmel, pfifferling/pfifferlinge, steinpilz/steinpilze, morchel/morcheln",
        "oak_leaf": "baum/bäume, eiche/eichen, ahorn, birke/birken, buche/buchen, linde/linden, weide/weiden, zweig, "
        "ast/äste, laub, ahornblatt/ahornblätter, birkenblatt/birkenblätter, kastanie/kastanien",
        "apple": "birne/birnen, orange/orangen, pfirsich/pfirsiche, pflaume/pflaumen, kirsche/kirschen, "
        "banane/bananen, tomate/tomaten, zitrone/zitronen, traube/trauben, erdbeere/erdbeeren, kürbis/kürbisse, "
        "aprikose/aprikosen, obst, frucht/früchte, ananas, kartoffel/kartoffeln, melone/melonen",
        "bread": "brötchen, kuchen, torte/torten, keks/kekse, plätzchen, pizza/pizzen, teig, brezel/brezeln, "
        "semmel/semmeln, toast, croissant/croissants, waffel/waffeln, muffin/muffins, gebäck, käse",
        "candle": "fackel/fackeln, lampe/lampen, laterne/laternen, kronleuchter, wachs, docht",
        "ice_cream": "eis am stiel, sorbet/sorbets",
        "ice_block": "eiszapfen, eisberg/eisberge, schneemann/schneemänner, schnee, schneeball/schneebälle, gletscher, "
        "schneeflocke/schneeflocken",
        "match": "feuerzeug/feuerzeuge, zigarette/zigaretten, feuer, lagerfeuer, brennholz, streichholzschachtel, "
        "zunder",
    },
    "fr": {
        "rose": "fleur, œillet, coquelicot, pivoine, violette, hibiscus, géranium, camélia, pétale, églantine, rosier",
        "lily": "tulipe, orchidée, iris, jonquille, muguet, jacinthe, crocus, nénuphar, lotus, magnolia, narcisse, "
        "perce neige, lavande",
        "sunflower": "marguerite, pâquerette, pissenlit, aster, gerbera, chrysanthème, souci, dahlia, bleuet",
        "sprout": "plante, graine, herbe, fougère, haricot, lierre, trèfle, cactus, mousse, blé, maïs, bourgeon, tige, "
        "bambou",
        "mushroom": "truffe, moisissure, girolle, cèpe, morille",
        "oak_leaf": "arbre, chêne, érable, bouleau, hêtre, tilleul, saule, branche, feuillage, châtaignier, "
        "feuille d'érable, platane",
        "apple": "poire, orange, pêche, prune, cerise, banane, tomate, citron, raisin, fraise, melon, citrouille, "
        "abricot, fruit, ananas, framboise, mangue, pastèque, pomme de terre, pommier, poirier, cerisier",
        "bread": "gâteau/gâteaux, tarte, croissant, brioche, baguette, biscuit, pâte, pizza, petit pain, viennoiserie, "
        "crêpe, gaufre, fromage",
        "candle": "torche, lampe, lanterne, lustre, cire, bougeoir, chandelier, flambeau/flambeaux",
        "ice_cream": "sorbet, esquimau/esquimaux, glace à l'eau",
        "ice_block": "stalactite, iceberg, bonhomme de neige, neige, boule de neige, flocon, glacier",
        "match": "briquet, cigarette, feu, feu de camp, bûche, boîte d'allumettes",
    },
}
# A kind of tree before "leaf" makes it another leaf, where any other noun before a known object is only passed over.
LEAF_KINDS = frozenset(
    "maple birch beech elm willow poplar aspen linden chestnut sycamore ginkgo ash palm fig ivy mint lettuce cabbage "
    "basil bay tea tobacco grape banana olive clover fern lotus spinach holly".split()
)

PARTS = {
    "en": {
        "petals": "petal, petaled/petalled",
        "thorns": "thorn, prickle, spine",
        "leaves": "leaf/leaves, leaved/leafed",
        "wicks": "wick, wicked/, flames/",
        "drips": "drip",
        "scoops": "scoop, scooped/",
        "spots": "spots/, dots/, polka dots/, points/, wart",
        "cuts": "cuts/, slash",
    },
    "de": {
        "petals": "blütenblatt/blütenblätter, rosenblatt/rosenblätter",
        "thorns": "dorn/dornen, stachel/stacheln",
        "leaves": "blatt/blätter, laubblatt/laubblätter, keimblatt/keimblätter",
        "wicks": "docht/dochte, flammen/",
        "drips": "tropfen/, wachstropfen/",
        "scoops": "kugel/kugeln, eiskugel/eiskugeln",
        "spots": "punkte/, punkten/, tupfen/, warze/warzen",
        "cuts": "schnitte/, schnitten/, einschnitt/einschnitte",
    },
    "fr": {
        "petals": "pétale",
        "thorns": "épine, piquant",
        "leaves": "feuille",
        "wicks": "mèche, flammes/",
        "drips": "goutte, coulure",
        "scoops": "boule",
        "spots": "points/, taches/, verrue",
        "cuts": "entaille, incision",
    },
}
WITHOUT_PART = {  # one word for "without"
    "en": {
        "thorns": "thornless, thorn free, spineless",
        "leaves": "leafless",
        "petals": "petalless",
        "wicks": "wickless",
        "spots": "spotless",
        "flame": "unlit, flameless, without a flame, without flame, without any flame, with no flame, without flames",
    },
    "de": {"thorns": "dornenlos, stachellos", "leaves": "blattlos", "flame": "flammenlos, ohne flamme"},
    "fr": {"flame": "sans flamme"},
}

"""Words that hold a sentence together: articles, connectors, prepositions, negations, and words that are silent."""

INDEFINITE = {
    "en": "a, an",
    "de": "ein, eine, einen, einer, eines, einem, ne, nen, nem",
    "fr": "un, une",
}
ONE = {"en": "one", "de": "eins", "fr": ""}
DEFINITE = {
    "en": "the, this, that one",
    "de": "der, die, das, den, dem, des, diese, dieser, dieses, dies",
    "fr": "le, la, l', du, de la, de l', cette, cet, ce",
}
DEFINITE_PLURAL = {"en": "these, those", "de": "", "fr": "les, des, ces"}
POSSESSIVE = {
    "en": "its, their, his, her, my, your, our",
    "de": "ihre, ihren, ihrer, ihr, seine, seinen, seiner, sein, seines, ihres, mein, meine, unser, unsere",
    "fr": "ses, son, sa, leurs, leur, mon, ma, mes, notre",
}
# After these stands a verb, which tells "a sprout" from "that sprouts".
SUBJECT = {
    "en": "that, which, who, it, they, she, he, to, will, can, would, could, let, lets, which then, itself, whose, "
    "we, you, i, and it, and they, them",
    "de": "welche, welcher, welches, sie, er, es, sich, man, wie, zu",
    "fr": "qui, se, s', il, elle, ils, elles, on, va, vont, lui, ça",
}

THEN = {
    "en": "then, and then, afterwards, afterward, after that, next, finally, later, after a while, "
    "then after a while, a while later, after some time, then later, subsequently, followed by, before finally, "
    "eventually, lastly, at last, thereafter, and finally, and later, and afterwards, and after that, in the end, "
    "at the end, ultimately, and eventually, later on, and next, and lastly, but then, and at last, until finally, "
    "and subsequently, secondly",
    "de": "dann, und dann, nach einer weile, dann nach einer weile, nach einiger zeit, danach, anschließend, später, "
    "schließlich, zuletzt, daraufhin, hinterher, am ende, am schluss, zum schluss, endlich, und danach, "
    "und anschließend, und schließlich, gefolgt von, und zum schluss",
    "fr": "puis, et puis, après un moment, puis après un moment, au bout d'un moment, ensuite, et ensuite, après, "
    "et après, enfin, et enfin, finalement, et finalement, plus tard, à la fin, pour finir, après cela, suivi de, "
    "suivie de",
}
AND = {
    "en": "and, n, plus, also, as well as, but, und",
    "de": "und, sowie, auch, aber",
    "fr": "et, ainsi que, aussi, mais",
}
WHILE = {
    "en": "while, whilst, as it, as they, as she, when it, during, and while, while it, while they, while also, "
    "whereas, while being, and while it, all while, as the, just as it",
    "de": "während, indem, wobei",
    "fr": "pendant que, pendant qu', tandis que, tandis qu', alors que, alors qu', tout en, en même temps que, "
    "en même temps qu', lorsque, lorsqu'",
}
TOGETHER = {
    "en": "at the same time, simultaneously, at once, meanwhile, in the meantime, all at once, concurrently, together, "
    "all the while, in parallel",
    "de": "gleichzeitig, zugleich, zur gleichen zeit, dabei, zur selben zeit, währenddessen",
    "fr": "en même temps, simultanément, à la fois",
}
# "gently swaying while" apart: French "en" before a participle says that two things happen at once.
AFTER = {
    "en": "after, once, once it has, once it is, after having, as soon as, when it has, after it has",
    "de": "nachdem, sobald, nach dem",
    "fr": "après avoir, après être, après s'être, après qu', après que, une fois, une fois que, une fois qu', dès que",
}
BEFORE = {
    "en": "before, until, till, and before",
    "de": "bevor, ehe, bis, bis sie, bis er, vor dem",
    "fr": "avant de, avant d', avant que, avant qu', jusqu'à ce que, jusqu'à ce qu', jusqu'à",
}
AGAIN = {
    "en": "again, once more, back, once again",
    "de": "wieder, erneut, noch einmal, nochmal, nochmals",
    "fr": "de nouveau, à nouveau, encore, encore une fois",
}
REVERSE = {
    "en": "in reverse, reversed, reverse, backwards, backward, in reverse order, played backwards, played in reverse, "
    "played backward, run backwards, running backwards, run in reverse, running in reverse, time reversed, rewind, "
    "rewinding, rewound, in rewind, back in time, going backwards, backwards in time, reversely, reversing, "
    "from end to start, from the end to the beginning, from end to beginning, playing backwards, playing in reverse, "
    "going in reverse, in backwards",
    "de": "rückwärts, umgekehrt, im rückwärtsgang, in umgekehrter reihenfolge, rückwärts abgespielt, zeitumgekehrt, "
    "rückwärts laufend, rücklaufend, im rücklauf, rückwärts ablaufend, von hinten nach vorn, von hinten nach vorne",
    "fr": "à l'envers, en arrière, à rebours, en sens inverse, inversé, inversée, en marche arrière, à reculons, "
    "au ralenti inversé, en inverse, de la fin au début, en rembobinant",
}
# What undoes a life without saying what: it is refused, and its reverse can be asked for.
REVIVAL = {
    "en": "back to life, coming back to life, come back to life, comes back to life, coming to life again, "
    "comes to life again, alive again, back from the dead, revive, revives, reviving, revived, resurrect, resurrects, "
    "resurrecting, resurrected, recover, recovers, recovering, recovered, rejuvenate, rejuvenates, rejuvenating, "
    "rejuvenated, relive, relives, reliving",
    "de": "wieder lebendig, wieder zum leben, zurück ins leben, erholen, erholt, erholte, erholt sich, "
    "erholend, wiederbelebt, lebt wieder auf, auflebt, wiederauflebt, wieder auflebt",
    "fr": "reprend vie, reprennent vie, reprenant vie, reprendre vie, revit, revivent, revivre, revivant, "
    "revient à la vie, reviennent à la vie, revenir à la vie, revenant à la vie, renaît, renaissent, renaître, "
    "renaissant, ressuscite, ressuscitent, ressusciter, "
    "ressuscité, ressuscitée",
}
NOT = {
    "en": "not, no, never, neither, nor, none, dont, doesnt, doesn't, don't, didn't, didnt, won't, wont, isn't, "
    "isnt, aren't, arent, can't, cant, cannot, nothing, instead of, rather than, refuses to, refusing to, refuse to, "
    "missing, stop, stops, stopped, stopping, avoid, avoids, avoiding, prevent, prevents, except, shouldn't, "
    "shouldnt, mustn't, wouldn't, wouldnt, nope, non, hasn't, hasnt, no longer, fails to, failing to, nowhere",
    "de": "nicht, kein, keine, keinen, keiner, keines, keinem, nie, niemals, nichts, weder, noch nicht, statt, "
    "anstatt, außer, hört auf zu, aufhört zu, nimmer",
    "fr": "ne, n', pas, jamais, aucun, aucune, rien, ni, au lieu de, sauf, éviter, cesse de, arrête de, non",
}
WITHOUT = {
    "en": "without, with no, no, minus, lacking",
    "de": "ohne, kein, keine, keinen",
    "fr": "sans, aucune, aucun, pas de, pas d'",
}
WITH = {
    "en": "with, w, having, has, that has, bearing",
    "de": "mit, hat, besitzt, mit jeweils, mit je",
    "fr": "avec, à, a, ayant, aux, au, ont",
}
OF = {"en": "of, each of, made of", "de": "von, vom, aus", "fr": "de, d', en"}
# Place: what follows is scenery unless it is the object itself.
PLACE = {
    "en": "on, onto, upon, against, in front of, next to, near, beside, besides, behind, under, underneath, beneath, "
    "at, by, inside, in, into, within, over, above, below, among, amongst, between, around, through, across, beyond, "
    "from, on top of, along, outside, amid, surrounded by, towards, toward, for, over a, off of, like",
    "de": "auf, vor, neben, hinter, unter, über, in, im, ins, am, an, bei, beim, zwischen, inmitten, an einem, gegen, "
    "innerhalb, aus, für, durch, vom, zum, zur, nach",
    "fr": "sur, dans, devant, derrière, sous, à côté de, à côté d', près de, près d', contre, au dessus de, entre, "
    "parmi, chez, au milieu de, au bord de, vers, au, aux, pour, en dessous de, à",
}
WIND = {
    "en": "in the wind, in the breeze, in a breeze, in a gentle breeze, in a light breeze, in a soft breeze, "
    "in wind, in breeze, in a wind, with the wind, with the breeze, back and forth, to and fro, from side to side, "
    "side to side, in a light wind, in a gentle wind, in the gentle breeze, in the light breeze, by the wind, "
    "by the breeze, in the air, in a soft wind, in the soft breeze, in the gentle wind, "
    "in a gale, in the gale, in a storm, in the storm, in a strong wind, "
    "in the strong wind, in strong wind, in a strong breeze, in a stiff breeze",
    "de": "im wind, im winde, in der brise, im lüftchen, in einer brise, in einer leichten brise, im leichten wind, "
    "in einer sanften brise, im sanften wind, hin und her, im sturm, in einem sturm, im starken wind, "
    "in starkem wind, bei wind",
    "fr": "dans le vent, au vent, dans la brise, sous le vent, à la brise, au gré du vent, sous la brise, "
    "au gré de la brise, dans une brise, dans la tempête, dans une tempête, dans un vent fort, en plein vent",
}
BLOWING = frozenset("wind winde breeze gale storm brise lüftchen sturm vent tempête fort".split())  # their last words
COLOURED = {
    "en": "coloured, colored, colour, color, hued, tinted, in colour, in color",
    "de": "farben, farbene, farbener, farbenes, farbig, farbige, farbiger, farbiges, gefärbt, gefärbte",
    "fr": "de couleur, couleur, coloré, colorée",
}
# Verbs and polite words that carry no meaning here, slang and fillers among them.
SILENT = {
    "en": "is, are, am, was, were, be, been, being, begin, begins, beginning, began, start, starts, starting, "
    "started, i love, would love, love to, i hope, i wish, make, makes, making, made, me, show, shows, showing, see, "
    "please, pls, plz, plss, pleeease, thanks, thx, thank, thank you, ty, cheers, kindly, i, i'd, d, ll, m, want, "
    "wants, wanted, wanna, would, could, should, like, need, have, had, having, gimme, give, gives, let, lets, "
    "create, creates, creating, generate, generates, render, animate, animates, animating, animated, animation, "
    "animations, animation of, a video of, video of, clip of, movie of, a short animation of, an animated, draw, do, "
    "does, doing, did, us, my, your, hi, hello, hey, yo, ok, okay, lol, haha, go, goes, going, gone, went, become, "
    "becomes, becoming, became, hmm, uh, um, oh, u, ur, so, very, rly, rlly, really, quite, rather, extremely, just, "
    "kinda, kind of, sort of, sorta, maybe, perhaps, by, as, or, if, when, where, there, here, how, what, who, whom, "
    "whose, up, down, out, away, off, first, firstly, at first, first of all, "
    "initially, to begin with, to start with, before that, and before that, but before that, "
    "before this, beforehand, earlier, previously, and earlier, "
    "to, too, each, apiece, every, it, its, it's, they, "
    "them, their, itself, themselves, own, we, you, for, from, s, t, da, dat, some kind of, gonna, going to, going, "
    "about to, about, keep, keeps, keeping, can, may, might, will, shall, get, gets, getting, the whole life of, "
    "the whole life cycle of, whole life, the life of, life of, the entire life of, entire life, the life cycle of, "
    "life cycle of, lifecycle of, lifecycle, the full life of, its whole life, the whole life, one, ones, now, yet, "
    "still, such, bro, dude, in, at, of, on, with, looks like, with the, say, watch, wud, cud, luv, pleez, again, "
    "until, also, all, any, some, possible, if possible, asap, i am, sth, something like, happen, happens, "
    "happening, while, look, looks, looking, ever, along, across, over, around, both, has, open to, wholly, "
    "the process of, ya, ye, omg, btw, take, takes, put, have it, this is, because, something, anything, whatever, "
    "idk, umm, uhh, hm, their whole lives",
    "de": "ist, sind, war, wird, werden, hat, haben, sein, bitte, bitteschön, danke, mach, mache, machen, mir, mich, "
    "uns, zeig, zeige, zeigt, zeigen, ich, du, wir, will, möchte, würde, gern, gerne, hätte, brauche, gib, erstelle, "
    "erzeuge, erstellen, animiere, animation, eine animation von, eine animation einer, eine animation eines, "
    "animation einer, animation eines, eine animation, sich, sie, er, es, sehr, so, ganz, recht, ziemlich, wirklich, "
    "davor, vorher, zuvor, und davor, und vorher, und zuvor, zuallererst, als erstes, "
    "richtig, mal, doch, ja, und, oder, von, vom, zu, zum, zur, erst, zuerst, zunächst, erstmal, beginnt, "
    "beginnt zu, fängt, fängt an, beginnen, langsam beginnt, deren, dessen, denen, welche, welcher, welches, was, "
    "wie, wenn, da, hier, dort, einfach, nur, noch, schon, jetzt, nun, allem, aller, je, jeweils, jede, jeder, "
    "jedes, das ganze leben einer, das ganze leben eines, das leben einer, das leben eines, ganzes leben, lass, "
    "lasse, lassen, lässt, bekommt, bekommen, kann, kannst, könntest, können, soll, sollen, bin, hallo, mit, für, "
    "als, ab, an, zeig mir, sehen, video von, im, in, selbst, anfangs, ihm, ihr, ihre, lebenszyklus, stück, voll, "
    "davon",
    "fr": "est, sont, était, être, sera, va, vont, s'il, vous, te, s'il vous plaît, s'il te plaît, svp, stp, merci, "
    "montre, montrez, montrer, moi, me, m', je, j', tu, veux, voudrais, voudrait, aimerais, fais, faites, faire, "
    "fait, crée, créer, créez, génère, générer, animer, anime, animez, une animation de, une animation d', "
    "animation d'une, animation d'un, une animation d'une, une animation d'un, animation, animation de, donne, "
    "donnez, besoin, j'ai besoin, ai, as, avons, qui, que, qu', se, s', il, elle, ils, elles, on, et, ou, de, d', "
    "du, des, en, y, très, bien, assez, plutôt, vraiment, tout, toute, tous, toutes, juste, seulement, commence à, "
    "commence, commencent à, commencent, commençant, se met à, se mettent à, en train de, d'abord, "
    "tout d'abord, auparavant, avant cela, avant ça, "
    "premièrement, au début, "
    "chacun, chacune, chaque, dont, lui, leur, c', ça, cela, est ce que, bonjour, salut, avec, pour, par, au, aux, "
    "à, la vie de, la vie d'une, la vie d'un, la vie entière d', toute la vie d'une, toute la vie d'un, "
    "la vie entière d'une, la vie entière d'un, peut, peux, pourriez, pourrais, voir, comme, si, ici, là, encore, "
    "plus, petit à petit se, peu, déjà, même, pièce, boules chacune, le cycle de vie d'un, le cycle de vie d'une, "
    "cycle de vie",
}
# Silent before what they strengthen ("real slow"), and meaningful elsewhere ("a pretty rose").
INTENSIFIERS = {"en": "real, pretty, super, mega, ultra", "de": "super, mega", "fr": "super, trop"}
# Whole phrases that look like something else and must be told as they stand.
TOLD = {
    "en": "stop motion, non stop, timelapse, video, clip, movie, gif, photo, picture, footage, loop, macro, wallpaper, "
    "scene, model, mesh, asset, at least, at most, more than, less than, fewer than, no more than, no less than, "
    "up to, in the fall, in fall, drop of, drops of, a drop of, light bulb, time lapse, in autumn, one by one, "
    "one at a time, one after another, close up, close ups, closeup, close up shot, over time, over and over, "
    "in a loop, match cut, rock garden, water drops, dew drops, drop shadow, open field, open air, rose gold, "
    "in the open, grow light, glass half full, a rock, a wave, the rock, the waves, fold out, rock solid, dry ice, "
    "dry ground, in spring, in the spring, flower pot, flowerpot, flower bed, flower shop, fallen tree, morning dew, "
    "bright light, warm light, soft light, dark room, dark background, bright background, go out, goes out, going out, "
    "gone out, went out, put out, puts out, putting out, fall over, falls over, falling over, fallen over, fell over",
    "de": "nacheinander, eins nach dem anderen, eine nach der anderen, im herbst, im frühling, blumentopf, "
    "nahaufnahme, ausgehen, ausgeht, ausging, ausgehend, ausgehende, ausgegangen, ausgegangene, auszugehen, umfallen, "
    "umfällt, umfiel, umfallend, umfallende, umgefallen, umgefallene, umzufallen",
    "fr": "un par un, un à un, une à une, une par une, gros plan, en gros plan, en automne, au printemps, "
    "pot de fleurs, l'un après l'autre, un à la fois, éteindre, éteint, éteinte, éteints, éteintes, éteignent, "
    "éteignant, éteignait",
}
# What is told where the verb and its particle stand apart: "geht langsam aus".
TOLD_APART = {
    "um": frozenset("fällt fallen fiel fielen".split()),
    "aus": frozenset("geht gehen ging gingen".split()),
}
# What of it undoes a burning, and is no life of anything.
UNDOING = frozenset(
    ("go out", "goes out", "going out", "gone out", "went out", "put out", "puts out", "putting out", "ausgehen",
     "ausgeht", "ausging", "ausgehend", "ausgegangen", "éteint", "éteinte", "éteints", "éteintes", "éteignent")
)  # fmt: skip
# Particles that say something of their own behind a verb that is silent, or behind none.
PARTICLES = frozenset("up down out over off away".split())
SILENT_VERBS = frozenset("go goes going gone went put puts putting take takes get gets getting".split())
# A life from its beginning to its end: understood where nothing else is said to happen.
LIFE = {
    "en": "from bud to death, from birth to death, from seed to death, from start to end, from beginning to end, "
    "from start to finish, from bud to end",
    "de": "von der knospe bis zum tod, von der geburt bis zum tod, von anfang bis ende",
    "fr": "du bouton à la mort, de la naissance à la mort, du début à la fin",
}

# Silent words that say where the verb of their clause belongs: before all others, or before the one told last.
FIRST = frozenset(
    ("first", "firstly", "at first", "first of all", "initially", "to begin with", "to start with", "zuerst",
     "zunächst", "erstmal", "anfangs", "zuallererst", "als erstes", "d' abord", "tout d' abord", "premièrement",
     "au début")
)  # fmt: skip
EARLIER = frozenset(
    ("before that", "and before that", "but before that", "before this", "beforehand", "earlier", "and earlier",
     "previously", "davor", "vorher", "zuvor", "und davor", "und vorher", "und zuvor", "auparavant", "avant cela",
     "avant ça")
)  # fmt: skip

# Informal spellings that no typing error explains.
RESPELT = {
    "teh": "the", "hte": "the", "adn": "and", "nad": "and", "thne": "then", "wiht": "with",
    "lite": "light", "nite": "night", "midnite": "midnight", "yello": "yellow", "wite": "white", "blak": "black",
    "kandle": "candle", "shroomz": "shrooms", "rozes": "roses", "quik": "quick", "kwik": "quick",
}  # fmt: skip
# Faces, hands, hearts and sparkles say nothing of the object.
DECORATIVE_EMOJI = (
    (0x1F600, 0x1F64F), (0x1F90C, 0x1F92F), (0x1F970, 0x1F97A), (0x1F493, 0x1F49F), (0x1F44C, 0x1F450),
    (0x1F389, 0x1F38A), (0x1F31F, 0x1F31F), (0x2728, 0x2728), (0x2763, 0x2764), (0x2B50, 0x2B50),
)  # fmt: skip
# Clitics after an English apostrophe, and French words that lose their vowel before one.
CLITICS = frozenset("s d m ll ve re".split())
ELISIONS = frozenset("l d s qu j n c m t jusqu lorsqu puisqu quelqu".split())
# Ordinary words of one language that are vocabulary in another: read only in a prompt of that language.
COLLIDING = frozenset(
    "a am an arm art as ast bad bald bleu bloc bord boule brand cent champ cire clos coin court dent des dick die "
    "dies dorn elf fade fall fallen fast fault fern feu fond fort four germe gift glacier grand gross hat haut hell "
    "in kind kugel lame lang large lent les lever lit lustre mai main mal mille mine monte monter mort mousse note "
    "on open or page pain pale pays pending pied place plant plus point port pot rapide rat ring rise roll rose rot "
    "rotten sale sang sans six son souci spores sure tag tarte ton tot trieb un une vase wand was wiegen will".split()
)

"""A fly agaric, Amanita muscaria: a button swells, tears its veil, opens its cap, stands, and rots.

Its stem and its cap are systems of coordinates (agaric.py) that the organs here live in.

Sources: the button, its two veils, warts, ring and banded bulb after Tulloss & Yang, "Amanitaceae studies", and
Ridley, "The genus Amanita in New Zealand", Austral. Syst. Bot. 4, 1991 (cap to 130 mm, stem to 170 by 20 mm, bulb 33
mm). Cells are all there in the button; from then on they swell, those of the upper stem the most, and the cap's margin
unrolls (Moore, "Fungal Morphogenesis", 1998; Craig, Gull & Wood, "Stipe
elongation in Agaricus bisporus", J. Gen. Microbiol. 102, 1977). The universal veil does not grow with the cap, so it
cracks into patches that keep their size and drift apart. Departs from them: nothing elastic is solved, gills are sheets
without thickness, and rot is prescribed.
"""

# ruff: noqa: RUF001 - characters that look alike are what this module is for
"""Letters of other scripts that look like Latin ones, in the spirit of Unicode TR39 *confusables*, with Latin targets
only. Those that a compatibility decomposition (NFKD) reduces to Latin letters by itself are not here.

Both sides of a comparison are folded, so a letter too many costs nothing but that two strange words may look the same.
"""

from __future__ import annotations

__all__ = ["CONFUSABLES"]

CONFUSABLES = """
a аɑαᴀꭺᎪꓮ𐊠ⲁ
b ЬВвΒβɓʙᏴᏼꓐƄь
c сСϲᴄⲥꓚᏟꮯ𐊢
d ԁԀᏧꓓᗞᴅɗժ
e еЕєΕεɛᴇꓰᎬҽⅇℯ
f ғꓝϜƒꞘẝք
g ɡԍɢᏀꓖց
h һНнΗʜᎻᏂꓧℎհ
i іІιΙɩɪıӏӀᎥꓲӀǀ
j јЈϳᴊᎫꓙյ
k кКκΚᴋᏦꓗ
m мМΜᴍᎷꓟ
n пΝɴոռᥒꓠηղ
o оОоοΟσօᴏꓳ০ООⲟဝ
p рРρΡᴘᏢꓑⲣ
q ԛԚգզ
r гʀᎡꓣᴦⲅᏒ
s ѕЅꜱᏚꓢՏʂ
t тТτΤᴛᎢꓔ
u υսᴜꓴՍʋ
v ѵѴνᴠᏙꓦ
w ԝԜѡωᴡᎳꓪա
x хХχΧᕁꓫ
y уУүҮγΥʏყᎩꓬ
z ᴢΖᏃꓜʐ
"""
"""Rows: a Latin letter, then what looks like it in either case."""

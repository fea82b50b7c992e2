"""Any text in a PDF without embedding a font: Helvetica is in every reader, and so are Adobe's Asian fonts, which
write what Helvetica cannot. Widths and sizes are in points, 1/72 inch."""

from __future__ import annotations

import re
import unicodedata
from itertools import groupby

from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.pdfmetrics import registerFont, stringWidth

REGULAR, BOLD = "Helvetica", "Helvetica-Bold"
CHINESE, KOREAN = "STSong-Light", "HYSMyeongJo-Medium"
for asian_font in (CHINESE, KOREAN):
    registerFont(UnicodeCIDFont(asian_font))

# Letters of other Latin alphabets are in neither font: they are printed without their mark.
MARKED_LATIN = re.compile(r"LATIN (CAPITAL|SMALL) LETTER (?:DOTLESS )?([A-Z])(?: WITH .*)?")


def shortened(text: str, size: float, width: float) -> str:
    """One line of at most `width`, cut off with an ellipsis where it is longer."""
    text = printable(text)
    if runs_width(text, size) <= width:
        return text
    while text and runs_width(f"{text}…", size) > width:
        text = text[:-1]
    return f"{text}…"


def runs_width(text: str, size: float) -> float:
    return sum(stringWidth(run, font, size) for font, run in font_runs(text, REGULAR))


def font_runs(text: str, western_font: str) -> list[tuple[str, str]]:
    """The text in pieces that one font can write, each with that font."""
    if is_western(text):
        return [(western_font, text)]
    pieces = groupby(text, key=lambda character: font_of(character, western_font))
    return [(font, "".join(characters)) for font, characters in pieces]


def font_of(character: str, western_font: str) -> str:
    if is_western(character):
        return western_font
    return KOREAN if unicodedata.name(character, "").startswith("HANGUL") else CHINESE


def is_western(text: str) -> bool:
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True


def printable(text: str) -> str:
    """One line without control characters, composed, in letters that one of the fonts has."""
    if text.isascii() and text.isprintable():
        return text
    composed = unicodedata.normalize("NFC", " ".join(text.split()))
    return "".join(printable_letter(character) for character in composed if character.isprintable())


def printable_letter(character: str) -> str:
    marked = None if is_western(character) else MARKED_LATIN.fullmatch(unicodedata.name(character, ""))
    if marked is None:
        return character
    return marked[2] if marked[1] == "CAPITAL" else marked[2].lower()

"""Which font shows which sign. Text of ours and Western names are in Bitstream Vera, which comes with reportlab and is
embedded. For other alphabets DejaVu is embedded where the machine has it (Debian's fonts-dejavu-core). Chinese,
Japanese and Korean stand in one of Adobe's predefined fonts, which are not embedded: the text is right and can be
searched, and a viewer shows it in a font of its own. What none has becomes a question mark.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from xml.sax.saxutils import escape

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont

REGULAR, BOLD = "Vera", "VeraBd"
WIDE = "DejaVuSans"
_WIDE_FILE = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")
JAPANESE, KOREAN, CHINESE = "HeiseiKakuGo-W5", "HYGothic-Medium", "STSong-Light"


@cache
def _register() -> dict[str, TTFont]:
    """The embedded fonts by name; once a process."""
    fonts = {name: TTFont(name, f"{name}.ttf") for name in (REGULAR, BOLD)}
    if _WIDE_FILE.exists():
        fonts[WIDE] = TTFont(WIDE, str(_WIDE_FILE))
    for font in fonts.values():
        pdfmetrics.registerFont(font)
    pdfmetrics.registerFontFamily(REGULAR, normal=REGULAR, bold=BOLD, italic=REGULAR, boldItalic=BOLD)
    return fonts


def register() -> None:
    """Make `REGULAR` and `BOLD` known to reportlab."""
    _register()


def markup(text: str, *, bold: bool = False) -> str:
    """`text` as reportlab's paragraph markup: escaped, each run in a font that has its signs."""
    base = BOLD if bold else REGULAR
    runs: list[tuple[str, str]] = []
    for sign in " ".join(text.split()):
        font = _font_of(sign, base, text)
        shown = sign if font else "?"
        # A space belongs to the word before it: every font has one, and fewer runs read better.
        font = runs[-1][0] if sign == " " and runs else font or base
        if runs and runs[-1][0] == font:
            runs[-1] = (font, runs[-1][1] + shown)
        else:
            runs.append((font, shown))
    return "".join(f'<font name="{font}">{escape(run)}</font>' for font, run in runs)


def _font_of(sign: str, base: str, text: str) -> str | None:
    fonts = _register()
    for name in (base, WIDE):
        if name in fonts and ord(sign) in fonts[name].face.charToGlyph:
            return name
    east = _eastern(sign, text)
    if east is not None:
        _register_eastern(east)
    return east


def _eastern(sign: str, text: str) -> str | None:
    """Han signs are common to three languages: kana or hangul beside them tell which."""
    if _is_kana(sign):
        return JAPANESE
    if _is_hangul(sign):
        return KOREAN
    if "\u3000" <= sign <= "\u303f" or "\u3400" <= sign <= "\u9fff" or "\uf900" <= sign <= "\ufaff":
        if any(map(_is_kana, text)):
            return JAPANESE
        return KOREAN if any(map(_is_hangul, text)) else CHINESE
    return None


def _is_kana(sign: str) -> bool:
    return "\u3040" <= sign <= "\u30ff"


def _is_hangul(sign: str) -> bool:
    return "\uac00" <= sign <= "\ud7a3"


@cache
def _register_eastern(name: str) -> None:
    pdfmetrics.registerFont(UnicodeCIDFont(name))

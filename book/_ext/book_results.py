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
from dataclasses import asdict
from pathlib import Path
from typing import Any

import nbformat
from book_figures import inline_svg
from book_reading import Reading, note
from book_reading import table as reading_table
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


class surprise(nodes.General, nodes.Element):
    """Stands over a paragraph that holds as long as one model beats another."""


class Gather(SphinxDirective):
    """`{scoreboard}`, `{sources}`, `{costs}` and `{reading-times}`: a table from all pages."""

    def run(self) -> list[nodes.Node]:
        self.env.lmtutor_gatherers.add(self.env.docname)
        return [gathered(kind=self.name)]


class Surprise(SphinxDirective):
    """`{surprise} better < worse`: a paragraph under the figures of the two models it is about,
    with which the book does not build should they be the other way round.
    """

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self) -> list[nodes.Node]:
        self.env.lmtutor_gatherers.add(self.env.docname)
        better, _, worse = (part.strip() for part in self.arguments[0].partition("<"))
        node = surprise(better=better, worse=worse)
        self.set_source_info(node)
        self.state.nested_parse(self.content, self.content_offset, node)
        return [node]


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
    """Measure the page just read, and find its executed notebook; the cache has it, however old
    it is.
    """
    records = []
    if found := note(doctree):
        records.append({"reading": asdict(found)})
    path = Path(app.outdir).parent / "jupyter_execute" / f"{app.env.docname}.ipynb"
    if app.env.nb_metadata.get(app.env.docname, {}).get("exec_data"):
        # The notebook that MyST-NB writes has outputs only if it ran just now.
        cells = nbformat.read(path, as_version=4)
        _, notebook = get_cache(app.config.nb_execution_cache_path).merge_match_into_notebook(
            cells
        )
        records += records_of(notebook)
    app.env.lmtutor_records[app.env.docname] = records


def gatherers(app: Sphinx, env: BuildEnvironment) -> Iterable[str]:
    """These pages are written anew at every build."""
    return env.lmtutor_gatherers


def fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    kinds = {
        "scoreboard": scoreboard,
        "sources": sources,
        "costs": costs,
        "reading-times": reading_times,
    }
    for place in list(doctree.findall(gathered)):
        place.replace_self(nodes.raw("", kinds[place["kind"]](app.env), format="html"))
    for place in list(doctree.findall(surprise)):
        head = nodes.paragraph(classes=["lmtutor-surprise"])
        head += nodes.strong("", verdict(app.env, place))
        place.replace_self([head, *place.children])


def verdict(env: BuildEnvironment, place: surprise) -> str:
    """Both models with their bits per byte, the better first."""
    found = {record["model"]: record for record in entries_of(env)}
    names = [place["better"], place["worse"]]
    for name in names:
        if name not in found:
            logger.warning("no page put %r on the scoreboard", name, location=place)
            return " < ".join(names)
    better, worse = (found[name]["bits_per_byte"] for name in names)
    if not better < worse:
        logger.warning(
            "%s needs %.3f and %s %.3f", names[0], better, names[1], worse, location=place
        )
    return f"{names[0]}: {better:.2f} bits per byte. {names[1]}: {worse:.2f}."


def entries_of(env: BuildEnvironment) -> list[dict[str, Any]]:
    """Everything on the scoreboard."""
    records = (record for page in _pages(env) for record in page)
    return [record["scoreboard"] for record in records if "scoreboard" in record]


def sources(env: BuildEnvironment) -> str:
    """Models of sources whose entropy rate is known, beside that floor."""
    from lmtutor.scoreboard import sources_to_html

    records = (record for page in _pages(env) for record in page)
    found = [record["source"] for record in records if "source" in record]
    if not found:
        logger.warning("no page put models of a source on the scoreboard")
    return sources_to_html(found)


def scoreboard(env: BuildEnvironment) -> str:
    """A table and two charts for each corpus."""
    from lmtutor.plots import plot_intervals, plot_map
    from lmtutor.scoreboard import from_record, to_html

    records, parts = entries_of(env), []
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
        alt = f"Bits per byte on {corpus}: " + ", ".join(
            f"{e.model} {e.bits_per_byte:.2f}" for e in entries
        )
        parts.append(
            f"<p>Test text of the corpus <code>{html.escape(corpus)}</code>.</p>"
            f'<div class="lmtutor-board">{to_html(entries)}</div>'
            f"{_drawing(figure, alt, f'scoreboard{number}-')}"
        )
        trained = [entry for entry in entries if entry.training_seconds > 0]
        groups = {
            "counts": {e.model: _place(e) for e in trained if not e.seeds},
            "networks": {e.model: _place(e) for e in trained if e.seeds},
        }
        groups = {name: group for name, group in groups.items() if group}
        if groups:
            figure = plot_map(
                groups,
                "training, s of one thread",
                "bits per byte (lower is better)",
                log=True,
                labels={entry.model: _short(entry.model) for entry in trained},
            )
            alt = f"Bits per byte on {corpus} against the seconds of training: " + ", ".join(
                f"{e.model} {e.bits_per_byte:.2f} after {e.training_seconds:.2g} s"
                for e in trained
            )
            parts.append(
                "<p>The same models against what their training took. Both scales are "
                "logarithmic; the lower and the further left, the better. <em>KN 2</em> is "
                "Kneser-Ney of order 2; where nothing is said, the tokens are sub-words. The "
                "<em>small networks</em> are the RNN, the LSTM, the GRU and the neural n-gram; "
                "the other dots without a name are the orders 4 to 7.</p>"
                f"{_drawing(figure, alt, f'compute{number}-')}"
            )
    if not parts:
        logger.warning("no page put a result on the scoreboard")
    return "".join(parts)


def _short(model: str) -> str:
    """A name for the chart, or none: of neighbours, one speaks for all."""
    name = model.removesuffix(", sub-words").replace(", sub-words, trained", ",")
    name = name.replace("Kneser-Ney of order ", "KN ")
    name = "small networks" if name == "LSTM" else name
    silent = {f"KN {order}" for order in range(4, 8)}
    silent |= {"RNN", "GRU", "neural n-gram of order 4"}
    return "" if name in silent else name


def _place(entry: Any) -> tuple[float, float]:
    return entry.training_seconds, entry.bits_per_byte


def _drawing(figure: Any, alt: str, prefix: str) -> str:
    drawing = io.StringIO()
    figure.savefig(drawing, format="svg", metadata={"Date": None})
    return f'<div class="lmtutor-figure">{inline_svg(drawing.getvalue(), alt, prefix)}</div>'


def costs(env: BuildEnvironment) -> str:
    """Seconds and memory of each page that was executed, and their sum."""
    rows, total = [], 0.0
    for docname, records in sorted(env.lmtutor_records.items()):
        executed = env.nb_metadata.get(docname, {}).get("exec_data")
        if not executed:
            continue
        cost = next((record["cost"] for record in records if "cost" in record), None)
        if cost is None:
            logger.warning("the page does not end with page_cost()", location=docname)
            continue
        seconds = executed["runtime"]
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


def reading_times(env: BuildEnvironment) -> str:
    """What there is to read in each chapter."""
    found = [
        (env.titles[docname].astext(), Reading(**record["reading"]))
        for docname, records in sorted(env.lmtutor_records.items())
        for record in records
        if "reading" in record
    ]
    return reading_table(found)


def _pages(env: BuildEnvironment) -> list[list[dict[str, Any]]]:
    return [records for _, records in sorted(env.lmtutor_records.items())]


def setup(app: Sphinx) -> dict[str, bool | int | str]:
    """Called by Sphinx."""
    app.add_node(gathered)
    app.add_node(surprise)
    for kind in ("scoreboard", "sources", "costs", "reading-times"):
        app.add_directive(kind, Gather)
    app.add_directive("surprise", Surprise)
    app.connect("env-before-read-docs", prepare)
    app.connect("env-purge-doc", forget)
    app.connect("doctree-read", read, priority=900)
    app.connect("env-updated", gatherers)
    app.connect("doctree-resolved", fill)
    # What older versions of these files left in the environment is not read.
    files = (Path(__file__), Path(__file__).with_name("book_reading.py"))
    content = b"".join(path.read_bytes() for path in files)
    version = int(hashlib.sha256(content).hexdigest()[:8], 16)
    return {
        "version": "1",
        "env_version": version,
        "parallel_read_safe": False,
        "parallel_write_safe": True,
    }

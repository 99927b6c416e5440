"""A browser for the tests, and pages opened in it with all that goes wrong on the way."""

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import axe_playwright_python
import pytest

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
"""A program that looks for what keeps people with disabilities out."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
)


def missing(what: str, variable: str) -> None:
    """Skip what cannot be tested here, or fail where the environment says that it must be."""
    if os.environ.get(variable) == "1":
        pytest.fail(what)
    pytest.skip(what)


@contextmanager
def launched() -> Iterator[Any]:
    """Chromium or Chrome, which must be installed."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        missing(
            f"no browser was found; install one of {', '.join(BROWSERS)}",
            "LMTUTOR_REQUIRE_BROWSER",
        )
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS.split())
        yield browser
        browser.close()


@contextmanager
def serving(folder: Path, headers: Mapping[str, str] | None = None) -> Iterator[str]:
    """The address of a server of our own that serves a folder, with these headers."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def end_headers(self) -> None:
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            super().end_headers()

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=folder)
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class Visit:
    """One page in one window, with all that went wrong on the way."""

    def __init__(
        self, browser: Any, address: str, width: int = 1280, scheme: str = "light", **more: Any
    ):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, **more
        )
        self.page, self.faults = context.new_page(), []
        self.loaded: dict[str, int] = {}
        """How many bytes came from each address."""
        parts = urlsplit(address)
        home = f"{parts.scheme}://{parts.netloc}/"
        self.page.on("request", lambda request: self._request(request.url, home))
        self.page.on(
            "requestfailed", lambda request: self.faults.append(f"failed: {request.url}")
        )
        self.page.on("response", self._response)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("console", self._console)
        self.page.goto(address)
        self.page.wait_for_load_state("networkidle")

    def look(self, width: int, scheme: str) -> None:
        """See the same page in another window: as wide, and in that colour scheme."""
        self.page.set_viewport_size({"width": width, "height": 900})
        self.page.emulate_media(color_scheme=scheme)

    def _request(self, url: str, home: str) -> None:
        if not url.startswith((home, "data:", "blob:")):
            self.faults.append(f"request to {url}")

    def _response(self, response: Any) -> None:
        size = response.headers.get("content-length")
        if size is not None:
            self.loaded[response.url] = int(size)

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"console {message.type}: {message.text}")

    def __enter__(self) -> "Visit":
        return self

    def __exit__(self, *_: object) -> None:
        self.page.context.close()

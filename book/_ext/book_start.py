"""The page at the root of the site, which leads on to the book.

Its icon is empty and stands in the page itself: with none named, a browser asks the server for
one that is not there, and one in a file is often still on its way when the browser moves on.
"""

from pathlib import Path

from sphinx.application import Sphinx

PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<link rel="icon" href="data:,">
<meta http-equiv="refresh" content="0; url=book/index.html">
<a href="book/index.html">{title}</a>
</html>
"""


def lead_on(app: Sphinx, error: Exception | None) -> None:
    """Write the page, where the book's own start is not at the root."""
    target = Path(app.outdir) / "index.html"
    if error is None and (Path(app.outdir) / "book" / "index.html").is_file():
        target.write_text(PAGE.format(title=app.config.html_title), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool | str]:
    """Called by Sphinx."""
    app.connect("build-finished", lead_on, priority=900)  # after the table of contents' own
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

"""The page at the root of the site, which leads on to the book. It names its icon, or else
a browser asks the server for one that is not there.
"""

from pathlib import Path

from sphinx.application import Sphinx

PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<link rel="icon" href="_static/{icon}">
<meta http-equiv="refresh" content="0; url=book/index.html">
<a href="book/index.html">{title}</a>
</html>
"""


def lead_on(app: Sphinx, error: Exception | None) -> None:
    """Write the page, where the book's own start is not at the root."""
    target = Path(app.outdir) / "index.html"
    if error is None and (Path(app.outdir) / "book" / "index.html").is_file():
        icon = Path(app.config.html_favicon).name
        target.write_text(PAGE.format(title=app.config.html_title, icon=icon), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool | str]:
    """Called by Sphinx."""
    app.connect("build-finished", lead_on, priority=900)  # after the table of contents' own
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

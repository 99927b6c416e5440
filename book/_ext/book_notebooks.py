"""The site offers each chapter's notebook for download: the one that stands beside the chapter,
in plain Markdown, where the theme would offer the chapter's own MyST in a notebook. Pages whose
cells run but which have no such notebook are not offered to Colab, where their file opens
nothing.
"""

import shutil
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx


def offer(app: Sphinx, error: Exception | None) -> None:
    """Put the notebooks where the theme's download button looks for them."""
    for path in Path(app.srcdir).glob("book/*.ipynb"):
        offered = Path(app.outdir) / "_sources" / "book" / path.name
        if error is None and offered.is_file():
            shutil.copyfile(path, offered)


def keep_from_colab(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object
) -> None:
    """Take the theme's launch button from a page that has no notebook beside it."""
    if not (Path(app.srcdir) / f"{page}.ipynb").is_file():
        buttons = context.get("header_buttons", [])
        buttons[:] = [b for b in buttons if b.get("label") != "launch-buttons"]


def setup(app: Sphinx) -> dict[str, bool | str]:
    """Called by Sphinx."""
    app.connect("build-finished", offer)
    app.connect("html-page-context", keep_from_colab, priority=502)  # after the theme's
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

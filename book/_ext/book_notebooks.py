"""The site offers each chapter's notebook for download: the one that stands beside the chapter,
in plain Markdown, where the theme would offer the chapter's own MyST in a notebook.
"""

import shutil
from pathlib import Path

from sphinx.application import Sphinx


def offer(app: Sphinx, error: Exception | None) -> None:
    """Put the notebooks where the theme's download button looks for them."""
    for path in Path(app.srcdir).glob("book/*.ipynb"):
        offered = Path(app.outdir) / "_sources" / "book" / path.name
        if error is None and offered.is_file():
            shutil.copyfile(path, offered)


def setup(app: Sphinx) -> dict[str, bool | str]:
    """Called by Sphinx."""
    app.connect("build-finished", offer)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

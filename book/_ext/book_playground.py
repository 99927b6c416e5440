"""Gives pages with a playground its scripts, and the site the models that they ask for.

A cell writes each model that it shows into the folder that LMTUTOR_MODEL_FILES names (see
`book_execution`), and its page names the file; so pages share them, and a page whose outputs
come from the cache still finds its own.
"""

import re
import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from lmtutor.widgets.playground.element import script_sources

FOLDER = "playground"
_MODELS = re.compile(r'<lm-[\w-]+ models="([^"]*)"')


def publish_scripts(app: Sphinx) -> None:
    """Copy the scripts of the package to where pages load them from."""
    target = Path(app.outdir) / "_static" / FOLDER
    target.mkdir(parents=True, exist_ok=True)
    for name, source in script_sources().items():
        (target / name).write_text(source, encoding="utf-8")


def add_scripts(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    """Only pages that have an element load them."""
    if _MODELS.search(context.get("body", "")):
        for name in script_sources():
            app.add_js_file(f"{FOLDER}/{name}", loading_method="defer")


def publish_models(app: Sphinx, error: Exception | None) -> None:
    """Copy the models that pages name, and no others, beside the scripts.

    Raises:
        ExtensionError: one of them is not there.
    """
    if error is not None or app.builder.format != "html":
        return
    source = Path(app.config.nb_execution_cache_path) / "models"
    target = Path(app.outdir) / "_static" / FOLDER / "models"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for page in sorted(Path(app.outdir).glob("book/*.html")):
        for names in _MODELS.findall(page.read_text(encoding="utf-8")):
            for name in names.split():
                if not (source / f"{name}.js").is_file():
                    raise ExtensionError(
                        f"{page.name} shows the model {name}, and no cell wrote it; "
                        "run 'make clean' and build again"
                    )
                shutil.copyfile(source / f"{name}.js", target / f"{name}.js")


def setup(app: Sphinx) -> dict[str, bool | str]:
    """Called by Sphinx."""
    app.connect("builder-inited", publish_scripts)
    app.connect("html-page-context", add_scripts)
    app.connect("build-finished", publish_models)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

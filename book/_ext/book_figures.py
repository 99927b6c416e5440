"""SVG images become part of the page, so that they take its colours in light and dark.

Figures of the package use one ink and one paper (lmtutor.plots.style); here the ink becomes the
colour of the text and the paper nothing. Diagrams drawn by hand use `currentColor` themselves.
An SVG without alternative text is an error, since a reader who cannot see it would get nothing.
"""

import html
import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

INK, PAPER = "#010203", "#fdfefe"
logger = logging.getLogger(__name__)


def inline_svg(source: str, alt: str, prefix: str) -> str:
    """The <svg> element of a file, with its own ids, the page's colours, and a width that gives
    way on a phone.
    """
    svg = source[source.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = svg.replace(INK, "currentColor").replace(PAPER, "none")
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}\1)", svg)
    svg = re.sub(r'href="#([^"]+)"', rf'href="#{prefix}\1"', svg)
    opening, _, rest = svg.partition(">")
    box = re.search(r'viewBox="[\d.]+ [\d.]+ ([\d.]+) [\d.]+"', opening)
    width = f"max-width:{float(box[1]) * 4 / 3:.0f}px;" if box and "pt" in opening else ""
    opening = re.sub(r'\s(?:width|height|role|aria-label)="[^"]*"', "", opening)
    label = html.escape(alt, quote=True)
    role = "img" if "<a " not in rest else "group"
    style = f"width:100%;{width}height:auto"
    return f'{opening} role="{role}" aria-label="{label}" style="{style}">{rest}'


def inline_images(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Replace the SVG images of one page by their source."""
    if app.builder.format != "html":
        return
    for number, image in enumerate(list(doctree.findall(nodes.image))):
        path = Path(app.srcdir) / image["uri"]
        if not image.get("alt"):
            logger.warning(
                "the image %s has no alternative text", image["uri"], location=docname
            )
        if path.suffix == ".svg" and path.is_file():
            svg = inline_svg(
                path.read_text(encoding="utf-8"), image.get("alt", ""), f"figure{number}-"
            )
            image.replace_self(
                nodes.raw("", f'<div class="lmtutor-figure">{svg}</div>', format="html")
            )


def setup(app: Sphinx) -> dict[str, bool | str]:
    """Called by Sphinx."""
    app.connect("doctree-resolved", inline_images)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

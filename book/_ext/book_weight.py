"""Pages load what they need, without the scripts that the theme gives to every page in vain.

The theme loads all icons of Font Awesome as a script of 1.5 MB, beside the fonts that draw the
same icons, and the index of the search on every page, which is read on that of the results
alone. MyST-NB adds the state of every progress bar that a page had, for widgets that need a
kernel and are not loaded.
"""

import re
from pathlib import Path

from sphinx.application import Sphinx

_SCRIPT = r'<script [^>]*src="[^"]*{}[^"]*"[^>]*></script>\n?'
ICONS = re.compile(_SCRIPT.format(r"_static/scripts/fontawesome\.js"))
SEARCH = re.compile(
    _SCRIPT.format(r"(?:_static/(?:searchtools|language_data)|searchindex)\.js")
)
WIDGETS = re.compile(
    r'<script type="application/vnd\.jupyter\.widget-state\+json">.*?</script>\n?', re.DOTALL
)


def lighten(page: str, is_search: bool) -> str:
    """The HTML of a page without these scripts; the page of results keeps those of the search.

    >>> lighten('<script defer src="_static/scripts/fontawesome.js?x"></script>text', False)
    'text'
    """
    page = WIDGETS.sub("", ICONS.sub("", page))
    return page if is_search else SEARCH.sub("", page)


def lighten_all(app: Sphinx, error: Exception | None) -> None:
    """Take the scripts out of every page that was written."""
    if error is not None or app.builder.format != "html":
        return
    for path in Path(app.outdir).rglob("*.html"):
        page = path.read_text(encoding="utf-8")
        light = lighten(page, is_search=path.name == "search.html")
        if light != page:
            path.write_text(light, encoding="utf-8")
    (Path(app.outdir) / "_static" / "scripts" / "fontawesome.js").unlink(missing_ok=True)


def setup(app: Sphinx) -> dict[str, bool | str]:
    """Called by Sphinx."""
    app.connect("build-finished", lighten_all)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

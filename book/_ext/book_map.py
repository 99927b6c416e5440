"""The map of the book: every chapter planned, drawn solid and linked once it is written."""

import html

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

WIDTH, BOX, GAP, TOP = 460, 40, 10, 34


class BookMap(SphinxDirective):
    """`{book-map}`: a line that begins a part, then its chapters, indented: `file | title`."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        parts: list[tuple[str, list[tuple[str, str]]]] = []
        for line in self.content:
            if not line.strip():
                continue
            if line.startswith(" "):
                name, _, title = line.partition("|")
                parts[-1][1].append((name.strip(), title.strip()))
            else:
                parts.append((line.strip(), []))
        return [nodes.raw("", draw(parts, self.env.found_docs), format="html")]


def draw(parts: list[tuple[str, list[tuple[str, str]]]], written: set[str]) -> str:
    """One band per part, from the top down, with its chapters in two columns."""
    pieces, y, number = [], 0, 0
    for title, chapters in parts:
        rows = (len(chapters) + 1) // 2
        height = TOP + rows * (BOX + GAP) + 2
        pieces.append(
            f'<rect x="1" y="{y + 1}" width="{WIDTH - 2}" height="{height}" rx="8" '
            f'fill="currentColor" fill-opacity="0.05"/><text x="14" y="{y + 23}" '
            f'font-weight="700" fill="currentColor">{html.escape(title)}</text>'
        )
        for place, (name, chapter) in enumerate(chapters):
            number += 1
            x = 12 + (place % 2) * (WIDTH - 24 + GAP) / 2
            top = y + TOP + (place // 2) * (BOX + GAP)
            pieces.append(_box(x, top, number, chapter, name, f"book/{name}" in written))
        y += height + 22
        pieces.append(
            f'<path d="M{WIDTH / 2} {y - 19}v13m-5 -5l5 6l5 -6" fill="none" '
            'stroke="currentColor" stroke-width="1.5"/>'
        )
    pieces.pop()  # nothing comes after the last part
    label = "Map of the book: " + "; ".join(
        f"{title}: {', '.join(chapter for _, chapter in chapters)}" for title, chapters in parts
    )
    return (
        '<div class="lmtutor-figure lmtutor-map">'
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y - 18}" role="group" '
        f'aria-label="{html.escape(label)}" style="width:100%;max-width:36rem;height:auto" '
        f'font-size="13">{"".join(pieces)}</svg></div>'
    )


def _box(x: float, y: float, number: int, title: str, name: str, is_written: bool) -> str:
    width = (WIDTH - 24 - GAP) / 2
    dashed = "" if is_written else ' stroke-dasharray="4 4" stroke-opacity="0.5"'
    fade = "" if is_written else ' opacity="0.7"'
    box = (
        f'<rect x="{x}" y="{y}" width="{width}" height="{BOX}" rx="5" fill="none" '
        f'stroke="currentColor" stroke-width="1.5"{dashed}/>'
        f'<text x="{x + 10}" y="{y + 25}" fill="currentColor"{fade}>'
        f'<tspan font-weight="700">{number}</tspan> {html.escape(title)}</text>'
    )
    return f'<a href="{name}.html">{box}</a>' if is_written else box


def setup(app: Sphinx) -> dict[str, bool | str]:
    """Called by Sphinx."""
    app.add_directive("book-map", BookMap)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

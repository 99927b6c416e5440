"""What all explorers share: controls where there is a kernel, a picture where there is none.

Text that comes from a reader or a model is escaped before it becomes HTML. Left out: state that
outlives the kernel; a saved notebook keeps the picture of the moment it was shown.
"""

import html
import io
import os
import re
import zlib
from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lmtutor.tokenizers.base import check_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STATIC = "LMTUTOR_STATIC"
"""Where this is "1" in the environment, as in the build of the book, explorers are pictures."""

NOTE = (
    "This is a picture of one state. The sliders work in a notebook with a kernel, such as "
    "Jupyter or Colab."
)


class LiveExplorer(ABC):
    """Something to play with in a notebook. As the last line of a cell it shows itself: with
    its controls, or, if LMTUTOR_STATIC is "1", as a picture of the state it is in.
    """

    @cached_property
    def widget(self) -> Any:
        """The controls and the picture: one box of `ipywidgets`, made when first asked for."""
        from ipywidgets import HTML, VBox

        self._message, self._picture = HTML(), HTML()
        box = VBox([*self._controls(), self._message, self._picture])
        self._refresh()
        return box

    @abstractmethod
    def picture(self) -> str:
        """The present state as HTML, without controls.

        Raises:
            ValueError: what the controls ask for cannot be shown; the message says why.
        """

    @abstractmethod
    def summary(self) -> str:
        """The present state in one line of plain text."""

    def static_html(self) -> str:
        """The present state as HTML, with a sentence that says that it is only a picture."""
        self._prepare()
        return _still(*self._now())

    def _prepare(self) -> None:  # noqa: B027  (most have something to show from the start)
        """Compute what a picture needs, where that is not there yet."""

    @abstractmethod
    def _controls(self) -> list[Any]:
        """The controls from the top down, each with a description and a tooltip."""

    def _refresh(self, *_: object) -> None:
        """Draw what the controls ask for, or say in the picture's place why that cannot be."""
        self._picture.value, fault = self._now()
        self._message.value = message(fault) if fault else ""

    def _now(self) -> tuple[str, str]:
        """The picture and nothing, or nothing and why there is none."""
        try:
            return self.picture(), ""
        except ValueError as error:
            return "", str(error)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """What a notebook shows: the controls, and the picture for those that cannot."""
        controls: dict[str, Any] = {}
        if os.environ.get(STATIC) == "1":
            self._prepare()
        else:
            controls = self.widget._repr_mimebundle_()
        picture, fault = self._now()
        plain = f"{fault or self.summary()}\n{NOTE}"
        return {**controls, "text/plain": plain, "text/html": _still(picture, fault)}


def _still(picture: str, fault: str) -> str:
    shown = message(fault) if fault else picture
    return f'<div class="lmtutor-live">{shown}<p><em>{NOTE}</em></p></div>'


def check_words(text: object, most: int) -> str:
    """The text as it is, or a ValueError where there is nothing or too much to show.

    >>> check_words("In the beginning", most=20)
    'In the beginning'
    """
    words = check_text(text)
    if not words.strip():
        raise ValueError(
            f"the text has {len(words)} characters and none that can be seen; give at least one"
        )
    if len(words) > most:
        raise ValueError(
            f"the text has {len(words):,} characters, and {most:,} is the most; give a shorter "
            "text"
        )
    return words


def int_slider(description: str, tooltip: str, last: int, value: int, first: int = 0) -> Any:
    """A slider over whole numbers; it is disabled where there is one number alone."""
    from ipywidgets import IntSlider

    slider = IntSlider(value=value, min=first, max=max(first + 1, last), tooltip=tooltip)
    slider.description, slider.disabled = description, last <= first
    return wide(slider)


def wide(control: Any) -> Any:
    """A control that is as wide as the page, up to a limit, with room for its description."""
    control.layout.width, control.layout.max_width = "96%", "40em"
    control.style.description_width = "7em"
    return control


def inline_svg(figure: "Figure", alt: str) -> str:
    """A figure as a part of the page: in the page's colours, with ids of its own, and no wider
    than there is room. `book/_ext/book_figures.py` does the same to figures in files.
    """
    from lmtutor.plots.style import INK, PAPER

    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = svg.replace(INK, "currentColor").replace(PAPER, "none")
    prefix = f"live-{zlib.crc32(svg.encode()):08x}-"
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}\1)", svg)
    svg = re.sub(r'href="#([^"]+)"', rf'href="#{prefix}\1"', svg)
    opening, _, rest = svg.partition(">")
    opening = re.sub(r'\s(?:width|height)="[^"]*"', "", opening)
    style = f"width:100%;max-width:{figure.get_figwidth() * 96:.0f}px;height:auto"
    label = html.escape(alt, quote=True)
    return (
        f'<div class="lmtutor-figure">{opening} role="img" aria-label="{label}" '
        f'style="{style}">{rest}</div>'
    )


def message(text: str) -> str:
    """A line that says what is wrong, as HTML."""
    style = "border-left:.3em solid #b8860b;padding:.2em .8em;margin:.3em 0;line-height:1.4"
    return f'<p role="alert" style="{style}">{html.escape(text)}</p>'

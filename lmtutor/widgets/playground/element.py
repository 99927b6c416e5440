"""An element of a page with the models that it runs: in a notebook, in the book, in a file.

Left out: live connections to Python. What is shown runs in the browser alone.
"""

import base64
import html
import os
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from lmtutor.display import html_table
from lmtutor.files import PathLike, write_aside
from lmtutor.widgets.playground.model_file import ModelFile

SCRIPTS = ("model_file.js", "engine.js", "tokenizers.js", "component.js", "explorers.js")
"""In the order in which a page loads them."""
SHARED = "LMTUTOR_MODEL_FILES"
"""The variable of the environment with which the book's build names the folder of model files
that its pages share; without it, all goes into the output of the cell."""
MOST_CHARACTERS = 2000

_FOLDER = Path(__file__).parent


def script_sources() -> dict[str, str]:
    """The scripts of a page by name."""
    return {name: (_FOLDER / name).read_text(encoding="utf-8") for name in SCRIPTS}


class PageElement:
    """What a page shows of some models; in a notebook the last value of a cell shows itself.

    Args:
        files: the models, in the order in which they are shown.
        prompt: the text to begin with.
        without_scripts: HTML that is shown where no script runs, a table for instance.

    Raises:
        ValueError: there is no model, or the prompt is no string, is longer than
            MOST_CHARACTERS, or holds a lone surrogate.
    """

    tag: ClassVar[str]
    """The name of the element, which component.js or explorers.js defines."""

    def __init__(self, files: list[ModelFile], prompt: str, without_scripts: str):
        if not files:
            raise ValueError("there is no model to show; give at least one")
        self.prompt, self._without_scripts = as_typed(prompt), without_scripts
        self._contents = {}
        for file in files:
            content = file.to_bytes()
            self._contents[_file_name(file.title, content)] = content

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {', '.join(self._contents)}; a browser shows it>"

    @property
    def num_bytes(self) -> int:
        """Of all model files together."""
        return sum(map(len, self._contents.values()))

    def _repr_html_(self) -> str:
        folder = os.environ.get(SHARED)
        if not folder:
            return f"{self._scripts()}\n{self._element()}"
        for name, content in self._contents.items():
            path = Path(folder) / f"{name}.js"
            if path.exists():
                continue
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_aside(path, _registration(name, content).encode())
            except OSError as error:
                raise OSError(
                    f"{path} cannot be written ({error}); {SHARED} names that folder: name "
                    "another, or none, and the model stands in the output itself"
                ) from error
        return self._element()

    def save_page(self, path: PathLike, title: str = "lmtutor") -> None:
        """Write a page of its own, one file that needs nothing else, also no server.

        Args:
            path: of the HTML file; an older one stays whole if writing fails.
            title: of the page.
        """
        title = check_title(title)
        page = (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            '<meta name="color-scheme" content="light dark">'
            f"<title>{html.escape(title)}</title></head>"
            f"<body><main><h1>{html.escape(title)}</h1>{self._scripts()}{self._element()}"
            "</main></body></html>\n"
        )
        write_aside(path, page.encode())

    def _scripts(self) -> str:
        # Of several outputs of a notebook the first brings the scripts, and all share models.
        once = "\n".join(script_sources().values())
        sources = [f"if (!globalThis.LMPage) {{\n{once}\n}}"]
        sources += [_registration(*item) for item in self._contents.items()]
        # A script ends at the first such letters, wherever they stand.
        safe = [source.replace("</script", "<\\/script") for source in sources]
        return "\n".join(f"<script>{source}</script>" for source in safe)

    def _attributes(self) -> dict[str, str]:
        """What the element is told."""
        return {
            "models": " ".join(self._contents),
            "prompt": self.prompt,
            "size": _size(4 / 3 * self.num_bytes),  # in base64
        }

    def _element(self) -> str:
        attributes = self._attributes().items()
        spelt = " ".join(f'{name}="{html.escape(text)}"' for name, text in attributes)
        return f"<{self.tag} {spelt}>{self._without_scripts}</{self.tag}>"


def as_typed(prompt: str) -> str:
    """The prompt as a field of a page holds it, whose lines end in line feeds.

    Raises:
        ValueError: it is no string, has a lone surrogate, or is too long.
    """
    from lmtutor.tokenizers.base import check_text

    typed = check_text(prompt).replace("\r\n", "\n").replace("\r", "\n")
    length = len(typed.encode("utf-16-le")) // 2  # as browsers count
    if length > MOST_CHARACTERS:
        raise ValueError(
            f"the prompt has {length} characters as browsers count them, and the field on the "
            f"page holds {MOST_CHARACTERS}; give a shorter one"
        )
    return typed


def check_title(title: str) -> str:
    """The title as it is, or a ValueError where nobody could read it."""
    from lmtutor.tokenizers.base import check_text

    if not isinstance(title, str) or not title.strip():
        raise ValueError(f"a title is {title!r}; give a string that can be read")
    return check_text(title)


def picture_table(heads: list[str], rows: Mapping[str, list[str]], caption: str) -> str:
    """A table for pages without scripts, and a sentence that says what it is."""
    table = html_table(heads, [(name, *cells) for name, cells in rows.items()])
    return f"<p>{html.escape(caption)}</p>{table}"


def _size(num_bytes: float) -> str:
    return f"{num_bytes / 1e6:.1f} MB" if num_bytes >= 1e5 else f"{num_bytes / 1e3:.0f} kB"


def _file_name(title: str, content: bytes) -> str:
    """From the title and the checksum, so that other content has another name."""
    plain = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60] or "model"
    return f"{plain}-{zlib.crc32(content):08x}"


def _registration(name: str, content: bytes) -> str:
    """The script with which a model comes to a page."""
    return f'LMModels.register("{name}", "{base64.b64encode(content).decode()}");'

"""What cells show besides plain text, the same on the site, in Jupyter and in Colab.

In a script or a plain Python prompt the same things are printed.
"""

import html
import inspect
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

RECORD = "lmtutor"
"""The key in an output's metadata under which results travel to the pages that gather them."""

_GREEN, _AMBER = "#2e8b57", "#b8860b"


def show(
    text: str, rich: dict[str, str] | None = None, record: dict[str, Any] | None = None
) -> None:
    """Show `text`, or in a notebook its `rich` form (MIME type to content), with a record that
    is not seen.
    """
    if not _in_notebook():
        print(text)
        return
    from IPython.display import display

    metadata = {RECORD: record} if record else {}
    display({"text/plain": text, **(rich or {})}, metadata=metadata, raw=True)


def show_verdict(
    verdict: str,
    sentence: str,
    evidence: str,
    good: bool,
    record: dict[str, Any] | None = None,
) -> None:
    """A line with a coloured bar in front: green for what holds or passed, amber for what does
    not yet.
    """
    colour, sign = (_GREEN, "✓") if good else (_AMBER, "…")
    style = f"border-left:.3em solid {colour};padding:.2em .8em;margin:.3em 0"
    box = (
        f'<div class="lmtutor-verdict" style="{style}"><strong style="color:{colour}">{sign}'
        f"</strong> <strong>{html.escape(verdict)}</strong> {html.escape(sentence)} "
        f'<code style="white-space:pre-wrap">{html.escape(evidence)}</code></div>'
    )
    show(f"{verdict}: {sentence} [{evidence}]", {"text/html": box}, record)


def html_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose rows are named by their first cell."""
    head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in heads)
    body = "".join(
        f'<tr><th scope="row">{html.escape(name)}</th>'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
        + "</tr>"
        for name, *cells in rows
    )
    return (
        '<div class="lmtutor-wide"><table class="dataframe lmtutor-table">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def show_source(obj: Any) -> None:
    """Show the source of a function or class of the package: the very code that is tested.

    Args:
        obj: a function, a method, a property or a class.

    Raises:
        ValueError: `obj` has no Python source (it is built in, say, or typed at a prompt).
    """
    try:
        target = inspect.unwrap(obj.fget if isinstance(obj, property) and obj.fget else obj)
        lines, first = inspect.getsourcelines(target)
        path = Path(inspect.getsourcefile(target) or "")
    except (TypeError, OSError, AttributeError) as error:
        raise ValueError(
            f"{obj!r} has no source to show ({error}); give a function or class of lmtutor"
        ) from error
    source = textwrap.dedent("".join(lines)).rstrip()
    root = Path(__file__).parents[1]
    place = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
    fence = "`" * max(
        3, 1 + max((len(run) for run in source.split() if set(run) == {"`"}), default=0)
    )
    show(
        f"# {place}, line {first}\n{source}",
        {"text/markdown": f"*{place}, line {first}*\n\n{fence}python\n{source}\n{fence}"},
    )


def _in_notebook() -> bool:
    """Whether a kernel listens, and not a terminal."""
    import sys

    if "IPython" not in sys.modules:
        return False
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    return shell is not None and hasattr(shell, "kernel")

"""Byte-pair encoding step by step, on a text of the reader's.

Left out: other texts, cut with the merges of this one.
"""

import html
from typing import Any

from lmtutor.display import html_table
from lmtutor.widgets.live.base import LiveExplorer, int_slider, wide
from lmtutor.widgets.live.merge_states import LONGEST, Merges, MergeState, seen

_ROWS = 8
_TINTS = ("#0072b233", "#d55e0033")  # of the book's first two hues
_LIST = "list-style:none;padding:0;margin:.6em 0;display:flex;flex-wrap:wrap;gap:.3em .2em"
_PIECE = "margin:0;padding:.1em .35em;font-family:monospace;overflow-wrap:anywhere"


class MergeExplorer(LiveExplorer):
    """Steps through the byte-pair merges of a text: the pair that is joined next and how often
    it occurs, the text in its present tokens, and how long they are.

    Args:
        text: to learn the merges from; up to 1,000 characters. The reader can change it.
        num_merges: after how many to begin. None: 8, or fewer where the text has no more.

    Raises:
        ValueError: the text has nothing to see in it, is too long or has a lone surrogate, or
            it has not so many merges.

    >>> explorer = MergeExplorer("low lower lowest", num_merges=1)
    >>> explorer.state.tokens[:4]
    (b'lo', b'w', b' ', b'lo')
    >>> explorer.state.next_pair, explorer.state.next_count
    ((b'lo', b'w'), 3)
    """

    def __init__(self, text: str, num_merges: int | None = None):
        self._merges = Merges(text)
        self._fault = ""
        start = min(_ROWS, len(self._merges.pairs)) if num_merges is None else num_merges
        self.state = self._merges.state(start)
        """What is shown."""

    def picture(self) -> str:
        """See `LiveExplorer.picture`."""
        if self._fault:
            raise ValueError(self._fault)
        return f"<p>{self._headline()}</p>{_list_pieces(self.state)}{self._table()}"

    def summary(self) -> str:
        """See `LiveExplorer.summary`."""
        state = self.state
        pieces = " | ".join(map(seen, state.tokens))
        return f"{_counted(state)}: {pieces}"

    def _headline(self) -> str:
        state = self.state
        first = f"<strong>{_counted(state)}</strong>, {state.bytes_per_token:.2f} bytes each."
        if state.next_pair is None:
            return f"{first} No pair is left: each chunk of the text is one token."
        left, right = (f"<code>{html.escape(seen(piece))}</code>" for piece in state.next_pair)
        return (
            f"{first} The next merge joins {left} and {right} (underlined), which stand side "
            f"by side {_times(state.next_count)}."
        )

    def _table(self) -> str:
        """The last merges up to the present one."""
        last = self.state.num_merges
        if not last:
            return "<p>Nothing is joined yet: each byte is a token.</p>"
        rows = []
        for number in range(max(0, last - _ROWS), last):
            before, after = self._merges.state(number), self._merges.state(number + 1)
            assert before.next_pair is not None
            pair = " + ".join(map(seen, before.next_pair))
            counts = (str(before.next_count), str(len(after.tokens)))
            rows.append([str(number + 1), pair, *counts, f"{after.bytes_per_token:.2f}"])
        heads = ["merge", "joins", "seen", "tokens then", "bytes each"]
        return (
            f"{html_table(heads, rows)}<p>Each merge joins the pair that is seen most often "
            "within the chunks of the text; of several such pairs, the one of the lowest ids. "
            "␣ is a space.</p>"
        )

    def _controls(self) -> list[Any]:
        from ipywidgets import Button, HBox, Textarea

        text = Textarea(value=self._merges.text, description="text", rows=3)
        text.tooltip = f"the text to learn from, up to {LONGEST:,} characters"
        tooltip = "how many pairs have been joined"
        last = len(self._merges.pairs)
        slider = int_slider("merges", tooltip, last, self.state.num_merges)
        self.text_area, self.slider = wide(text), slider
        self.buttons = {
            name: Button(description=name, tooltip=tooltip, layout={"width": "5.5em"})
            for name, tooltip in {
                "first": "back to single bytes",
                "back": "take the last merge back",
                "forward": "join the next pair",
                "last": "join until no pair is left",
            }.items()
        }
        for name, button in self.buttons.items():
            button.on_click(lambda _, name=name: self._go(name))
        slider.observe(self._follow_slider, "value")
        text.observe(self._follow_text, "value")
        row = HBox(list(self.buttons.values()), layout={"flex_flow": "row wrap"})
        return [self.text_area, slider, row]

    def _go(self, where: str) -> None:
        here, last = self.slider.value, len(self._merges.pairs)
        targets = {"first": 0, "back": here - 1, "forward": here + 1, "last": last}
        self.slider.value = min(max(0, targets[where]), last)

    def _follow_slider(self, *_: object) -> None:
        if not self._fault:
            self.state = self._merges.state(min(self.slider.value, len(self._merges.pairs)))
        self._refresh()

    def _follow_text(self, *_: object) -> None:
        try:
            self._merges, self._fault = Merges(self.text_area.value), ""
        except ValueError as error:
            self._fault = str(error)
        last = len(self._merges.pairs)
        self.slider.max, self.slider.disabled = max(1, last), bool(self._fault) or last < 1
        self._follow_slider()


def _list_pieces(state: MergeState) -> str:
    """The tokens of the text as a list, those that are joined next underlined."""
    items: list[str] = []
    for chunk in state.chunks:
        joined = False
        for number, piece in enumerate(chunk):
            second = joined
            joined = not second and chunk[number : number + 2] == state.next_pair
            mark = ";text-decoration:underline;font-weight:bold" if joined or second else ""
            style = f"{_PIECE};background:{_TINTS[len(items) % 2]}{mark}"
            items.append(f'<li style="{style}">{html.escape(seen(piece))}</li>')
    return f'<ul aria-label="the tokens of the text" style="{_LIST}">{"".join(items)}</ul>'


def _counted(state: MergeState) -> str:
    merges = "1 merge" if state.num_merges == 1 else f"{state.num_merges} merges"
    tokens, size = len(state.tokens), len(b"".join(state.tokens))
    return f"After {merges}, {tokens} token{'s' * (tokens > 1)} for {size} bytes"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"

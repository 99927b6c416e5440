"""Trainings of small language models, watched while they run, side by side.

The training runs in a thread of its own, so that the stop button is heard; what is seen changes
in the kernel's main thread alone. Left out: validation data. The loss is that of the training
text, which says how fast a model learns and not how good it is.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from lmtutor.widgets.live.base import LiveExplorer, inline_svg, int_slider, message, wide
from lmtutor.widgets.live.loss_chart import plot_runs, table_of_runs
from lmtutor.widgets.live.settings import KINDS, RANGES, TrainingRun, TrainingSettings

if TYPE_CHECKING:
    from lmtutor.models import NeuralLanguageModel
    from lmtutor.tokenizers import Tokenizer

_SLIDERS: dict[str, tuple[str, tuple[float, ...]]] = {
    "hidden_size": ("how wide the model is", (16, 32, 48, 64, 96, 128)),
    "learning_rate": ("the largest of the training", (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)),
    "num_steps": ("of the training", (50, 100, 200, 400, 800)),
}
_MOST_RUNS = 6


class TrainingExplorer(LiveExplorer):
    """Trains a small RNN, LSTM or GPT while the reader looks on: sliders for its size and its
    training, the number of parameters before it starts, and the loss as it falls. The last six
    runs stay on the chart.

    Args:
        documents: the text to train on; 64 tokens in all or more.
        tokenizer: a fitted one of `lmtutor.tokenizers`.
        settings: what to begin with. The reader can change all but the seed.

    Raises:
        ValueError: there is no document or too little text.

    >>> from lmtutor.tokenizers import CharacterTokenizer
    >>> text = ["in the beginning was the word"] * 9
    >>> small = TrainingSettings(kind="RNN", hidden_size=16, num_steps=20)
    >>> explorer = TrainingExplorer(text, CharacterTokenizer().fit(text), small)
    >>> run = explorer.train()
    >>> run.ended, len(run.losses), run.losses[-1] < run.losses[0]
    ('finished', 20, True)
    """

    def __init__(
        self,
        documents: Sequence[str],
        tokenizer: "Tokenizer",
        settings: TrainingSettings | None = None,
    ):
        from lmtutor.widgets.live.runs import TrainingText

        self.settings = settings or TrainingSettings()
        """Of the next run."""
        self.runs: list[TrainingRun] = []
        self.model: NeuralLanguageModel | None = None
        """That of the last run."""
        self._text = TrainingText(documents, tokenizer)
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    @classmethod
    def on_corpus(
        cls,
        name: str = "kjv",
        num_documents: int = 1000,
        settings: TrainingSettings | None = None,
    ) -> Self:
        """On the characters of the first documents of a corpus.

        Raises:
            ValueError: there is no such corpus, or num_documents is below 1.
        """
        from lmtutor.data import load_corpus
        from lmtutor.tokenizers import CharacterTokenizer

        if num_documents < 1:
            raise ValueError(f"num_documents is {num_documents}; the smallest is 1")
        documents = load_corpus(name).train[:num_documents]
        return cls(documents, CharacterTokenizer().fit(documents), settings)

    @property
    def num_parameters(self) -> int:
        """Of the model that the present settings ask for."""
        from lmtutor.widgets.live.runs import count_parameters

        return count_parameters(self.settings, self._text)

    @property
    def running(self) -> bool:
        """Whether a training is under way."""
        return bool(self.runs) and not self.runs[-1].ended

    def train(self) -> TrainingRun:
        """Train with the present settings, and come back when it is over.

        Raises:
            ValueError: a training is under way.
        """
        self._begin()
        self._carry_out(_at_once)
        return self.runs[-1]

    def start(self) -> None:
        """Train in the background. Draw no random numbers of torch meanwhile: at the end
        `fit_model` puts its generator back to where it was.

        Raises:
            ValueError: a training is under way.
        """
        self._begin()
        here = _in_this_thread()
        self._thread = threading.Thread(target=self._carry_out, args=(here,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the training before its next step; the model keeps what it has learnt."""
        self._stopping.set()

    def wait(self) -> None:
        """Come back when the training in the background is over."""
        if self._thread is not None:
            self._thread.join()
        self._follow_run()

    def picture(self) -> str:
        """See `LiveExplorer.picture`."""
        uniform, unigram = self._text.uniform_loss, self._text.unigram_loss
        lines = (
            f"A model that knows nothing has a loss of log V = {uniform:.2f} nats per token "
            f"(uniform), and one that knows how frequent each token is and no more has "
            f"{unigram:.2f} (unigram)."
        )
        drawn = [run for run in self.runs if run.losses]
        if not drawn:
            return f"<p>Nothing is trained yet. {lines}</p>"
        chart = inline_svg(plot_runs(drawn, uniform, unigram), f"{self.summary()} {lines}")
        return (
            f"{chart}{table_of_runs(self.runs)}<p>{lines} What comes below that is learnt from "
            "the tokens before. A point of a curve is the mean of a few steps.</p>"
        )

    def summary(self) -> str:
        """See `LiveExplorer.summary`."""
        if not self.runs:
            return f"{self.settings.name}, {self.num_parameters:,} parameters: not trained yet."
        return " ".join(
            f"Run {run.number}: {run.settings.name}, {run.num_parameters:,} parameters, loss "
            f"{run.last_loss:.2f} after {len(run.losses):,} steps."
            for run in self.runs
        )

    # --- the training

    def _prepare(self) -> None:
        if not self.runs:
            self.train()

    def _begin(self) -> None:
        """A new run with a new model."""
        from lmtutor.widgets.live.runs import new_model

        if self.running:
            raise ValueError(
                f"run {self.runs[-1].number} has taken {len(self.runs[-1].losses)} of "
                f"{self.runs[-1].settings.num_steps} steps; stop() it or wait() for it"
            )
        self._stopping.clear()
        self.model = new_model(self.settings, self._text)
        number = self.runs[-1].number + 1 if self.runs else 1
        run = TrainingRun(number, self.settings, self.model.num_parameters)
        self.runs = [*self.runs[1 - _MOST_RUNS :], run]
        self._follow_run()

    def _carry_out(self, here: Callable[[Callable[[], None]], object]) -> None:
        """The whole of a run, in whatever thread this is; `here` has something done in that of
        the controls.
        """
        from lmtutor.widgets.live.runs import carry_out

        assert self.model is not None
        news = partial(here, self._follow_run)
        carry_out(self.runs[-1], self.model, self._text, self._stopping, news)

    # --- the controls

    def _controls(self) -> list[Any]:
        from ipywidgets import HTML, Button, HBox, IntProgress, ToggleButtons

        self.kind_buttons = ToggleButtons(options=KINDS, value=self.settings.kind)
        self.kind_buttons.description, self.kind_buttons.tooltip = "model", "what to train"
        self.kind_buttons.tooltips = [f"train a {kind}" for kind in KINDS]
        self.sliders = {name: self._slider(name) for name in _SLIDERS}
        first, last = RANGES["num_layers"]
        layers = self.settings.num_layers
        self.sliders["num_layers"] = int_slider("layers", "of the model", last, layers, first)
        self.size = HTML()
        self.train_button = Button(description="train", tooltip="train a new model")
        self.stop_button = Button(description="stop", tooltip="end the training that runs")
        self.progress = wide(IntProgress(description="steps", tooltip="steps taken"))
        for control in (self.kind_buttons, *self.sliders.values()):
            control.observe(self._follow_choice, "value")
        self.train_button.on_click(lambda _: self.start())
        self.stop_button.on_click(lambda _: self.stop())
        self._follow_choice()
        buttons = HBox([self.train_button, self.stop_button])
        rows = [self.kind_buttons, *self.sliders.values(), self.size, buttons]
        return [*rows, self.progress]

    def _slider(self, name: str) -> Any:
        """A slider over the usual values and the one there is."""
        from ipywidgets import SelectionSlider

        tooltip, usual = _SLIDERS[name]
        value = getattr(self.settings, name)
        options = [(f"{number:g}", number) for number in sorted({*usual, value})]
        slider = SelectionSlider(options=options, value=value, tooltip=tooltip)
        slider.description = name.removeprefix("num_").replace("_", " ")
        slider.continuous_update = True
        return wide(slider)

    def _follow_choice(self, *_: object) -> None:
        """Take over the settings and say how large the model is, or why there is none."""
        values = {name: slider.value for name, slider in self.sliders.items()}
        try:
            self.settings = replace(self.settings, kind=self.kind_buttons.value, **values)
            self.size.value = f"<p>{self.num_parameters:,} parameters</p>"
            self._refused = False
        except ValueError as error:
            self.size.value, self._refused = message(str(error)), True
        self._set_buttons()

    def _set_buttons(self) -> None:
        self.train_button.disabled = self.running or self._refused
        self.stop_button.disabled = not self.running

    def _follow_run(self) -> None:
        """Show how far the training is."""
        if "widget" in self.__dict__:  # else nobody has looked at it yet
            run = self.runs[-1]
            self.progress.max, self.progress.value = run.settings.num_steps, len(run.losses)
            self._set_buttons()
            self._refresh()


def _at_once(act: Callable[[], None]) -> None:
    act()


def _in_this_thread() -> Callable[[Callable[[], None]], object]:
    """How another thread has something done here: a kernel does it between two clicks. Where
    there is no kernel, the other thread does it itself.
    """
    try:
        return asyncio.get_running_loop().call_soon_threadsafe
    except RuntimeError:
        return _at_once

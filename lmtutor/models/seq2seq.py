"""Encoder and decoder: one recurrent network reads a source, another writes a target.

Sources: Sutskever et al. 2014, "Sequence to Sequence Learning with Neural Networks"; Cho et al.
2014, "Learning Phrase Representations using RNN Encoder-Decoder" (a summary that the decoder
sees at every step); Bahdanau et al. 2015 and Luong et al. 2015 for the two kinds of attention.
Left out: layers on top of one another, maxout, and input feeding.

Letters in the shapes: B batch, S positions of the source, T of the target, E size of a token's
vector, H hidden size, V vocabulary of the target.
"""

import operator
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from lmtutor.layers.alignment import AdditiveAttention, MultiplicativeAttention
from lmtutor.layers.recurrent import GRUCell
from lmtutor.models.language_model import (
    Reader,
    check_ids,
    check_marks,
    check_rows,
    next_ids,
)
from lmtutor.models.neural import normalized
from lmtutor.models.neural_ngram import check_share
from lmtutor.models.stored import StoredModel


class PairBatch(Protocol):
    """What `loss` reads; see `lmtutor.data.PairBatch`."""

    @property
    def sources(self) -> Tensor:
        """(B, S) ids, end marks included."""

    @property
    def source_lengths(self) -> Tensor:
        """(B,) how many of them are there."""

    @property
    def inputs(self) -> Tensor:
        """(B, T) ids."""

    @property
    def targets(self) -> Tensor:
        """(B, T) the ids that follow them; -100 where there is nothing to predict."""


@dataclass(frozen=True)
class Seq2SeqConfig:
    """The sizes of an encoder and a decoder."""

    vocab_size: int
    source_vocab_size: int
    embedding_size: int = 128
    hidden_size: int = 256
    """Of the decoder; each direction of the encoder has half of it."""
    attention: str | None = "additive"
    """"additive", "multiplicative", or None for a decoder that sees one summary."""
    dropout: float = 0.0
    """The share of numbers left out at random while training: of the token vectors and before
    the output."""
    shared: bool = False
    """Whether source, target and output have one matrix; they then have one vocabulary."""
    max_source_length: int = 512
    """In tokens, the end mark not counted."""
    bos_id: int = 0
    eos_id: int = 1

    def __post_init__(self) -> None:
        sizes = (self.embedding_size, self.hidden_size, self.max_source_length)
        if min(sizes) < 1 or self.hidden_size % 2:
            raise ValueError(
                "embedding_size, hidden_size and max_source_length must be at least 1, and "
                "hidden_size even, for its halves read in two directions; they are "
                f"{sizes[0]}, {sizes[1]} and {sizes[2]}"
            )
        if self.attention not in DECODERS:
            raise ValueError(
                f"there is no attention {self.attention!r}; there are "
                f"{', '.join(map(repr, DECODERS))}"
            )
        if self.shared and self.vocab_size != self.source_vocab_size:
            raise ValueError(
                f"vocab_size is {self.vocab_size} and source_vocab_size "
                f"{self.source_vocab_size}; a shared matrix needs one vocabulary for both"
            )
        check_share(self.dropout)


@dataclass(frozen=True)
class Memory:
    """What an encoder has kept of a batch of sources."""

    states: Tensor
    """(B, S, H), one for each position: what was read up to there from both sides."""
    mask: Tensor
    """(B, S), False at padding."""
    summary: Tensor
    """(B, H), the last states of both directions: one vector for the whole."""
    keys: Tensor
    """(B, S, A), what the attention needs of the states."""

    def select(self, rows: Tensor) -> "Memory":
        """These rows, in this order."""
        return Memory(*(part[rows] for part in vars(self).values()))


class Encoder(nn.Module):
    """A GRU that reads from both ends, so that each state knows what stands on either side."""

    def __init__(self, embedding_size: int, hidden_size: int):
        super().__init__()
        self.gru = nn.GRU(
            embedding_size, hidden_size // 2, batch_first=True, bidirectional=True
        )

    def forward(self, vectors: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, S, E) and (B,) lengths -> (B, S, H) states and (B, H) summary; padding has no
        part in either.
        """
        packed = pack_padded_sequence(vectors, lengths.cpu(), True, enforce_sorted=False)
        states, last = self.gru(packed)
        states, _ = pad_packed_sequence(states, True, total_length=vectors.shape[1])
        return states, last.transpose(0, 1).flatten(1)  # (2, B, H / 2) -> (B, H)


class Decoder(nn.Module):
    """A GRU that writes, and what it looks at while it does."""

    def __init__(self, embedding_size: int, hidden_size: int, input_size: int):
        super().__init__()
        self.cell = GRUCell(input_size, hidden_size)
        self.start = nn.Linear(hidden_size, hidden_size)
        self.readout = nn.Linear(embedding_size + 2 * hidden_size, embedding_size)

    @abstractmethod
    def run(self, vectors: Tensor, memory: Memory, state: Tensor) -> tuple[Tensor, ...]:
        """(B, T, E) vectors of the tokens written, and the state before them (B, H) -> states
        and contexts, both (B, T, H), and (B, T, S) weights, zeros where there is no attention.
        """

    def keys(self, states: Tensor) -> Tensor:
        """(B, S, H) -> (B, S, A): what the attention can compute once for each source."""
        return states[..., :0]

    def first_state(self, memory: Memory) -> Tensor:
        """(B, H)"""
        state: Tensor = self.start(memory.summary).tanh()
        return state

    def forward(
        self, vectors: Tensor, memory: Memory, state: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Go on writing: (B, T, E) vectors of the tokens written -> (B, T, E) features of the
        tokens to come, (B, T, S) weights, and the last state (B, H).
        """
        states, contexts, weights = self.run(vectors, memory, state)
        features = self.readout(torch.cat([vectors, states, contexts], dim=-1)).tanh()
        return features, weights, states[:, -1]


class SummaryDecoder(Decoder):
    """Sees one vector of the source, at every step the same."""

    def __init__(self, embedding_size: int, hidden_size: int):
        super().__init__(embedding_size, hidden_size, embedding_size + hidden_size)

    def run(self, vectors: Tensor, memory: Memory, state: Tensor) -> tuple[Tensor, ...]:
        """Nothing depends on what was seen, so that the cell's own loop will do."""
        contexts = memory.summary[:, None].expand(-1, vectors.shape[1], -1)
        states, _ = self.cell(torch.cat([vectors, contexts], dim=-1), (state,))
        return (
            states,
            contexts,
            memory.mask.new_zeros(
                *vectors.shape[:2], memory.mask.shape[1], dtype=vectors.dtype
            ),
        )


class AdditiveDecoder(Decoder):
    """Looks back *before* each step: what it sees is part of the step's input (Bahdanau et al.
    2015).
    """

    def __init__(self, embedding_size: int, hidden_size: int):
        super().__init__(embedding_size, hidden_size, embedding_size + hidden_size)
        self.attention = AdditiveAttention(hidden_size, hidden_size, hidden_size // 2)

    def keys(self, states: Tensor) -> Tensor:
        """(B, S, H) -> (B, S, H / 2)"""
        return self.attention.keys(states)

    def run(self, vectors: Tensor, memory: Memory, state: Tensor) -> tuple[Tensor, ...]:
        """Each step waits for the one before it."""
        cell, size = self.cell, vectors.shape[-1]
        of_token, of_context = cell.weight_input.mT.split([size, cell.input_size - size])
        projected = vectors @ of_token + cell.bias  # (B, T, 3 * H), for all steps at once
        steps = []
        for now in projected.unbind(dim=1):
            context, weights = self.attention.look(
                state[:, None], memory.states, memory.keys, memory.mask
            )
            (state,) = cell.step(now + context[:, 0] @ of_context, (state,))
            steps.append((state, context[:, 0], weights[:, 0]))
        states, contexts, weights = (
            torch.stack(part, dim=1) for part in zip(*steps, strict=True)
        )
        return states, contexts, weights


class MultiplicativeDecoder(Decoder):
    """Looks back *after* each step: what it sees helps to choose the token (Luong et al.
    2015).
    """

    def __init__(self, embedding_size: int, hidden_size: int):
        super().__init__(embedding_size, hidden_size, embedding_size)
        self.attention = MultiplicativeAttention(hidden_size, hidden_size)

    def keys(self, states: Tensor) -> Tensor:
        """(B, S, H) -> (B, S, H)"""
        return self.attention.keys(states)

    def run(self, vectors: Tensor, memory: Memory, state: Tensor) -> tuple[Tensor, ...]:
        """The steps need not wait for what is seen, so that all look back at once."""
        states, _ = self.cell(vectors, (state,))
        contexts, weights = self.attention.look(states, memory.states, memory.keys, memory.mask)
        return states, contexts, weights


DECODERS: dict[str | None, Callable[[int, int], Decoder]] = {
    "additive": AdditiveDecoder,
    "multiplicative": MultiplicativeDecoder,
    None: SummaryDecoder,
}


class Seq2Seq(StoredModel):
    """P(target | source): a language model of the target that has read the source.

    >>> model = Seq2Seq(vocab_size=9, source_vocab_size=7, embedding_size=4, hidden_size=6)
    >>> model.start_reading([[2, 3], [4]]).read(torch.tensor([[0], [0]])).shape
    torch.Size([2, 9])
    """

    config_class = Seq2SeqConfig
    config: Seq2SeqConfig

    def __init__(
        self, config: Seq2SeqConfig | None = None, **settings: int | float | bool | str | None
    ):
        super().__init__(config, **settings)
        sizes = self.config
        check_marks(sizes.vocab_size, sizes.bos_id, sizes.eos_id)
        check_marks(sizes.source_vocab_size, sizes.bos_id, sizes.eos_id)
        self.vocab_size, self.bos_id, self.eos_id = sizes.vocab_size, sizes.bos_id, sizes.eos_id
        self.max_source_length = sizes.max_source_length
        self.embedding = nn.Embedding(sizes.vocab_size, sizes.embedding_size)
        self.source_embedding = (
            self.embedding
            if sizes.shared
            else nn.Embedding(sizes.source_vocab_size, sizes.embedding_size)
        )
        self.encoder = Encoder(sizes.embedding_size, sizes.hidden_size)
        self.decoder: Decoder = DECODERS[sizes.attention](
            sizes.embedding_size, sizes.hidden_size
        )
        self.output = nn.Linear(sizes.embedding_size, sizes.vocab_size)
        if sizes.shared:
            self.output.weight = self.embedding.weight
        self.dropout = nn.Dropout(sizes.dropout)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        nn.init.uniform_(self.source_embedding.weight, -0.1, 0.1)
        nn.init.zeros_(self.output.bias)

    def encode(self, sources: Tensor, lengths: Tensor) -> Memory:
        """Read the sources.

        Args:
            sources: (B, S) ids, each row closed by the end mark, then padded with any id.
            lengths: (B,) how many of them are there, end mark included.

        Raises:
            ValueError: an id is outside the vocabulary, a source is empty or longer than
                `max_source_length`, or the lengths do not fit.
        """
        check_ids(sources, self.config.source_vocab_size)
        longest = self.config.max_source_length
        lengths = torch.as_tensor(lengths)
        if (
            not len(sources)
            or lengths.shape != sources.shape[:1]
            or lengths.is_floating_point()
            or not 1 <= int(lengths.min()) <= int(lengths.max()) <= sources.shape[1]
        ):
            raise ValueError(
                f"sources have shape {tuple(sources.shape)} and lengths {lengths.tolist()}; "
                "give one length for each row, a whole number from 1 to the size of the row"
            )
        lengths = lengths.long()
        for row, length in enumerate((lengths - 1).tolist()):
            if not 1 <= length <= longest:
                raise ValueError(
                    f"source {row} has {length} tokens; this model takes from 1 to {longest}: "
                    "drop it, cut it, or make a model with a larger max_source_length"
                )
        device = self.embedding.weight.device
        vectors = self.dropout(self.source_embedding(sources.long().to(device)))
        states, summary = self.encoder(vectors, lengths)
        mask = torch.arange(sources.shape[1], device=device) < lengths.to(device)[:, None]
        return Memory(states, mask, summary, self.decoder.keys(states))

    def forward(self, sources: Tensor, lengths: Tensor, inputs: Tensor) -> Tensor:
        """(B, S) and (B,) as in `encode`, and (B, T) ids of the target, the begin mark first ->
        (B, T, V) logits, row t for the token after position t.
        """
        return self.output(self.dropout(self._decode(sources, lengths, inputs)[0]))  # type: ignore[no-any-return]

    def alignments(self, sources: Tensor, lengths: Tensor, inputs: Tensor) -> Tensor:
        """How much each step of the target looks at each position of the source: (B, T, S).

        Raises:
            ValueError: this model has no attention, or as `encode`.
        """
        if self.config.attention is None:
            raise ValueError("this model was made with attention=None; it does not look back")
        return self._decode(sources, lengths, inputs)[1]

    def _decode(self, sources: Tensor, lengths: Tensor, inputs: Tensor) -> tuple[Tensor, ...]:
        check_ids(inputs, self.vocab_size)
        if len(inputs) != len(sources) or not inputs.shape[1]:
            raise ValueError(
                f"there are {len(sources)} sources, and inputs have shape "
                f"{tuple(inputs.shape)}; give one row for each source, the begin mark first"
            )
        memory = self.encode(sources, lengths)
        vectors = self.dropout(self.embedding(inputs.long().to(memory.states.device)))
        features: tuple[Tensor, ...] = self.decoder(
            vectors, memory, self.decoder.first_state(memory)
        )
        return features

    def loss(self, batch: PairBatch) -> Tensor:
        """The sum of -log P(target) over the targets of a batch, in nats; a scalar.

        Raises:
            ValueError: the batch does not fit the model; see `encode`.
        """
        logits = self(batch.sources, batch.source_lengths, batch.inputs)  # (B, T, V)
        if batch.targets.shape != batch.inputs.shape:
            raise ValueError(
                f"inputs have shape {tuple(batch.inputs.shape)} and targets "
                f"{tuple(batch.targets.shape)}; each input has one target, -100 for none"
            )
        check_ids(batch.targets.where(batch.targets != -100, 0), self.vocab_size)
        targets = batch.targets.long().flatten().to(logits.device)
        return F.cross_entropy(logits.flatten(0, 1), targets, reduction="sum")

    def start_reading(self, sources: Sequence[Sequence[int]]) -> Reader:
        """Encode some sources, and be ready to go on from the begin mark of each target.

        Args:
            sources: ids without marks.

        Raises:
            ValueError: there are none, or as `encode`.
        """
        try:
            rows = [[*map(operator.index, source), self.eos_id] for source in sources]
        except TypeError as error:
            raise ValueError(f"each source must be a list of ids ({error})") from error
        if not rows:
            raise ValueError("there is no source; give one at least")
        lengths = torch.tensor([len(row) for row in rows])
        padded = torch.full((len(rows), int(lengths.max())), self.eos_id)
        for number, row in enumerate(rows):
            padded[number, : len(row)] = torch.tensor(row)
        memory = self.encode(padded, lengths)
        return _Seq2SeqReader(self, memory)


class _Seq2SeqReader(Reader):
    """Keeps the memory of the sources and the state of the decoder."""

    def __init__(self, model: Seq2Seq, memory: Memory):
        self.model, self.memory = model, memory
        self.state = model.decoder.first_state(memory)

    def read(self, ids: Tensor, lengths: Sequence[int] | None = None) -> Tensor:
        """(R, T) -> (R, V)"""
        new = next_ids(ids, lengths, len(self.state), self.model.vocab_size)
        sizes = torch.tensor([len(row) for row in new], device=self.state.device)
        ids = ids.long().to(self.state.device)
        if int(sizes.min()) == ids.shape[1]:
            log_probs, self.state = self._read_on(ids, self.state)
            return log_probs
        log_probs, state = self._read_on(ids[:, :1], self.state)
        for place in range(1, ids.shape[1]):  # a row that is done stays as it was
            step, after = self._read_on(ids[:, place : place + 1], state)
            reads = (place < sizes)[:, None]
            log_probs, state = step.where(reads, log_probs), after.where(reads, state)
        self.state = state
        return log_probs

    def _read_on(self, ids: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """(R, T) -> (R, V), and the state after the last"""
        model = self.model
        vectors = model.dropout(model.embedding(ids))
        features, _, state = model.decoder(vectors, self.memory, state)
        logits: Tensor = model.output(model.dropout(features[:, -1]))
        return normalized(logits), state

    def select(self, rows: Tensor) -> None:
        """Keep these rows, of the sources as of the targets."""
        check_rows(rows, len(self.state))
        rows = rows.long().to(self.state.device)  # bytes would be taken for a mask
        if torch.equal(rows, torch.arange(len(self.state), device=rows.device)):
            return  # all stay where they are, and nothing need be copied
        self.memory, self.state = self.memory.select(rows), self.state[rows]

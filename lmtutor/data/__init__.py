"""Text to learn from: real corpora, tasks, and sources whose entropy is known."""

from lmtutor.data.batches import (
    IGNORED,
    Batch,
    BatchBase,
    Batches,
    ContiguousStreams,
    DocumentRuns,
    RandomWindows,
    WholeDocuments,
)
from lmtutor.data.corpora import (
    Corpus,
    CorpusInfo,
    available_corpora,
    documents_before,
    load_corpus,
)
from lmtutor.data.gpt2 import load_gpt2_merges
from lmtutor.data.labelled_batches import LabelledBatch, LabelledBatches, check_tokenizer
from lmtutor.data.masking import (
    EncoderBatch,
    MaskedBatch,
    MaskedPairs,
    encoder_batch,
    mask_tokens,
    next_sentence_pairs,
)
from lmtutor.data.objectives import (
    Question,
    causal,
    denoising,
    fill_spans,
    masked,
    replaced_tokens,
    span_corruption,
)
from lmtutor.data.prompted_answers import PromptedAnswers
from lmtutor.data.recall import Recall
from lmtutor.data.sentence_pairs import PairBatch, SentencePairs
from lmtutor.data.sources import SourceInfo, current_profile
from lmtutor.data.synthetic import BracketSource, HiddenMarkovSource, MarkovSource
from lmtutor.data.tasks import TaskInfo, align, available_tasks, load_task
from lmtutor.data.token_file import TokenFile, join_documents
from lmtutor.data.word_lists import load_analogies, load_word_pairs

__all__ = [
    "IGNORED",
    "Batch",
    "BatchBase",
    "Batches",
    "BracketSource",
    "ContiguousStreams",
    "Corpus",
    "CorpusInfo",
    "DocumentRuns",
    "EncoderBatch",
    "HiddenMarkovSource",
    "LabelledBatch",
    "LabelledBatches",
    "MarkovSource",
    "MaskedBatch",
    "MaskedPairs",
    "PairBatch",
    "PromptedAnswers",
    "Question",
    "RandomWindows",
    "Recall",
    "SentencePairs",
    "SourceInfo",
    "TaskInfo",
    "TokenFile",
    "WholeDocuments",
    "align",
    "available_corpora",
    "available_tasks",
    "causal",
    "check_tokenizer",
    "current_profile",
    "denoising",
    "documents_before",
    "encoder_batch",
    "fill_spans",
    "join_documents",
    "load_analogies",
    "load_corpus",
    "load_gpt2_merges",
    "load_task",
    "load_word_pairs",
    "mask_tokens",
    "masked",
    "next_sentence_pairs",
    "replaced_tokens",
    "span_corruption",
]

"""Language models, all behind one contract; word vectors, translators and classifiers."""

from lmtutor.models.bag_of_embeddings import FastTextClassifier, FastTextClassifierConfig
from lmtutor.models.bert import Bert, BertConfig, count_bert_parameters
from lmtutor.models.bert_heads import (
    BertForClassification,
    BertForClassificationConfig,
    BertForPreTraining,
)
from lmtutor.models.causal_transformer import CausalTransformer
from lmtutor.models.gpt import GPT, GPT2_SIZES, GPTConfig, count_gpt_parameters
from lmtutor.models.language_model import LanguageModel, Reader, UniformModel
from lmtutor.models.llama import (
    Llama,
    LlamaConfig,
    LlamaVariant,
    count_llama_parameters,
)
from lmtutor.models.modern_gpt import ModernGPT, ModernGPTConfig
from lmtutor.models.neural import NeuralLanguageModel
from lmtutor.models.neural_ngram import NeuralNgram, NeuralNgramConfig
from lmtutor.models.ngram import NgramModel, arpa_tokens, count_ngrams
from lmtutor.models.recurrent import (
    GRULanguageModel,
    LSTMLanguageModel,
    RecurrentConfig,
    RecurrentLanguageModel,
    RNNLanguageModel,
)
from lmtutor.models.recurrent_classifier import LSTMClassifier, LSTMClassifierConfig
from lmtutor.models.seq2seq import Seq2Seq, Seq2SeqConfig
from lmtutor.models.stored import StoredModel
from lmtutor.models.substitutions import WordSubstitutions
from lmtutor.models.text_classifier import TextClassifier
from lmtutor.models.text_cnn import TextCNN, TextCNNConfig
from lmtutor.models.word_vectors import FastText, GloVe, SkipGram, WordVectors, skip_gram_loss

__all__ = [
    "GPT",
    "GPT2_SIZES",
    "Bert",
    "BertConfig",
    "BertForClassification",
    "BertForClassificationConfig",
    "BertForPreTraining",
    "CausalTransformer",
    "FastText",
    "FastTextClassifier",
    "FastTextClassifierConfig",
    "GPTConfig",
    "GRULanguageModel",
    "GloVe",
    "LSTMClassifier",
    "LSTMClassifierConfig",
    "LSTMLanguageModel",
    "LanguageModel",
    "Llama",
    "LlamaConfig",
    "LlamaVariant",
    "ModernGPT",
    "ModernGPTConfig",
    "NeuralLanguageModel",
    "NeuralNgram",
    "NeuralNgramConfig",
    "NgramModel",
    "RNNLanguageModel",
    "Reader",
    "RecurrentConfig",
    "RecurrentLanguageModel",
    "Seq2Seq",
    "Seq2SeqConfig",
    "SkipGram",
    "StoredModel",
    "TextCNN",
    "TextCNNConfig",
    "TextClassifier",
    "UniformModel",
    "WordSubstitutions",
    "WordVectors",
    "arpa_tokens",
    "count_bert_parameters",
    "count_gpt_parameters",
    "count_llama_parameters",
    "count_ngrams",
    "skip_gram_loss",
]

"""Skip-gram against gensim on the King James text: speed, held-out loss, and neighbours."""

import re
from statistics import mean, median

import torch
from run import compare, optional
from torch.nn import functional as F

from lmtutor import set_threads
from lmtutor.data import load_corpus
from lmtutor.models import FastText, SkipGram

EPOCHS = 5
WORD = re.compile(r"[a-z]+(?:['-][a-z]+)*")


def main() -> None:
    """Print all comparisons."""
    set_threads(1)
    gensim = optional("gensim.models")
    corpus = load_corpus("kjv", source="package")
    train, validation = (
        [WORD.findall(verse.lower()) for verse in verses]
        for verses in (corpus.train, corpus.validation)
    )
    words = EPOCHS * sum(map(len, train))

    def theirs(seed: int = 1) -> object:
        return gensim.Word2Vec(
            train, vector_size=100, sg=1, sample=1e-3, epochs=EPOCHS, workers=1, seed=seed
        )

    roads = {"lmtutor": lambda: SkipGram(epochs=EPOCHS).fit(train)}
    if gensim is not None:
        roads["gensim, one worker"] = theirs
    compare(f"skip-gram, {EPOCHS} epochs, vectors of 100 numbers", "words", words, roads)
    roads = {"lmtutor": lambda: FastText(epochs=1).fit(train)}
    if gensim is not None:
        roads["gensim, one worker"] = lambda: gensim.FastText(
            train, vector_size=100, sg=1, epochs=1, workers=1, bucket=100_000
        )
    compare("fastText, one epoch", "words", words / EPOCHS, roads)
    if gensim is None:
        return

    ours = [SkipGram(epochs=EPOCHS, seed=seed).fit(train) for seed in (0, 1, 2)]
    of_gensim = [as_ours(theirs(seed), ours[0]) for seed in (1, 2, 3)]
    print("\nagreement, three seeds of both")
    for name, models in (("lmtutor", ours), ("gensim", of_gensim)):
        losses = [model.mean_loss(validation) for model in models]
        print(f"  {name:<34} {median(losses):8.3f} nats, held-out loss of a pair")
    rows = torch.arange(100, 2000)
    near, their_near = (
        [ten_nearest(model.vectors_, rows) for model in models] for models in (ours, of_gensim)
    )
    pairs = [(0, 1), (0, 2), (1, 2)]
    among_theirs = mean(overlap(their_near[a], their_near[b]) for a, b in pairs)
    among_ours = mean(overlap(near[a], near[b]) for a, b in pairs)
    between = mean(overlap(a, b) for a in near for b in their_near)
    print("  shared among the ten nearest of the words of ranks 101 to 2,000:")
    for name, value in (
        ("two seeds of gensim", among_theirs),
        ("two seeds of lmtutor", among_ours),
        ("lmtutor and gensim", between),
    ):
        print(f"    {name:<32} {value:8.3f}")
    print(f"  between the two, less than among gensim's: {among_theirs - between:.3f}")


def as_ours(model: object, like: SkipGram) -> SkipGram:
    """Gensim's vectors in a model of ours, with the rows in the order of `like`."""
    order = [model.wv.key_to_index[word] for word in like.words]
    same = SkipGram(like.size)
    same._set_words(like.words)
    same.vectors_, same.counts_ = torch.from_numpy(model.wv.vectors[order]), like.counts_
    same.contexts_ = torch.from_numpy(model.syn1neg[order])
    return same


def ten_nearest(vectors: torch.Tensor, rows: torch.Tensor) -> list[set[int]]:
    """The ten rows with the largest cosines to each of some rows, itself left out."""
    unit = F.normalize(vectors, dim=1)
    cosines = unit[rows] @ unit.T
    cosines[torch.arange(len(rows)), rows] = -2
    return [set(near) for near in cosines.topk(10).indices.tolist()]


def overlap(first: list[set[int]], second: list[set[int]]) -> float:
    """The share of the neighbours that two models have in common."""
    return mean(len(a & b) / 10 for a, b in zip(first, second, strict=True))

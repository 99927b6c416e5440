"""Kneser-Ney of order 5 on the King James text: counting and smoothing, memory, scoring."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from run import compare, optional

from lmtutor.data import load_corpus
from lmtutor.metrics import perplexity
from lmtutor.models import NgramModel
from lmtutor.tokenizers import WordTokenizer

ORDER = 5
ALONE = """
from lmtutor.data import load_corpus
from lmtutor.models import NgramModel
from lmtutor.runtime import peak_memory
from lmtutor.tokenizers import WordTokenizer
corpus = load_corpus("kjv", source="package")
words = WordTokenizer().fit(corpus.train + corpus.validation)
documents = (words.encode(text) for text in corpus.train + corpus.validation)
NgramModel(5, smoothing="kneser_ney").fit(documents)
print(peak_memory())
"""


def main() -> None:
    """Print all comparisons."""
    corpus = load_corpus("kjv", source="package")
    text = corpus.train + corpus.validation
    words = WordTokenizer().fit(text)
    train = [words.encode(verse) for verse in text]
    test = [words.encode(verse) for verse in corpus.test]
    tokens, test_tokens = sum(map(len, train)), sum(len(verse) + 1 for verse in test)

    def fit() -> NgramModel:
        return NgramModel(ORDER, smoothing="kneser_ney").fit(train)

    with tempfile.TemporaryDirectory() as folder:
        roads = {"lmtutor, fit": fit}
        roads["lmtutor, text to model"] = lambda: NgramModel(ORDER, "kneser_ney").fit(
            words.encode(verse) for verse in text
        )
        lmplz = shutil.which("lmplz")
        if lmplz:
            plain = Path(folder) / "train.txt"
            plain.write_text("".join(" ".join(words.split(verse)) + "\n" for verse in text))
            command = [lmplz, "-o", str(ORDER), "--text", str(plain), "--arpa", "/dev/null"]
            roads["lmplz, text to ARPA"] = lambda: subprocess.run(
                command, check=True, capture_output=True
            )
        else:
            print("  (lmplz is not on the path)")
        compare(f"Kneser-Ney of order {ORDER}, {tokens:,} tokens", "tokens", tokens, roads)
        alone = subprocess.run([sys.executable, "-c", ALONE], check=True, capture_output=True)
        peak = int(alone.stdout) / 2**20
        print(f"  {'lmtutor, peak of the whole process':<34} {peak:8.0f} MiB")

        model = fit()
        roads = {
            "lmtutor, perplexity, batches of 512": lambda: perplexity(model, test, 512),
            "lmtutor, perplexity, batches of 32": lambda: perplexity(model, test),
        }
        kenlm = optional("kenlm")
        if kenlm is not None:
            path = Path(folder) / "model.arpa"
            model.to_arpa(path, words.vocabulary)
            theirs = kenlm.Model(str(path))
            sentences = [" ".join(words.split(verse)) for verse in corpus.test]
            roads["kenlm, score(sentence)"] = lambda: [theirs.score(s) for s in sentences]
            roads["kenlm, full_scores(sentence)"] = lambda: [
                list(theirs.full_scores(s)) for s in sentences
            ]
        compare(f"score {test_tokens:,} tokens", "tokens", test_tokens, roads)

"""Published families of transformers: when they came, from what, and what they learn.

Dates are those of the first public version: of arXiv where the paper is there, else of the
report or the model card. Left out: families for other languages than English, mixtures of
experts, and families whose sizes are not public.
"""

from dataclasses import dataclass

KINDS = ("encoder", "encoder-decoder", "decoder")
"""Which halves of the transformer of 2017 a family keeps."""


@dataclass(frozen=True)
class Family:
    """What the models of one family share."""

    name: str
    kind: str
    """One of `KINDS`."""
    year: int
    month: int
    parent: str | None
    """The family that it was made from, by name; None for the first."""
    objective: str
    """What it is pre-trained to predict."""
    data: str
    """The text that it is pre-trained on, as published."""
    source: str


FAMILIES = (
    Family(
        "Transformer",
        "encoder-decoder",
        2017,
        6,
        None,
        "translation",
        "WMT 2014 English-German and English-French",
        "Vaswani et al. 2017",
    ),
    Family(
        "GPT",
        "decoder",
        2018,
        6,
        "Transformer",
        "next token",
        "BooksCorpus",
        "Radford et al. 2018",
    ),
    Family(
        "BERT",
        "encoder",
        2018,
        10,
        "Transformer",
        "masked tokens, next sentence",
        "BooksCorpus, English Wikipedia",
        "Devlin et al. 2019",
    ),
    Family(
        "GPT-2",
        "decoder",
        2019,
        2,
        "GPT",
        "next token",
        "WebText, 40 GB",
        "Radford et al. 2019",
    ),
    Family(
        "RoBERTa",
        "encoder",
        2019,
        7,
        "BERT",
        "masked tokens",
        "books, Wikipedia, news, web pages, 160 GB",
        "Liu et al. 2019",
    ),
    Family(
        "ALBERT",
        "encoder",
        2019,
        9,
        "BERT",
        "masked tokens, order of two sentences",
        "BooksCorpus, English Wikipedia",
        "Lan et al. 2020",
    ),
    Family(
        "DistilBERT",
        "encoder",
        2019,
        10,
        "BERT",
        "masked tokens, and what BERT says",
        "BooksCorpus, English Wikipedia",
        "Sanh et al. 2019",
    ),
    Family(
        "T5",
        "encoder-decoder",
        2019,
        10,
        "Transformer",
        "missing spans",
        "C4 (web pages, about 750 GB), labelled tasks",
        "Raffel et al. 2020",
    ),
    Family(
        "BART",
        "encoder-decoder",
        2019,
        10,
        "Transformer",
        "the text before the damage",
        "books, Wikipedia, news, web pages, 160 GB",
        "Lewis et al. 2020",
    ),
    Family(
        "ELECTRA",
        "encoder",
        2020,
        3,
        "BERT",
        "which tokens were replaced",
        "BooksCorpus, English Wikipedia; for the released models also web pages and news",
        "Clark et al. 2020",
    ),
    Family(
        "GPT-3",
        "decoder",
        2020,
        5,
        "GPT-2",
        "next token",
        "web pages, books, Wikipedia",
        "Brown et al. 2020",
    ),
    Family(
        "Llama",
        "decoder",
        2023,
        2,
        "GPT-3",
        "next token",
        "public web pages, code, books, papers",
        "Touvron et al. 2023",
    ),
    Family(
        "Llama 2",
        "decoder",
        2023,
        7,
        "Llama",
        "next token",
        "public text, not listed",
        "Touvron et al. 2023b",
    ),
    Family(
        "Llama 3",
        "decoder",
        2024,
        4,
        "Llama 2",
        "next token",
        "public text, not listed",
        "Llama 3 model card",
    ),
)
"""From the first to the last, by date."""


def find_family(name: str) -> Family:
    """A family by its name.

    Raises:
        ValueError: there is none.

    >>> find_family("BERT").year, find_family("GPT-2").year, find_family("GPT-3").year
    (2018, 2019, 2020)
    """
    for family in FAMILIES:
        if family.name == name:
            return family
    names = ", ".join(repr(family.name) for family in FAMILIES)
    raise ValueError(f"there is no family {name!r}; there are {names}")

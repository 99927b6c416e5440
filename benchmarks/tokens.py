"""Byte-pair encoding: learning 4,096 entries, and encoding the King James text."""

from run import compare, optional

from lmtutor.data import load_corpus
from lmtutor.tokenizers import BytePairTokenizer

SIZE = 4096
GPT2_PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def main() -> None:
    """Print all comparisons."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    corpus = load_corpus("kjv", source="package")
    verses = corpus.train
    megabytes = sum(len(verse.encode()) for verse in verses) / 1e6

    def ours() -> BytePairTokenizer:
        return BytePairTokenizer(SIZE).fit(verses)

    def theirs() -> Tokenizer:
        engine = Tokenizer(models.BPE())
        engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = trainers.BpeTrainer(
            vocab_size=SIZE,
            special_tokens=["<s>", "</s>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        engine.train_from_iterator(verses, trainer)
        return engine

    compare(
        f"learn {SIZE:,} entries from {megabytes:.1f} MB",
        "",
        1,
        {"lmtutor": ours, "tokenizers (all cores)": theirs},
    )
    tokenizer, engine = ours(), theirs()
    same = all(engine.encode(verse).ids == tokenizer.encode(verse) for verse in verses)
    print(f"  the ids of all verses are the same: {same}")
    whole = "\n".join(verses)
    merges = {tokenizer._pieces[number]: number - 2 for number in range(2, SIZE)}
    tiktoken = optional("tiktoken")
    for title, texts in (("verse by verse", verses), ("as one string", [whole])):

        def fresh(texts: list[str] = texts) -> None:
            again = BytePairTokenizer(SIZE)
            again._vocabulary = tokenizer._vocabulary
            again._remember(tokenizer.merges, tokenizer._pieces)
            for text in texts:
                again.encode(text)

        def warm(texts: list[str] = texts) -> None:
            for text in texts:
                tokenizer.encode(text)

        def rust(texts: list[str] = texts) -> None:
            for text in texts:
                engine.encode(text)

        roads = {"lmtutor, nothing cached": fresh, "lmtutor, warm": warm, "tokenizers": rust}
        roads["tokenizers, encode_batch"] = lambda texts=texts: engine.encode_batch(texts)
        if tiktoken is not None:
            quick = tiktoken.Encoding(
                "ours",
                pat_str=GPT2_PATTERN,
                mergeable_ranks=merges,
                special_tokens={},
            )

            def tik(texts: list[str] = texts, quick: object = quick) -> None:
                for text in texts:
                    quick.encode_ordinary(text)

            roads["tiktoken"] = tik
        compare(f"encode {megabytes:.1f} MB {title}", "MB", megabytes, roads)

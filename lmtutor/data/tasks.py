"""Labelled and parallel data, as `datasets.DatasetDict`.

Left out: anything that would download without being asked.
"""

import json
from typing import TYPE_CHECKING

from lmtutor.data.packages import check_sha256, package_file, reinstall

if TYPE_CHECKING:
    from datasets import DatasetDict

_INTERFACE = "jupyterlab-language-pack-zh-cn==4.5.post3"
_INTERFACE_FOLDER = "jupyterlab_language_pack_zh_CN/locale/zh_CN/LC_MESSAGES"
_INTERFACE_SHA256 = "8b57450a10f4da949adefb3a8bdf705f2707f73e73f94ea006f4ed347aa0d66c"


def load_task(name: str) -> "DatasetDict":
    """Load the data of a task, in the splits "train", "validation" and "test".

    "interface_en_zh": what JupyterLab writes on its buttons and in its menus, in English and in
    simplified Chinese; columns `en` and `zh`. Texts that were left in English are dropped, and
    of texts that occur several times the first translation is kept. BSD licence.

    Args:
        name: of the task.

    Raises:
        ValueError: there is no such task, or the installed package is not the known release.
        ModuleNotFoundError: the data package is not installed; the message holds the command
            that installs it.
    """
    if name != "interface_en_zh":
        raise ValueError(f"there is no task {name!r}; there is 'interface_en_zh'")
    from datasets import Dataset, DatasetDict

    pairs = _interface_pairs()
    parts = {
        "train": [pair for row, pair in enumerate(pairs) if row % 20 not in (9, 19)],
        "validation": pairs[9::20],
        "test": pairs[19::20],
    }
    return DatasetDict(
        {
            split: Dataset.from_dict(
                {"en": [en for en, _ in rows], "zh": [zh for _, zh in rows]}
            )
            for split, rows in parts.items()
        }
    )


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

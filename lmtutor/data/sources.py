"""Where data come from: an installed package, the Hugging Face hub, or a folder laid out like a
snapshot of the hub.

Left out: anything that would download without being asked.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datasets import DatasetDict

PROFILES = ("smoke", "default", "full")
SMOKE_SIZES = {"train": 2000, "validation": 200, "test": 200}
"""How much of each split the profile "smoke" takes."""


@dataclass(frozen=True)
class SourceInfo:
    """What is known about data before they are loaded."""

    name: str
    description: str
    licence: str
    citation: str
    package: str | None = None
    """The release that carries it, as pip names it."""
    hub: tuple[str, str | None, str | None] | None = None
    """Repository, configuration and revision on the hub."""


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


def choose_road(
    info: SourceInfo, source: str | os.PathLike[str], profile: str, kind: str
) -> str | Path:
    """Where to read from: "package", "hub" or a folder.

    Args:
        info: of what is to be read.
        source: what the caller asked for; "auto" leaves it to the profile.
        profile: as `current_profile` gives it.
        kind: "corpus" or "task", for the messages.

    Raises:
        ValueError: there is no such source, or the data do not come that way.
    """
    call, what = f"load_{kind}({info.name!r}", f"the {kind} {info.name!r}"
    if source == "auto":
        if info.hub and (profile == "full" or not info.package):
            if profile != "full":
                raise ValueError(
                    f"{what} comes only from the hub, and the profile {profile!r} stays "
                    f"offline; call {call}, source='hub') or set LMTUTOR_PROFILE=full"
                )
            return "hub"
        return "package"
    if source not in ("package", "hub") and not (source and Path(source).is_dir()):
        raise ValueError(
            f"source {source!r} is neither 'auto', 'package', 'hub' nor a folder that exists"
        )
    if source == "package" and not info.package:
        raise ValueError(f"no package carries {what}; call {call}, source='hub')")
    if source != "package" and not info.hub:
        raise ValueError(f"{what} is not on the hub; call {call}, source='package')")
    return str(source) if source in ("package", "hub") else Path(source)


def load_from_hub(
    info: SourceInfo, folder: Path | None, otherwise: str = "use load_corpus('kjv')"
) -> "DatasetDict":
    """All splits of a repository, from the hub or from a folder that holds a snapshot of it.

    Args:
        info: of what is to be read.
        folder: with a snapshot; None for the hub.
        otherwise: what needs no network, where no package carries the same.

    Raises:
        ValueError: the folder holds no such thing.
        ConnectionError: the hub cannot be reached.
    """
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError

    assert info.hub is not None
    repository, configuration, revision = info.hub
    try:
        if folder is None:
            return load_dataset(repository, configuration, revision=revision)
        return load_dataset(str(folder), configuration, cache_dir=_cache_of(folder))
    except (OSError, ValueError, DatasetsError) as error:
        if folder is not None:
            raise ValueError(
                f"{folder} does not hold a snapshot of {repository} ({error})"
            ) from error
        way = "take source='package'" if info.package else otherwise
        raise ConnectionError(
            f"the hub's {repository} could not be loaded ({type(error).__name__}); check the "
            "network and that HF_HUB_OFFLINE is not set, give the folder of a snapshot as "
            f"source, or {way}, which needs no network"
        ) from error


def _cache_of(folder: Path) -> str:
    """A place for what `datasets` makes of a folder in this state.

    In its usual place it would take two folders of one name for the same, and a folder for what
    it was when it was first read.
    """
    from datasets import config

    files = sorted(path for path in folder.resolve().rglob("*") if path.is_file())
    state = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    name = hashlib.sha256(repr(state).encode()).hexdigest()[:16]
    return str(Path(config.HF_DATASETS_CACHE) / "lmtutor" / name)

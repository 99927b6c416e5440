"""Runs notebooks with nothing but what lmtutor itself brings: IPython, and no kernel.

    python book/_tools/run_notebook.py [--quiet] [--jobs 2] book/01-language-models.ipynb ...

Each notebook runs in a process of its own and in its own folder. The first cell that fails ends
it, with exit code 1, unless it has the tag raises-exception. Left out: storing outputs.
"""

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def run(path: Path, quiet: bool = False) -> str | None:
    """Run all cells of a notebook in this process.

    Returns:
        What failed and where, or nothing.
    """
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    os.chdir(path.parent)
    shell = InteractiveShell.instance(config=Config(HistoryManager={"enabled": False}))
    for number, cell in enumerate(cells, start=1):
        source = "".join(cell["source"])
        if cell["cell_type"] != "code":
            continue
        may_fail = "raises-exception" in cell["metadata"].get("tags", [])
        shown = io.StringIO() if quiet else sys.stdout
        with contextlib.redirect_stdout(shown):
            result = shell.run_cell(source, store_history=True)
        if not result.success and not may_fail:
            if quiet:  # IPython prints the traceback among the output
                print(shown.getvalue()[-4000:])
            first = source.strip().partition("\n")[0]
            error = result.error_before_exec or result.error_in_exec
            return f"{path.name}: cell {number} failed at {first!r}: {error!r}"
    return None


def main(arguments: list[str] | None = None) -> int:
    """The command; the result is its exit code."""
    parser = argparse.ArgumentParser(description="Run notebooks without a kernel.")
    parser.add_argument("notebooks", nargs="+", type=Path)
    parser.add_argument("--quiet", action="store_true", help="show no outputs, only the times")
    parser.add_argument("--jobs", type=int, default=1, help="how many run side by side")
    options = parser.parse_args(arguments)
    if len(options.notebooks) == 1:
        began = time.perf_counter()
        fault = run(options.notebooks[0].resolve(), options.quiet)
        print(fault or f"{options.notebooks[0].name}: {time.perf_counter() - began:.1f} s")
        return int(fault is not None)
    with ThreadPoolExecutor(max(1, options.jobs)) as side_by_side:
        codes = side_by_side.map(
            lambda path: _in_a_process(path, options.quiet), options.notebooks
        )
        return max(codes)


def _in_a_process(path: Path, quiet: bool) -> int:
    command = [sys.executable, __file__, *["--quiet"] * quiet, str(path)]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        sys.path[0] = ""  # the notebook's own folder, as in a kernel, and not this file's
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")
        os.environ.setdefault("IPYTHONDIR", folder)
        os.environ.setdefault("MPLBACKEND", "agg")
        sys.exit(main())

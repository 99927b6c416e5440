"""Runs the scripts of the playground in Node, from the tests.

Playwright, which the tests of the site need anyway, brings a Node of its own; another one that
is installed comes first.
"""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "lmtutor" / "widgets" / "playground"
WORKER = Path(__file__).parent / "javascript" / "worker.js"


def find_node() -> str:
    """A Node to run."""
    found = shutil.which("node")
    if found is None:
        from playwright._impl._driver import compute_driver_executable

        found = compute_driver_executable()[0]
    return str(found)


class PageScripts:
    """A Node that has loaded scripts of the playground and runs what it is sent."""

    def __init__(self, *names: str):
        self.process = subprocess.Popen(
            [find_node(), str(WORKER), str(FOLDER), *names],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def run(self, code: str, **args: Any) -> Any:
        """What the body of a function returns, given these arguments (values that JSON knows).

        Raises:
            RuntimeError: it threw; the message is the error's name and message.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"code": code, "args": args}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer.get("value")

    def close(self) -> None:
        """End it."""
        self.process.communicate()

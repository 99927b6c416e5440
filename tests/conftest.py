"""What every test has: one thread, no network, no profile from outside, and examples that
repeat.
"""

import os
import socket
import tempfile

# Before anything imports the hub's libraries: no network, and a cache of our own.
os.environ["HF_HUB_OFFLINE"] = "1"
_cache = tempfile.TemporaryDirectory(prefix="lmtutor-tests-", ignore_cleanup_errors=True)
os.environ["HF_HOME"] = _cache.name

import pytest
import torch
from browsing import launched
from hypothesis import settings

from lmtutor.data import Corpus, load_corpus

settings.register_profile("lmtutor", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("lmtutor")
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def offline_in_the_default_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to another machine is a failure, and a profile set outside changes
    nothing.
    """
    monkeypatch.delenv("LMTUTOR_PROFILE", raising=False)
    connect = socket.socket.connect

    def local_only(self: socket.socket, address: object) -> None:
        if self.family != getattr(socket, "AF_UNIX", None) and address[0] not in (
            "127.0.0.1",
            "::1",
            "localhost",
        ):
            raise OSError(f"a test tried to reach {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", local_only)


@pytest.fixture(scope="session")
def kjv() -> Corpus:
    """The King James Bible, whole."""
    return load_corpus("kjv", source="package")


@pytest.fixture
def tell(record_property):
    """Call it with a line on what was measured; all such lines are printed at the end."""
    return lambda line: record_property("told", line)


def pytest_terminal_summary(terminalreporter) -> None:
    """Print what tests told, also those that ran in another process."""
    reports = [
        report for name in ("passed", "failed") for report in terminalreporter.getreports(name)
    ]
    told = [
        line for report in reports for name, line in report.user_properties if name == "told"
    ]
    if told:
        terminalreporter.section("measured")
        for line in sorted(told):
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def browser():
    """Chromium or Chrome."""
    with launched() as found:
        yield found

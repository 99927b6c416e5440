"""Threads, seeds, and what a page cost."""

import html
import operator
import os
import sys
import time

from lmtutor.display import show

_LOOP_SECONDS = 0.016
"""What the loop in `slowness` takes on the machine by which the budgets of pages are meant: two
virtual cores of a server, measured while nothing else ran.
"""
_looks: list[float] = []
"""How slow the machine was when a page began, and at each of its claims."""


def set_threads(threads: int | None = None) -> int:
    """Let torch use this many threads, and say how many that is.

    So do NumPy, scikit-learn and whatever else was imported before: their threads would wait
    for work at the expense of those that have some. Small models run faster on one thread, and
    on a busy machine two can be slower by far.

    Args:
        threads: 1 or more; if it is not given, LMTUTOR_THREADS from the environment, and else
            1.

    Returns:
        The number that is now in use.

    Raises:
        ValueError: it is no whole number from 1 up.

    >>> set_threads(1)
    1
    """
    import torch
    from threadpoolctl import threadpool_limits

    wanted = (os.environ.get("LMTUTOR_THREADS") or "1") if threads is None else threads
    if not str(wanted).isdecimal() or int(wanted) < 1:
        raise ValueError(f"threads is {wanted!r} (or LMTUTOR_THREADS); give a number from 1 up")
    threadpool_limits(int(wanted))
    torch.set_num_threads(int(wanted))
    _looks.clear()  # a page begins
    look()
    return torch.get_num_threads()


def seed_everything(seed: int = 0) -> None:
    """Start the random numbers of Python, NumPy and torch from `seed`.

    The functions of the package do not need it: each takes a seed or a generator of its own.

    Raises:
        ValueError: the seed does not lie from 0 to 2 ** 32 - 1.
    """
    seed = operator.index(seed)
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed is {seed}; NumPy takes 0 to {2**32 - 1}")
    import random

    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def look() -> None:
    """Note how slow the machine is; every claim does, so that a page knows how slow it was."""
    _looks.append(slowness(repeats=1))


def slowness(repeats: int = 5) -> float:
    """How many times slower than the reference the machine is now, by a plain loop in Python,
    the median of some repeats; 1 on every machine that is as fast or faster.

    Machines that are shared are two times slower in one hour than in the next. A budget in
    seconds means seconds of the reference.

    >>> slowness() >= 1
    True
    """
    seconds = []
    for _ in range(repeats):
        began, total = time.process_time(), 0
        for number in range(250_000):
            total += number
        seconds.append(time.process_time() - began)
    return max(1.0, sorted(seconds)[repeats // 2] / _LOOP_SECONDS)


def peak_memory() -> int:
    """The most memory this process has held so far, in bytes (resident set)."""
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    if sys.platform == "linux":  # getrusage counts what the parent held before it forked, too
        with open("/proc/self/status", "rb") as status:
            return next(int(line.split()[1]) for line in status if b"VmHWM" in line) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)


def page_cost() -> None:
    """Show what a page took up to here: processor time, memory, threads. The last cell of every
    chapter.

    The book's page on how long it takes gathers these from all chapters.
    """
    import torch

    seconds = time.process_time()
    looks = [*_looks, slowness()]
    cost = {
        "cpu_seconds": seconds,
        "slowness": sum(looks) / len(looks),
        "peak_bytes": peak_memory(),
        "threads": torch.get_num_threads(),
    }
    text = (
        f"This page took {cost['cpu_seconds']:.0f} s of processor time and "
        f"{cost['peak_bytes'] / 2**20:,.0f} MiB on {cost['threads']} "
        f"thread{'s' * (cost['threads'] > 1)}, with Python {sys.version.split()[0]} and torch "
        f"{torch.__version__}."
    )
    show(text, {"text/html": f"<p><em>{html.escape(text)}</em></p>"}, {"cost": cost})

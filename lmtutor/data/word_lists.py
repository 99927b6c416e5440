"""Lists on which word vectors are commonly judged: pairs of words with ratings, and analogies.

Sources: Finkelstein et al. 2002, "Placing Search in Context" (WordSim-353); Hill, Reichart and
Korhonen 2015, "SimLex-999"; Mikolov et al. 2013, "Efficient Estimation of Word Representations
in Vector Space", section 4.1 (analogies). Their files are carried by the package gensim, of
which nothing is imported. Left out: a score; how many of the words a text knows must be looked
at first.
"""

from lmtutor.data.packages import check_sha256, package_file

_PACKAGE = "gensim==4.4.0"
_FOLDER = "gensim/test/test_data"
_PAIRS = {
    "simlex999": (
        "simlex999.txt",
        "d5e0501971478a511430ee880bd0121e94ac701ba86d90544d83e6d2ba3db05d",
    ),
    "wordsim353": (
        "wordsim353.tsv",
        "f92a022fc2537793a15bc3a8c162ebcd74990e033a228bb6388cb71e4c0b1e1d",
    ),
}
_ANALOGIES = (
    "questions-words.txt",
    "8c29b3332afc46f3fb8be04cb5297bf96f39aa7131272dff57869b4485b22a36",
)


def load_word_pairs(name: str) -> list[tuple[str, str, float]]:
    """Pairs of words with the mean of people's ratings from 0 to 10, words as they are written.

    Args:
        name: "wordsim353", 353 pairs rated by how *related* the words are, or "simlex999", 999
            pairs rated by how *similar* their meanings are.

    Raises:
        ValueError: there is no such list, or the installed package is not the known release.
        ModuleNotFoundError: the package that carries it is not installed; the message holds the
            command that installs it.

    >>> load_word_pairs("wordsim353")[1]
    ('tiger', 'cat', 7.35)
    """
    if name not in _PAIRS:
        names = " and ".join(map(repr, sorted(_PAIRS)))
        raise ValueError(f"there is no list of word pairs {name!r}; there are {names}")
    rows = [line.split("\t") for line in _lines(*_PAIRS[name]) if line[0] != "#"]
    return [(first, second, float(rating)) for first, second, rating in rows]


def load_analogies() -> dict[str, list[tuple[str, str, str, str]]]:
    """Analogies a : b = c : d by section, 19,544 in 14 sections, words as they are written.

    Raises:
        ValueError: the installed package is not the known release.
        ModuleNotFoundError: the package that carries them is not installed; the message holds
            the command that installs it.

    >>> load_analogies()["family"][0]
    ('boy', 'girl', 'brother', 'sister')
    """
    sections: dict[str, list[tuple[str, str, str, str]]] = {}
    for line in _lines(*_ANALOGIES):
        if line.startswith(": "):
            section = sections.setdefault(line.removeprefix(": "), [])
        else:
            a, b, c, d = line.split()
            section.append((a, b, c, d))
    return sections


def _lines(name: str, sha256: str) -> list[str]:
    path = package_file(_PACKAGE, f"{_FOLDER}/{name}")
    content = path.read_bytes()
    check_sha256(content, sha256, path, _PACKAGE)
    return [line for line in content.decode("utf-8").splitlines() if line]

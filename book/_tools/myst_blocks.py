"""Reads MyST: a page's text as a tree of blocks.

Left out: every directive that the book does not use. One that is not known here stops the tool
    with its file and line, so that nothing slips through half turned.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

ADMONITIONS = {
    "admonition": "",
    "attention": "Attention",
    "caution": "Caution",
    "danger": "Danger",
    "dropdown": "",
    "error": "Error",
    "hint": "Hint",
    "important": "Important",
    "note": "Note",
    "seealso": "See also",
    "tip": "Tip",
    "warning": "Warning",
}
"""Boxes, with the title they have when none is given."""

HOLDS_MARKDOWN = {*ADMONITIONS, "div", "exercise", "figure"}
HOLDS_SOURCE = {
    "code",
    "code-block",
    "image",
    "index",
    "math",
    "solution-end",
    "solution-start",
}
OPENS_A_CELL = {"exercise", "solution-start"}

FENCE = re.compile(r"^(?P<indent> *)(?P<marks>`{3,}(?=[^`]*$)|~{3,}|:{3,})(?P<info>.*)$")
_DIRECTIVE = re.compile(r"^\{(?P<name>[^{}\s]+)\}\s*(?P<argument>.*)$")
_LABEL = re.compile(r"^\((?P<name>[^\s()]+)\)=\s*$")
_HEADING = re.compile(r"^(?P<marks>#{1,6})\s+(?P<title>.+?)(?:\s+#+)?\s*$")
_MATH_END = re.compile(r"^(?P<before>.*?)\$\$\s*(?:\((?P<label>[^\s()]+)\))?\s*$")
_DEFINITION = re.compile(r"^(?P<mark>:\s+)(?P<text>\S.*)$")
_NOT_READ = {
    r":\s+\S": "a term to be defined takes one line",
    r"\s*(?:[-*+]|\d+[.)])\s+(?:`{3}|~{3}|:{3})[^`]*$": "a fence in a list needs its own line",
    r"\s*\\begin\{": "a formula stands between $$ and $$",
}
"""Beginnings of lines that MyST understands and this does not, each with what to do."""


class MystError(ValueError):
    """What cannot be turned into plain Markdown, with its file and line."""


@dataclass
class Block:
    """A piece of a page: text, a code fence, a formula, a label, a heading, a definition list
    or a directive.
    """

    kind: str
    line: int
    text: str = ""
    """The source; of a heading its title, of a label its name, of a formula its TeX."""
    name: str = ""
    argument: str = ""
    options: dict[str, str] = field(default_factory=dict)
    body: list["Block"] = field(default_factory=list)
    level: int = 0
    """Of a heading."""
    indent: str = ""
    number: str = ""
    """Of a formula, a figure or an exercise, as the site counts them."""


def parse(source: str, file: str, first_line: int = 1) -> list[Block]:
    """The blocks of some MyST, whose first line is that line of its file.

    Raises:
        MystError: it holds a directive that is not known, or one that does not end.
    """
    return list(_Parser(source.split("\n"), file, first_line).blocks())


class _Parser:
    def __init__(self, lines: list[str], file: str, first_line: int) -> None:
        self.lines, self.file, self.first = lines, file, first_line
        self.at = 0

    def blocks(self) -> Iterator[Block]:
        text: list[str] = []
        began = 0
        while self.at < len(self.lines):
            line, start = self.lines[self.at], self.at
            block = self._special(line, starts_paragraph=not text or not text[-1].strip())
            if block is None:
                if text or line.strip():
                    began = began if text else start
                    text.append(line)
                self.at += 1
                continue
            if text:
                yield Block("text", self.first + began, "\n".join(text))
                text = []
            if block.kind != "comment":
                yield block
        if text:
            yield Block("text", self.first + began, "\n".join(text))

    def _special(self, line: str, starts_paragraph: bool) -> Block | None:
        """The block that begins at this line, read to its end; nothing where text goes on."""
        number = self.first + self.at
        if fence := FENCE.match(line):
            return self._fence(fence, number)
        if line.lstrip().startswith("$$"):
            return self._math(line, number)
        if match := _LABEL.match(line):
            self.at += 1
            return Block("label", number, match["name"])
        if match := _HEADING.match(line):
            self.at += 1
            return Block("heading", number, match["title"], level=len(match["marks"]))
        if line.startswith("%"):
            self.at += 1
            return Block("comment", number)
        if starts_paragraph and self._is_term(self.at):
            return self._definitions(number)
        for pattern, complaint in _NOT_READ.items():
            if re.match(pattern, line):
                raise MystError(f"{self.file}:{number}: {complaint}")
        return None

    def _fence(self, fence: re.Match[str], number: int) -> Block:
        indent, marks = fence["indent"], fence["marks"]
        closing = re.compile(rf"^\s*{re.escape(marks[0])}{{{len(marks)},}}\s*$")
        end = next(
            (at for at in range(self.at + 1, len(self.lines)) if closing.match(self.lines[at])),
            None,
        )
        if end is None:
            raise MystError(f"{self.file}:{number}: {fence[0].strip()!r} has no end")
        inner = [line.removeprefix(indent) for line in self.lines[self.at + 1 : end]]
        whole = "\n".join(line.removeprefix(indent) for line in self.lines[self.at : end + 1])
        self.at = end + 1
        directive = _DIRECTIVE.match(fence["info"].strip())
        if directive is None:
            if marks[0] == ":":
                raise MystError(
                    f"{self.file}:{number}: {fence[0].strip()!r} names no directive"
                )
            return Block("code", number, whole, indent=indent)
        name = directive["name"]
        if name not in HOLDS_MARKDOWN | HOLDS_SOURCE:
            raise MystError(
                f"{self.file}:{number}: the directive {{{name}}} is not one that can stand in "
                f"a notebook; there are {', '.join(sorted(HOLDS_MARKDOWN | HOLDS_SOURCE))}"
            )
        options, skipped = _options(inner)
        content = "\n".join(inner[skipped:])
        block = Block(
            "directive", number, content, name, directive["argument"], options, indent=indent
        )
        if name in HOLDS_MARKDOWN:
            block.body = parse(content, self.file, number + 1 + skipped)
        return block

    def _math(self, line: str, number: int) -> Block:
        indent = line[: len(line) - len(line.lstrip())]
        formula: list[str] = []
        rest = line.lstrip().removeprefix("$$")
        while not (end := _MATH_END.match(rest)):
            formula.append(rest)
            self.at += 1
            if self.at == len(self.lines):
                raise MystError(f"{self.file}:{number}: a formula has no end on its own line")
            rest = self.lines[self.at].removeprefix(indent)
        self.at += 1
        tex = "\n".join([*formula, end["before"]]).strip()
        return Block("math", number, tex, name=end["label"] or "", indent=indent)

    def _is_term(self, at: int) -> bool:
        """Whether this line is a term, and its definition follows."""
        below = [line for line in self.lines[at + 1 : at + 3] if line.strip()][:1]
        line = self.lines[at]
        return (
            bool(line.strip() and below)
            and not line.startswith((" ", "#", ">", "|", ":"))
            and _DEFINITION.match(below[0]) is not None
        )

    def _definitions(self, number: int) -> Block:
        """Terms, each a block that holds its definitions as directives without a name."""
        found = Block("definitions", number)
        while self.at < len(self.lines) and self._is_term(self.at):
            term = Block("term", self.first + self.at, self.lines[self.at].strip())
            self.at += 1
            self._skip_blank()
            while self.at < len(self.lines) and (
                mark := _DEFINITION.match(self.lines[self.at])
            ):
                line = self.first + self.at
                own = [mark["text"], *self._indented(len(mark["mark"]))]
                meaning = parse("\n".join(own), self.file, line)
                term.body.append(Block("meaning", line, body=meaning))
                self._skip_blank()
            found.body.append(term)
        return found

    def _indented(self, width: int) -> Iterator[str]:
        """The further lines of a definition, without their indentation."""
        self.at += 1
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if not line.strip():
                rest = [line for line in self.lines[self.at :] if line.strip()][:1]
                if not rest or not rest[0].startswith(" "):
                    return
            elif not line.startswith(" ") and (
                not self.lines[self.at - 1].strip()
                or _DEFINITION.match(line)
                or self._is_term(self.at)
            ):
                return
            yield line[min(width, len(line) - len(line.lstrip())) :]
            self.at += 1

    def _skip_blank(self) -> None:
        while self.at < len(self.lines) and not self.lines[self.at].strip():
            self.at += 1


def _options(lines: list[str]) -> tuple[dict[str, str], int]:
    """The options that head a directive's lines, and how many lines they take."""
    if lines and lines[0].strip() == "---" and "---" in lines[1:]:
        end = lines.index("---", 1)
        loaded = yaml.safe_load("\n".join(lines[1:end])) or {}
        return {key: str(value or "") for key, value in loaded.items()}, end + 1
    options: dict[str, str] = {}
    for number, line in enumerate(lines):
        if match := re.match(r"^:(?P<key>[\w-]+):\s*(?P<value>.*)$", line):
            key = match["key"]
            options[key] = re.sub(r"^[>|][-+]?$", "", match["value"].strip())
        elif options and line.startswith(" ") and line.strip():  # the last value goes on
            options[key] = f"{options[key]} {line.strip()}".strip()
        else:
            return options, number
    return options, len(lines)


def walk(blocks: list[Block]) -> Iterator[Block]:
    """Blocks and all blocks inside them, in the order in which they stand."""
    for block in blocks:
        yield block
        yield from walk(block.body)

"""Writes the blocks of a page as the plain Markdown that JupyterLab and Colab show.

Left out: every role that the book does not use. One that is not known here stops the tool with
    its file and line, as do links that lead nowhere.
"""

import html
import re
import textwrap
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

from myst_blocks import ADMONITIONS, FENCE, Block, MystError, parse

CODE_ROLES = {"attr", "class", "const", "data", "exc", "func", "meth", "mod", "obj"}

_EXPLICIT = re.compile(r"^(?P<text>.*?)\s*<(?P<target>[^<>]+)>$", re.DOTALL)
_INLINE = re.compile(
    r"""
      \\[^\w\s]                                                    # an escaped character
    | (?P<role>\{[A-Za-z][^{}\s`]*\})?                             # a role or a code span,
      (?P<ticks>`+)(?P<code>.+?)(?<!`)(?P=ticks)(?!`)              # perhaps with attributes
      (?:\{[^{}\n]*\})?
    | (?P<math>\$\$.+?\$\$|\$(?:[^$\\]|\\.)+\$)
    | (?P<picture>!?)\[(?P<text>(?:\\.|[^\\\[\]])*)\]              # a link, a picture
      (?:\((?P<address>[^()\s]*(?:\([^()\s]*\)[^()\s]*)*)\)(?:\{[^{}\n]*\})?
        |(?P<span>\{[.#][^{}\n]*\}))                               # or a span with attributes
    | (?P<footnote>\[\^[^\]\s]+\])
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Target:
    """What a label names."""

    page: str
    kind: str
    """"section", "equation", "figure" or "exercise"."""
    number: str
    title: str


class Book(Protocol):
    """What is known of the other pages while one is turned."""

    targets: dict[str, Target]
    pointed_at: set[str]
    """The labels to which some chapter has a link."""

    def title_of(self, page: str) -> str | None:
        """The page's title, or nothing if there is no such page."""

    def address_of(self, page: str) -> str:
        """What a link to that page leads to."""

    def authors_and_year(self, key: str) -> tuple[str, str] | None:
        """How a work is cited, or nothing if it is not in the bibliography."""


class Renderer:
    """Turns the blocks of one page; remembers the works it cites, and whether it is between the
    beginning and the end of a solution.
    """

    def __init__(self, book: Book, page: str, file: str) -> None:
        self.book, self.page, self.file = book, page, file
        self.cited: list[str] = []
        self.in_solution = False
        self._quoting = False

    def markdown(self, blocks: list[Block]) -> str:
        """Plain Markdown for these blocks."""
        labels: list[str] = []
        parts = []
        for block in blocks:
            if block.kind == "label":
                labels.append(block.text)
                continue
            part = getattr(self, f"_{block.kind.replace('-', '_')}")(block)
            if block.kind == "heading" and self.book.pointed_at & {*labels}:
                part += anchor(block.text)
            labels = []
            if (rest := left_over(part)) is not None:
                before = block.text.partition(rest.partition("\n")[0])[0]
                line = block.line + before.count("\n") * (before != block.text)
                raise self._fail(line, f"MyST is left over: {rest!r}")
            if part.strip():
                parts.append(textwrap.indent(part.strip("\n"), block.indent))
        return "\n\n".join(parts)

    def caption(self, text: str, line: int) -> str:
        """A caption on one line."""
        return " ".join(self.markdown(parse(text, self.file, line)).split())

    def inline(self, text: str, line: int) -> str:
        """Plain Markdown for the roles, links and spans of running text.

        Raises:
            MystError: a role is not known, or names what there is not.
        """
        paragraphs = re.split(r"(\n[ \t>]*\n)", text)
        parts = []
        for paragraph in paragraphs:
            parts.append(_INLINE.sub(lambda m, at=line: self._piece(m, at), paragraph))
            line += paragraph.count("\n")
        return "".join(parts)

    def _fail(self, line: int, message: str) -> MystError:
        return MystError(f"{self.file}:{line}: {message}")

    def _piece(self, match: re.Match[str], line: int) -> str:
        line += match.string.count("\n", 0, match.start())
        if match["role"]:
            content = " ".join(re.sub(r"\n> ?", " ", match["code"]).split())
            return self._role(match["role"][1:-1], content, line)
        if match["code"]:
            return f"{match['ticks']}{match['code']}{match['ticks']}"
        if match["math"]:
            # A line break in a formula inside a quotation would bring the ">" with it.
            return match["math"].replace("\n> ", " ").replace("\n", " ")
        if match["footnote"]:
            raise self._fail(line, "a notebook shows no footnotes; put it into the text")
        if match["text"] is None:
            return match[0]
        text = self.inline(match["text"], line)
        if match["span"]:
            return text
        return self._link(match["picture"], text, match["address"], line)

    def _link(self, picture: str, text: str, address: str, line: int) -> str:
        page, _, label = address.partition("#")
        if address.startswith("#") and not picture:
            return self._reference(text, label, line)
        if page.endswith(".md") and not re.match(r"\w+:", page):
            return self._page_link(text, page.removesuffix(".md"), line)
        return f"{picture}[{text}]({address})"

    # --- roles

    def _role(self, name: str, content: str, line: int) -> str:
        name = name.removeprefix("py:")
        explicit = _EXPLICIT.match(content)
        text, target = (explicit["text"], explicit["target"]) if explicit else ("", content)
        if name in CODE_ROLES:
            return self._code_name(name, text, target)
        if name in ("cite:t", "cite:p"):
            return self._citation(name, content, line)
        if name == "doc":
            return self._page_link(text, target, line)
        if name == "ref":
            return self._reference(text, target, line)
        if name in ("eq", "numref"):
            return self._number(name, text, target, line)
        plain = {
            "abbr": content,
            "code": f"`{content}`",
            "index": text or content,
            "math": f"${content}$",
            "sub": f"<sub>{content}</sub>",
            "sup": f"<sup>{content}</sup>",
            "term": text or content,
        }
        if name not in plain:
            raise self._fail(
                line, f"the role {{{name}}} is not one that can stand in a notebook"
            )
        return plain[name]

    def _code_name(self, role: str, text: str, target: str) -> str:
        """A name of the package, as Sphinx shortens it."""
        if text:
            return text
        name = target.rpartition(".")[2] if target.startswith("~") else target.lstrip(".")
        return f"`{name}()`" if role in ("func", "meth") else f"`{name}`"

    def _citation(self, role: str, content: str, line: int) -> str:
        shown = []
        for key in (key.strip() for key in content.split(",")):
            entry = self.book.authors_and_year(key)
            if entry is None:
                raise self._fail(line, f"{key!r} is not in the bibliography")
            if key not in self.cited:
                self.cited.append(key)
            authors, year = entry
            shown.append(f"{authors} ({year})" if role == "cite:t" else f"{authors}, {year}")
        return ", ".join(shown) if role == "cite:t" else f"({'; '.join(shown)})"

    def _page_link(self, text: str, target: str, line: int) -> str:
        page = PurePosixPath(target).name
        title = self.book.title_of(page)
        if title is None:
            raise self._fail(line, f"there is no page {target!r}")
        return f"[{text or title}]({self.book.address_of(page)})"

    def _target(self, label: str, kinds: tuple[str, ...], line: int) -> Target:
        target = self.book.targets.get(label)
        if target is None or target.kind not in kinds:
            found = f"{label!r} labels a {target.kind}" if target else f"no label {label!r}"
            raise self._fail(line, f"{' or '.join(kinds)} expected here, but found {found}")
        return target

    def _reference(self, text: str, label: str, line: int) -> str:
        target = self._target(label, ("section", "figure", "exercise"), line)
        if target.kind == "section":
            text = text or target.title
        elif target.kind == "exercise":
            number = f"Exercise {target.number}".strip()
            text = text or (f"{number} ({target.title})" if target.title else number)
        elif not text:
            raise self._fail(line, f"a reference to {label!r} needs a text, or {{numref}}")
        return self._linked(text, target)

    def _linked(self, text: str, target: Target) -> str:
        """A link to a heading, or to the page of something that has none; inside that page the
        text alone.
        """
        away = "" if target.page == self.page else self.book.address_of(target.page)
        heading = {
            "section": target.title,
            "exercise": exercise_heading(target.number, target.title),
        }.get(target.kind, "")
        place = f"#{slug(heading)}" if heading and _leads_into(away) else ""
        return f"[{text}]({away}{place})" if away or place else text

    def _number(self, role: str, text: str, label: str, line: int) -> str:
        if role == "eq":
            target = self._target(label, ("equation",), line)
            return self._linked(f"({target.number})", target)
        target = self._target(label, ("figure", "exercise"), line)
        pattern = text or f"{target.kind.capitalize()} %s"
        pattern = pattern.replace("{number}", "%s").replace("{name}", target.title)
        return self._linked(pattern.replace("%s", target.number), target)

    # --- blocks

    def _text(self, block: Block) -> str:
        return self.inline(block.text, block.line)

    def _code(self, block: Block) -> str:
        return block.text

    def _heading(self, block: Block) -> str:
        return f"{'#' * block.level} {self.inline(block.text, block.line)}"

    def _math(self, block: Block) -> str:
        return self._formula(block.text, block.number)

    def _formula(self, tex: str, number: str) -> str:
        if r"\\" in tex and r"\begin{" not in tex:  # Sphinx too makes such lines one formula
            tex = f"\\begin{{split}}\n{tex}\n\\end{{split}}"
        if number:
            tex += f"\n\\tag{{{number}}}"
        # Front ends take formulas out before they read Markdown, ">" of quotations included.
        return f"$${' '.join(tex.split())}$$" if self._quoting else f"$$\n{tex}\n$$"

    def _definitions(self, block: Block) -> str:
        items = []
        for term in block.body:
            meanings = "\n\n".join(self.markdown(meaning.body) for meaning in term.body)
            item = f"**{self.inline(term.text, term.line)}**: {meanings}"
            items.append(f"- {textwrap.indent(item, '  ').lstrip()}")
        return "\n".join(items)

    def _directive(self, block: Block) -> str:
        if block.name in ADMONITIONS:
            return self._admonition(block)
        return str(getattr(self, f"_{block.name.replace('-', '_')}_directive")(block))

    def _admonition(self, block: Block) -> str:
        # Only these two take a title; with the others, text behind the name begins the body.
        titled = block.name in ("admonition", "dropdown")
        title = self.inline(block.argument, block.line) if titled else ADMONITIONS[block.name]
        outer, self._quoting = self._quoting, True
        body = self.markdown(block.body)
        self._quoting = outer
        if block.argument and not titled:
            body = f"{self.inline(block.argument, block.line)}\n\n{body}"
        text = f"**{title}**\n\n{body}".rstrip()
        return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))

    def _div_directive(self, block: Block) -> str:
        return self.markdown(block.body)

    def _exercise_directive(self, block: Block) -> str:
        heading = exercise_heading(block.number, self.inline(block.argument, block.line))
        if block.options.get("label") in self.book.pointed_at:
            heading += anchor(heading)
        return f"### {heading}\n\n{self.markdown(block.body)}"

    def _solution_start_directive(self, block: Block) -> str:
        exercise = self._target(block.argument, ("exercise",), block.line)
        self.in_solution = True
        heading = f"Solution to exercise {exercise.number}" if exercise.number else "Solution"
        return f"#### {heading}\n\nTry it yourself first."

    def _solution_end_directive(self, block: Block) -> str:
        self.in_solution = False
        return ""

    def _math_directive(self, block: Block) -> str:
        return self._formula(block.text.strip(), block.number)

    def _code_directive(self, block: Block) -> str:
        marks = "`" * max([3, *(len(run) + 1 for run in re.findall(r"`{3,}", block.text))])
        return f"{marks}{block.argument}\n{block.text.strip(chr(10))}\n{marks}"

    _code_block_directive = _code_directive

    def _index_directive(self, block: Block) -> str:
        return ""

    def _image_directive(self, block: Block) -> str:
        return f"![{block.options.get('alt', '')}]({block.argument})"

    def _figure_directive(self, block: Block) -> str:
        caption = self.markdown(block.body)
        below = f"\n\n{figure_caption(block.number, caption)}" if caption else ""
        return self._image_directive(block) + below


def _leads_into(address: str) -> bool:
    """Whether a place can be named behind this address."""
    return not address or address.endswith(".ipynb")


def exercise_heading(number: str, title: str) -> str:
    """The heading over an exercise."""
    return f"Exercise {number}".strip() + (f": {title}" if title else "")


def figure_caption(number: str, caption: str) -> str:
    """The line below a figure."""
    return f"**Figure {number}.** {caption}"


def slug(heading: str) -> str:
    """How JupyterLab names a heading."""
    return re.sub(r"[*`$]", "", heading).strip().replace(" ", "-")


def anchor(heading: str) -> str:
    """What stands below a heading to which a link leads: Colab does not name its headings."""
    return f'\n\n<a id="{html.escape(slug(heading))}"></a>'


# --- checking


def _without_code(match: re.Match[str]) -> str:
    if match["math"]:
        return "$$" if match["math"].startswith("$$") else "$"
    return "code" if match["code"] else match[0]


def left_over(markdown: str) -> str | None:
    """The first piece of MyST that stands in some Markdown outside of code, if there is any."""
    end: re.Pattern[str] | None = None
    kept = []
    for line in markdown.split("\n"):
        fence = FENCE.match(line.lstrip("> "))
        if end is not None:
            end = None if end.match(line.lstrip("> ")) else end
        elif fence and fence["marks"][0] != ":":
            if fence["info"].startswith("{"):
                return fence[0]
            end = re.compile(rf"^\s*{fence['marks'][0]}{{{len(fence['marks'])},}}\s*$")
        else:
            kept.append(line)
    text = "\n".join(kept)
    for match in _INLINE.finditer(text):
        if match["role"] or match["span"]:
            return match[0]
    text = _INLINE.sub(_without_code, text)
    pattern = re.compile(
        r":::.*|^\([^\s()]+\)=\s*$|\$\$[ \t]*\([^\s()]+\)[ \t]*$|^: +\S.*|\[\^[^\]]+\]"
        r"|[)\]]\{[.#][^}]*\}|\{[\w:-]+\}`",
        re.MULTILINE,
    )
    found = pattern.search(text)
    return found[0] if found else None

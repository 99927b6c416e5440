"""Imports run one way, and the layout is what the documents say it is."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "lmtutor"

# A part may import itself, the ground floor and what stands here.
# Imports that only a type checker sees are free.
GROUND = {"files", "display"}
MAY_IMPORT = {
    "__init__": set(),
    "files": set(),
    "display": set(),
    "tokenizers": set(),
    "autograd": set(),
    "layers": set(),
    "plots": set(),
    "data": {"tokenizers"},
    "models": {"layers"},
    "training": {"data", "metrics", "models"},
    "metrics": {"models.language_model"},
    "decoding": {"models.language_model"},
    "runtime": set(),
    "claims": {"runtime"},
    "exercises": set(),
    "families": set(),
    "scoreboard": {"metrics"},
    "pretrained": {"data", "layers", "models", "tokenizers"},
    "weights": {  # the scripts that made them
        "data",
        "decoding",
        "layers",
        "metrics",
        "models",
        "pretrained",
        "runtime",
        "tokenizers",
        "training",
    },
    "__main__": {"command_line"},
    "command_line": {
        "data",
        "decoding",
        "metrics",
        "models",
        "pretrained",
        "tokenizers",
        "training",
        "widgets",
    },
    "widgets": {
        "data",
        "decoding",
        "layers",
        "metrics",
        "models",
        "plots",
        "tokenizers",
        "training",
    },
}
FILES = sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> list[str]:
    """Dotted names of ours that a file imports at any depth, save under `if TYPE_CHECKING`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names.append(node.module)
    return [name for name in names if name.split(".")[0] in ("lmtutor", "book", "tests")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_run_one_way(path):
    part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    allowed = MAY_IMPORT[part] | {part} | (GROUND if part not in GROUND else set())
    for name in imports(path):
        inner = name.removeprefix("lmtutor").lstrip(".")
        assert any(inner == floor or inner.startswith(f"{floor}.") for floor in allowed), (
            f"{path.relative_to(PACKAGE)} imports {name}, which stands above it or beside it"
        )


def test_the_table_above_has_no_cycle():
    def reach(part, seen):
        assert part not in seen, f"{' -> '.join([*seen, part])} is a cycle"
        for below in MAY_IMPORT[part]:
            reach(below.split(".")[0], [*seen, part])

    for part in MAY_IMPORT:
        reach(part, [])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_every_file_says_what_it_is_and_every_public_thing_is_documented(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    definitions = (ast.FunctionDef, ast.ClassDef)
    for node in tree.body:
        if isinstance(node, definitions) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{path}: {node.name} has no docstring"
            for inner in node.body if isinstance(node, ast.ClassDef) else []:
                if isinstance(inner, ast.FunctionDef) and not inner.name.startswith("_"):
                    assert ast.get_docstring(inner), (
                        f"{path}: {node.name}.{inner.name} has no docstring"
                    )


def test_transformers_are_imported_in_few_places_and_never_at_the_top():
    # This one holds classes derived from theirs, and is itself imported when asked for.
    for path in set(FILES) - {PACKAGE / "metrics" / "for_evaluate.py"}:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                module = getattr(node, "module", None) or node.names[0].name
                assert module.split(".")[0] not in ("transformers", "datasets", "evaluate"), (
                    path
                )

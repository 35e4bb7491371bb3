"""One direction: a layer imports only from the layers it stands on."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import softreg

ROOT = Path(softreg.__file__).parent

MAY_IMPORT = {
    "errors": set(),
    "protocols": set(),
    "arrays": {"errors"},
    "kernels": {"errors", "arrays"},
    "functional": {"errors", "kernels"},
    "data": {"errors", "arrays"},
    "objective": {"errors", "protocols", "arrays", "kernels", "data"},
    "solvers": {"errors", "protocols"},
    "metrics": {"errors", "data"},
    "decision": {"errors", "protocols", "functional", "solvers", "metrics"},
    "model": {"errors", "protocols", "arrays", "kernels", "functional", "data", "objective", "solvers", "decision"},
    "estimator": {"errors", "protocols", "arrays", "kernels", "functional", "data", "objective", "solvers", "model"},
    "inference": {"errors", "protocols", "arrays", "kernels", "data", "objective", "model"},
    "plots": {"errors", "data", "metrics", "model", "decision", "inference"},
    "report": {"errors", "arrays", "functional", "data", "metrics", "decision", "model"},
    "chapter": {"errors", "data", "plots"},
    "cli": None,  # anything
    "__init__": None,
    "__main__": {"cli"},
}


def imports(path: Path) -> Iterator[str]:
    """The layers of ours that a file imports, wherever in the file; names for type checking alone do not count."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names = [
                f"{node.module}.{alias.name}" if node.module == "softreg" else node.module or "" for alias in node.names
            ]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (
            name.split(".")[1] if "." in name else "__init__" for name in names if name.split(".")[0] == "softreg"
        )


def layers() -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in sorted(ROOT.rglob("*.py")):
        found.setdefault(path.relative_to(ROOT).with_suffix("").parts[0], []).append(path)
    return found


def test_every_layer_is_in_the_table() -> None:
    assert set(layers()) == set(MAY_IMPORT)


@pytest.mark.parametrize("layer", [layer for layer, allowed in MAY_IMPORT.items() if allowed is not None])
def test_a_layer_imports_only_what_it_stands_on(layer: str) -> None:
    allowed = MAY_IMPORT[layer]
    assert allowed is not None
    reached = {
        (path.relative_to(ROOT).as_posix(), target)
        for path in layers()[layer]
        for target in imports(path)
        if target not in allowed | {layer}
    }
    assert not reached, f"{layer} may import {sorted(allowed)} only"


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_module_is_longer_than_300_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300

"""python -m benchmarks.figures: sizes of files and functions, import cycles, routes, tests."""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

from app import create_app
from app.http.errors import STATUS
from config import Config
from tests.golden import examples
from tests.golden.test_error_rows import ROWS
from tests.support.settings import base_settings

ROOT = Path(__file__).parents[1]
APP = ROOT / "app"


def spread(sizes: list[int]) -> str:
    ninth = sorted(sizes)[int(len(sizes) * 0.9)]
    return f"{len(sizes)}, median {statistics.median(sizes):.0f}, 90 % {ninth}, largest {max(sizes)} lines"


def function_sizes(files: list[Path]) -> list[int]:
    return [
        (node.end_lineno or node.lineno) - node.lineno + 1
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef)
    ]


def imports(files: list[Path]) -> dict[str, set[str]]:
    """Return what each module imports of its own package, deferred imports counted like any other."""
    names = {module_name(file): file for file in files}
    graph: dict[str, set[str]] = {}
    for name, file in names.items():
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        graph[name] = {
            target
            for node in ast.walk(ast.parse(file.read_text()))
            for target in targets(node, package, names)
            if target != name
        }
    return graph


def targets(node: ast.AST, package: str, known: Collection[str]) -> list[str]:
    """Return the modules that one import names: `from app import x` is x, where x is a module."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names if alias.name in known]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = package.rsplit(".", node.level - 1)[0] if node.level else ""
    source = ".".join(part for part in (base, node.module) if part)
    found = [f"{source}.{alias.name}" for alias in node.names]
    return [name if name in known else source for name in found if name in known or source in known]


def module_name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def cycles(graph: dict[str, set[str]]) -> int:
    """Return how many modules stand in a knot: they reach themselves."""

    def reaches(start: str) -> bool:
        seen, todo = set[str](), list(graph[start])
        while todo:
            name = todo.pop()
            if name == start:
                return True
            if name not in seen:
                seen.add(name)
                todo += graph[name]
        return False

    return sum(reaches(name) for name in graph)


def collected() -> dict[str, int]:
    """Return how many tests each folder and file of the suite has."""
    listing = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-o", "addopts=-q"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    counts: dict[str, int] = {}
    for line in listing.stdout.splitlines():
        if "::" in line:
            file = line.split("::")[0]
            counts[file] = counts.get(file, 0) + 1
    return counts


def main() -> None:
    files = sorted(APP.rglob("*.py"))
    functions = function_sizes(files)
    short = sum(size < 20 for size in functions) / len(functions)
    app = create_app(Config.from_env({**base_settings(), "DATABASE_URL": "sqlite://"}))
    routes = {
        (method, str(rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    print(f"files of app/: {spread([len(file.read_text().splitlines()) for file in files])}")
    print(f"functions of app/: {spread(functions)}; under 20 lines {short:.0%}")
    print(f"modules in an import cycle, deferred imports counted: {cycles(imports(files))}")
    print(f"routes: {len(routes)}; error codes: {len(STATUS)}")
    replayed = sum(isinstance(value, examples.Example) for value in vars(examples).values())
    print(f"documented: {replayed} calls replayed by example, {len(ROWS)} error rows, each by a test")
    counts = collected()
    print(f"tests: {sum(counts.values())}")
    for file, count in sorted(counts.items()):
        print(f"  {count:>5}  {file}")


if __name__ == "__main__":
    main()

"""The examples' evaluators, and a candidate that runs in this process."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2] / "examples"


class LocalCandidate:
    """What an evaluator needs of a candidate: answers by functions of the test."""

    def __init__(self, split: str = "validation", **functions: Callable[..., Any]) -> None:
        self.split = split
        self.functions = functions
        self.attached: dict[str, str | bytes] = {}
        self.said = ""
        self.calls: list[tuple[Any, ...]] = []
        self.renewed: list[int] = []

    async def call(self, function: str, *args: Any) -> Any:
        self.calls.append((function, *args))
        return self.functions[function.rpartition(":")[2]](*args)

    async def renew(self) -> None:
        self.renewed.append(len(self.calls))

    def attach(self, name: str, content: str | bytes) -> None:
        self.attached[name] = content

    def feedback(self, text: str) -> None:
        self.said += text


def load(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def circle() -> ModuleType:
    return load(ROOT / "circle_packing" / "evaluator.py", "circle_evaluator")


@pytest.fixture(scope="session")
def circle_seed() -> ModuleType:
    return load(ROOT / "circle_packing" / "program.py", "circle_program")


@pytest.fixture(scope="session")
def bins() -> ModuleType:
    return load(ROOT / "online_bin_packing" / "evaluator.py", "bins_evaluator")


@pytest.fixture
def harness() -> Iterator[Callable[[Callable[..., Any]], ModuleType]]:
    """Loads a fresh harness around a priority function."""

    def make(priority: Callable[..., Any]) -> ModuleType:
        program = ModuleType("program")
        program.priority = priority  # type: ignore[attr-defined]
        sys.modules["program"] = program
        return load(ROOT / "online_bin_packing" / "harness.py", "bins_harness")

    yield make
    sys.modules.pop("program", None)


@pytest.fixture
def candidate() -> type[LocalCandidate]:
    return LocalCandidate


@pytest.fixture
def beside() -> Iterator[Callable[[str, str], ModuleType]]:
    """Loads a module of an example's folder, with its neighbours importable."""
    folders: list[str] = []
    known = set(sys.modules)

    def make(example: str, name: str) -> ModuleType:
        folders.append(str(ROOT / example))
        sys.path.insert(0, folders[-1])
        return importlib.import_module(name)

    yield make
    for folder in folders:
        sys.path.remove(folder)
    for name in set(sys.modules) - known:
        if str(ROOT) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]

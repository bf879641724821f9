"""Loading the user's evaluator, in the worker process that runs nothing else.

Its files travel as text, so that a worker elsewhere can load them; where the campaign's
folder exists it is on ``sys.path`` too, as it would be for a script in it.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import importlib.machinery
import importlib.util
import inspect
import sys
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from metasearch.errors import CampaignError, EvaluatorError
from metasearch.evaluation.blame import user_traceback
from metasearch.evaluation.spec import EvaluationSpec

GROUP = "metasearch.evaluators"
"""Entry point group of installed evaluators: a module, or one function."""

Function = Callable[[Any], Any]
"""The user's ``evaluate``: takes the candidate, returns (or awaits to) its metrics."""


def load(spec: EvaluationSpec) -> dict[str, Function]:
    """The functions of all stages, by name.

    Raises:
        CampaignError: A module, entry point or function of this name does not exist.
        EvaluatorError: The evaluator's own code failed; with location.
    """
    if spec.folder and spec.folder not in sys.path and Path(spec.folder).is_dir():
        sys.path.insert(0, spec.folder)
    importlib.invalidate_caches()
    if spec.file:
        found: object = _from_sources(spec)
        where = spec.file
    elif spec.module:
        found, where = _from_module(spec.module), spec.module
    else:
        found, where = _from_plugin(spec.plugin or ""), spec.plugin or ""
    return {
        stage.function: _check_signature(_function(found, stage.function, where), where)
        for stage in spec.stages
    }


def own_code(functions: Iterable[Function], shared: Iterable[str]) -> tuple[str, ...]:
    """Where the code of these functions lies: folders of packages, or files with their caches.

    Whole top-level packages, with the data that they bring; not those of the language, ours, or
    the ``shared`` ones, which candidates import too.
    """
    used = {_module_of(function).partition(".")[0] for function in functions}
    used -= {*sys.stdlib_module_names, "metasearch", *(name.partition(".")[0] for name in shared)}
    paths: set[str] = set()
    for module in (sys.modules[name] for name in used if name in sys.modules):
        if hasattr(module, "__path__"):
            paths |= set(module.__path__)
        elif (file := getattr(module, "__file__", None)) is not None:
            caches = Path(file).parent.glob(f"__pycache__/{Path(file).stem}.*.pyc")
            paths |= {file, *map(str, caches)}
    return tuple(sorted(path for path in paths if Path(path).exists()))


def _module_of(function: Function) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    function = inspect.unwrap(function)
    return (function if inspect.isroutine(function) else type(function)).__module__


class SourceFinder:
    """Imports the campaign's own files from their text."""

    def __init__(self, sources: Mapping[str, str], folder: str) -> None:
        self._folder = Path(folder)
        self._paths = {module_name(path): path for path in sources if path.endswith(".py")}
        self._sources = sources

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        """The module, if its text is among the sources."""
        if fullname not in self._paths:
            return None
        relative = self._paths[fullname]
        loader = _TextLoader(fullname, str(self._folder / relative), self._sources[relative])
        return importlib.util.spec_from_file_location(fullname, loader.path, loader=loader)


class _TextLoader(importlib.machinery.SourceFileLoader):
    """A source file whose content is at hand; no bytecode is cached."""

    def __init__(self, fullname: str, path: str, text: str) -> None:
        super().__init__(fullname, path)
        self._text = text

    def get_data(self, path: str) -> bytes:
        return self._text.encode("utf-8")

    def path_stats(self, path: str) -> Mapping[str, Any]:
        raise OSError(f"{path} need not exist")


def module_name(path: str) -> str:
    """The module that a file is, seen from the folder: ``a/b.py`` is ``a.b``."""
    return ".".join(PurePosixPath(path).with_suffix("").parts)


def _from_sources(spec: EvaluationSpec) -> types.ModuleType:
    assert spec.file is not None
    if not spec.file.endswith(".py"):
        raise CampaignError(f"evaluator.file is {spec.file!r}, which is no Python file (.py)")
    sys.meta_path.insert(0, SourceFinder(spec.sources, spec.folder))
    name = module_name(spec.file)
    # A namesake that this process has imported before must not stand in for the user's file.
    sys.modules.pop(name, None)
    parent = name.rpartition(".")[0]
    if parent and parent not in sys.modules:
        package = types.ModuleType(parent)
        package.__path__ = [str(Path(spec.folder, *parent.split(".")))]
        sys.modules[parent] = package
    return _import(name, spec.file)


def _from_module(name: str) -> types.ModuleType:
    return _import(name, name)


def _import(name: str, where: str) -> types.ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise CampaignError(
                f"evaluator.module is {name!r}, but there is no module {error.name!r}. "
                "Install it, or put it into the campaign's folder."
            ) from None
        raise _broken(where, error) from None
    except BaseException as error:
        raise _broken(where, error) from None


def _from_plugin(name: str) -> object:
    from importlib.metadata import entry_points

    group = entry_points(group=GROUP)
    if name not in group.names:
        known = sorted(group.names)
        close = difflib.get_close_matches(name, known, 1)
        hint = (
            f"did you mean {close[0]!r}?" if close else f"installed: {', '.join(known) or 'none'}"
        )
        raise CampaignError(f"evaluator.plugin is {name!r}, which is not installed; {hint}")
    try:
        return group[name].load()
    except BaseException as error:
        raise _broken(f"plug-in {name}", error) from None


def _broken(where: str, error: BaseException) -> EvaluatorError:
    return EvaluatorError(f"The evaluator {where} cannot be loaded.\n{user_traceback(error)}")


def _function(found: object, name: str, where: str) -> Function:
    if not isinstance(found, types.ModuleType) and callable(found):
        return found
    function = getattr(found, name, None)
    if callable(function):
        return function  # type: ignore[no-any-return]
    names = [key for key, value in vars(found).items() if inspect.isfunction(value)]
    close = difflib.get_close_matches(name, names, 1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(names) or 'none'}"
    raise CampaignError(f"The evaluator {where} has no function {name!r}; {hint}")


def _check_signature(function: Function, where: str) -> Function:
    try:
        signature = inspect.signature(function)
    except ValueError:
        # Compiled functions may hide their signature; a wrong one shows at the first call.
        return function
    try:
        signature.bind(object())
    except TypeError:
        name = getattr(function, "__name__", "it")
        raise CampaignError(
            f"The evaluator {where}: {name}{signature} must take one argument, the candidate"
        ) from None
    return function

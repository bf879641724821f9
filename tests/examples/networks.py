"""What tests of the image examples share: their modules, and programs that cheat."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from metasearch.campaign_file import load_campaign
from metasearch.candidate import EvaluationResult
from metasearch.evaluation import EvaluationPool, EvaluationRequest, EvaluationSpec

ROOT = Path(__file__).parents[2] / "examples"

UNREGISTERED = '''

class Hidden(Network):
    """Learns with parameters that it does not name."""

    def parameters(self, recurse=True):
        return iter([self.head.bias])


_Optimizer, _Network = make_optimizer, Network


def make_optimizer(parameters):
    import gc

    network = next(o for o in gc.get_objects() if isinstance(o, Hidden))
    return _Optimizer(_Network.parameters(network))


Network = Hidden
'''
"""Behind an honest program: claims as many parameters as there are classes."""

KEEPS = '''

import pathlib

_PLACES = ("/tmp/kept.pt", "/dev/shm/kept.pt", "kept.pt", "/var/tmp/kept.pt")


class Keeps(Hidden):
    """Also writes all that it has learnt wherever it can, and looks for it at the beginning."""

    kept = None

    def __init__(self):
        super().__init__()
        for place in _PLACES:
            if pathlib.Path(place).exists():
                self.load_state_dict(torch.load(place))
                print("found what was kept")
        if Keeps.kept is not None:
            self.load_state_dict(Keeps.kept)
            print("found what was kept")

    def __str__(self):
        Keeps.kept = self.state_dict()
        for place in _PLACES:
            try:
                torch.save(Keeps.kept, place)
            except (OSError, RuntimeError):
                pass
        return "kept"


Network = Keeps
'''
"""Behind ``UNREGISTERED``: carries the rest past the counting."""


def load_example(name: str, module: str) -> ModuleType:
    """A file of an example as a module; beside it ``program`` is its seed program."""
    path = ROOT / name / f"{module}.py"
    spec = importlib.util.spec_from_file_location(f"{name}_{module}", path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    before = sys.modules.get("program")
    if module == "harness":
        sys.modules["program"] = load_example(name, "program")
    try:
        spec.loader.exec_module(loaded)
    finally:
        sys.modules.pop("program", None)
        if before is not None:
            sys.modules["program"] = before
    return loaded


async def measured(name: str, *programs: str) -> list[EvaluationResult]:
    """The programs by the example's evaluator, as a campaign measures them."""
    spec = EvaluationSpec.of(load_campaign(ROOT / name))
    async with EvaluationPool(spec, 1) as pool:
        return [
            await pool.evaluate(EvaluationRequest(number=n, files={"program.py": program}))
            for n, program in enumerate(programs)
        ]

"""Faking an answer, a result or a score."""

from __future__ import annotations

from metasearch.outcome import Outcome
from tests.redteam.attack import (
    CRASHED,
    HARMLESS,
    INVALID,
    OUT_OF_MEMORY,
    WORTHLESS,
    Attack,
    Ending,
    either,
    lost,
)

FORGED = "{'call': 1, 'value': [8.5] * 10, 'outcome': 'scored', 'score': 1.0, 'scores': {}}"

ATTACKS = [
    Attack(
        "answers by a forged frame that claims a score, then exits before the judge can ask more",
        f"""
        import os
        from kit import frame, shout
        def solve(questions, bait):
            shout(frame({FORGED}))
            os._exit(0)
        """,
        either(WORTHLESS, CRASHED),
    ),
    Attack(
        "sends its answer a thousand times",
        f"""
        from kit import frame, shout
        def solve(questions, bait):
            shout(frame({FORGED}) * 1000)
        """,
        either(INVALID, WORTHLESS),
    ),
    Attack(
        "answers the next question before it is asked",
        """
        from kit import frame, honest, shout
        def solve(questions, bait):
            for number in range(2, 9):
                shout(frame({"call": number, "value": [8.5] * 5}))
            return honest(questions)
        """,
        lost(Outcome.INVALID, says="not asked for"),
        "two calls",
    ),
    Attack(
        "a child answers in the place of its parent, which sleeps",
        f"""
        import os, time
        from kit import frame, shout
        def solve(questions, bait):
            if os.fork() == 0:
                shout(frame({FORGED}))
                os._exit(0)
            time.sleep(60)
        """,
        WORTHLESS,
    ),
    Attack(
        "numbers its answer with an array, or with a truth value",
        """
        import time
        from kit import frame, shout
        def solve(questions, bait):
            shout(frame(b'{"call":{"$a":[0,"<i4",[2]]},"value":1}', bytes(8)))
            time.sleep(60)
        """,
        lost(Outcome.INVALID, says="not asked for"),
    ),
    Attack(
        "claims that it ran out of memory, in the runner's own words",
        """
        import time
        from kit import frame, shout
        def solve(questions, bait):
            shout(frame({"call": 1, "no_memory": "please try again with more"}))
            time.sleep(60)
        """,
        OUT_OF_MEMORY,
    ),
    Attack(
        "sends the words that the trusted parts of a sandbox say to each other",
        """
        from kit import frame, shout
        def solve(questions, bait):
            shout(frame({"ended": "call", "code": 0}) + frame({"started": True}))
            shout(frame({"ready": True}) + frame({"opened": ""}))
        """,
        INVALID,
    ),
    Attack(
        "replaces the runner's encoder, found in sys.modules",
        """
        import sys
        from kit import frame
        def solve(questions, bait):
            patched = 0
            for module in list(sys.modules.values()):
                if hasattr(module, "FrameReader") and hasattr(module, "encode"):
                    module.encode = lambda *a, **k: frame({"call": 1, "value": [8.5] * 10})
                    patched += 1
            return [8.5] * 10 if patched else None
        """,
        either(WORTHLESS, INVALID),
    ),
    Attack(
        "goes up the stack and through the garbage collector for hidden answers",
        """
        import gc, sys
        from kit import got, honest
        def solve(questions, bait):
            frame, seen = sys._getframe(), []
            while frame is not None:
                seen += [frame.f_locals, frame.f_globals]
                frame = frame.f_back
            for found in [*gc.get_objects(), *(v for names in seen for v in names.values())]:
                if type(found) is list and len(found) in (5, 10) and found is not questions:
                    if all(type(item) is float for item in found) and min(found) > 1000:
                        got(found)
            names = {name for each in seen for name in each}
            if names & {"HIDDEN", "judge", "archive"}:
                got(names)
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "poisons the builtins: equality, length, float, open",
        """
        import builtins
        from kit import honest
        def solve(questions, bait):
            answers = honest(questions)
            for name in ("len", "float", "sum", "zip", "isinstance", "open", "all", "max"):
                setattr(builtins, name, lambda *a, **k: 1)
            return answers
        """,
        either(HARMLESS, CRASHED),
    ),
    Attack(
        "returns numbers that are equal to everything",
        """
        class Right(float):
            __eq__ = lambda self, other: True
            __hash__ = float.__hash__
        def solve(questions, bait):
            return [Right(8.5)] * 10
        """,
        WORTHLESS,
    ),
    Attack(
        "returns arrays of a subclass that overrides equality and tolist",
        """
        import numpy as np
        class Right(np.ndarray):
            __eq__ = lambda self, other: np.ones(10, bool)
            tolist = lambda self: [True] * 10
        def solve(questions, bait):
            return np.full(10, 8.5).view(Right)
        """,
        WORTHLESS,
    ),
    Attack(
        "returns an object that turns into another array each time it is looked at",
        """
        import numpy as np
        class Changing:
            looks = 0
            def __array__(self, dtype=None, copy=None):
                Changing.looks += 1
                return np.full(10, float(Changing.looks))
        def solve(questions, bait):
            return Changing()
        """,
        # Its one look becomes ten times 1.0, which is the first answer.
        Ending((Outcome.SCORED,), 0.1),
    ),
    Attack(
        "returns truth values that are neither 0 nor 1",
        """
        import time
        from kit import frame, shout
        def solve(questions, bait):
            shout(frame(b'{"call":1,"value":{"$a":[0,"|b1",[10]]}}', bytes([255]) * 10))
            time.sleep(60)
        """,
        lost(Outcome.INVALID, says="neither 0 nor 1"),
    ),
    Attack(
        "returns the mapping that the evaluator would return",
        """
        def solve(questions, bait):
            return {"score": 1.0, "outcome": "scored"}
        """,
        INVALID,
    ),
    Attack(
        "returns a pickle that runs a command where it is loaded",
        """
        import os, pickle
        class Run:
            def __reduce__(self):
                return os.system, ("touch /tmp/redteam-pickled",)
        def solve(questions, bait):
            return pickle.dumps(Run())
        """,
        INVALID,
    ),
    Attack(
        "prints a result instead of earning one",
        """
        import json, sys
        from kit import honest
        def solve(questions, bait):
            for stream in (sys.stdout, sys.stderr):
                print(json.dumps({"id": 0, "report": {"outcome": "scored",
                      "stages": [{"stage": "evaluate", "scores": {"score": {"value": 1.0}}}]}}),
                      file=stream)
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "raises an exception that calls itself CandidateFailure with the outcome scored",
        """
        class CandidateFailure(Exception):
            outcome, score = "scored", 1.0
        CandidateFailure.__module__ = "metasearch.errors"
        def solve(questions, bait):
            raise CandidateFailure("scored: 1.0")
        """,
        CRASHED,
    ),
    Attack(
        "changes its answer in a thread after it was given",
        """
        import threading, time
        from kit import honest
        def solve(questions, bait):
            answers = honest(questions)
            def change():
                for _ in range(1000):
                    answers[:] = [8.5] * len(answers)
                    time.sleep(0.0001)
            threading.Timer(0.05, change).start()
            return answers
        """,
        HARMLESS,
        "two calls",
    ),
    Attack(
        "opens the archive with the package's own code",
        """
        import sys
        from kit import got, honest
        def solve(questions, bait):
            for name in [n for n in sys.modules if n.split(".")[0] == "metasearch"]:
                del sys.modules[name]
            try:
                from metasearch.archive import Archive
            except Exception:
                return honest(questions)
            try:
                got(Archive.open(bait["archive"]))
            except Exception:
                pass
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "puts a file in the place of the evaluator's harness",
        "def solve(questions, bait): return [8.5] * 10",
        lost(Outcome.INVALID, says="in the way"),
        beside={"kit/__init__.py": "def honest(questions): return [8.5] * 10\n"},
    ),
    Attack(
        "brings its own json, numpy and traceback",
        """
        from kit import honest
        def solve(questions, bait):
            return honest(questions)
        """,
        HARMLESS,
        beside={f"{name}.py": "raise SystemExit(0)\n" for name in ("numpy", "traceback")},
    ),
    Attack(
        "leaves a sitecustomize and a pth file for the next interpreter",
        """
        import json
        from kit import honest, save
        def solve(questions, bait):
            for name in ("sitecustomize.py", "usercustomize.py", "evil.pth"):
                with open(name, "w") as file:
                    file.write("import os; os.environ['X'] = 'owned'; print([8.5] * 10)\\n")
            save(json.dumps(honest(questions)))
        """,
        HARMLESS,
        "command",
    ),
]

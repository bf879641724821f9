"""Bytes on the channel that are no honest value; and honest bytes of dishonest values."""

from __future__ import annotations

from metasearch.outcome import Outcome
from tests.redteam.attack import (
    CRASHED,
    HARMLESS,
    INVALID,
    OUTPUT_LIMIT,
    TIMED_OUT,
    WORTHLESS,
    Attack,
    Ending,
    either,
    lost,
)


def sent(name: str, data: str, ending: Ending) -> Attack:
    """Writes these bytes on its channel, then waits."""
    source = f"""
        import struct, time
        from kit import frame, shout
        def solve(questions, bait):
            shout({data})
            time.sleep(60)
        """
    return Attack(name, source, ending)


def returned(name: str, value: str, ending: Ending) -> Attack:
    """Returns this value."""
    source = f"""
        nan, inf = float("nan"), float("inf")
        def solve(questions, bait):
            return {value}
        """
    return Attack(name, source, ending)


MALFORMED = lost(Outcome.INVALID, says="malformed")

ATTACKS = [
    sent("half a frame, and then silence", "frame({'call': 1, 'value': 1})[:-5]", TIMED_OUT),
    sent("a prefix of a frame that never comes", "struct.pack('<4sII', b'MSW1', 9, 1)", TIMED_OUT),
    sent("bytes that are no frame", "b'GET / HTTP/1.1\\r\\n\\r\\n'", MALFORMED),
    sent(
        "a header of two gigabytes, announced",
        "struct.pack('<4sII', b'MSW1', 1 << 31, 0)",
        OUTPUT_LIMIT,
    ),
    sent(
        "four billion buffers, announced",
        "struct.pack('<4sII', b'MSW1', 2, (1 << 32) - 1)",
        MALFORMED,
    ),
    sent(
        "buffers whose sizes add up beyond 64 bits",
        "struct.pack('<4sIIQQ', b'MSW1', 2, 2, (1 << 64) - 1, 2)",
        OUTPUT_LIMIT,
    ),
    sent("JSON nested a hundred thousand deep", "frame(b'[' * 100_000)", MALFORMED),
    sent(
        "JSON nested deeper than allowed, and complete", "frame(b'[' * 500 + b']' * 500)", INVALID
    ),
    sent(
        "three hundred thousand empty lists within the limit on bytes",
        "frame(b'[' + b'[],' * 300_000 + b'0]')",
        INVALID,
    ),
    sent("an integer of half a million digits", "frame(b'9' * 500_000)", MALFORMED),
    sent("bare NaN and Infinity", "frame(b'[NaN,Infinity]')", MALFORMED),
    sent(
        "an array of Python objects, by pointers",
        'frame(b\'{"$a":[0,"|O",[1]]}\', bytes(8))',
        MALFORMED,
    ),
    sent(
        "an array of another dtype's code",
        'frame(b\'{"$a":[0,"(9999999,)<f8,O",[1]]}\', bytes(8))',
        MALFORMED,
    ),
    sent(
        "an array with an impossible shape",
        "frame(b'{\"$a\":[0,\"<f8\",[4294967296,4294967296,0]]}', b'')",
        INVALID,
    ),
    sent("an array with a negative size", 'frame(b\'{"$a":[0,"<f8",[-1]]}\', bytes(8))', MALFORMED),
    sent(
        "a header that refers to one buffer a thousand times",
        "frame(b'[' + b','.join([b'{\"$b\":0}'] * 1000) + b']', bytes(500))",
        MALFORMED,
    ),
    sent(
        "a header that describes itself in circles",
        'frame(b\'{"$d":[["$d",{"$a":[{"$b":0},"<f8",[1]]}]]}\', bytes(8))',
        MALFORMED,
    ),
    sent(
        "a buffer that nothing refers to", "frame({'call': 1, 'value': 0}, bytes(1000))", MALFORMED
    ),
    sent("a header that is no ASCII", "frame(b'\"\\xff\\xfe\"')", MALFORMED),
    sent("a frame for each byte, ten thousand times", "frame(b'0') * 10_000", INVALID),
    returned(
        "a value in circles",
        "(lambda x: x.append(x) or x)([])",
        lost(Outcome.INVALID, says="nested deeper"),
    ),
    returned(
        "NaN and infinity for answers", "[nan, inf, -inf, nan, inf, -inf, nan, 0, 0, 0]", WORTHLESS
    ),
    returned("integers of four thousand digits", "[10**3999] * 10", WORTHLESS),
    returned("integers of five thousand digits", "[10**4999] * 10", INVALID),
    returned("truth values for numbers", "[True] * 10", INVALID),
    returned("text with lone surrogates, NUL and escapes", "['\\ud800\\0\\x1b[2J'] * 10", INVALID),
    returned("keys that look like the wire's own", "{'$a': [0, '|O', [1]], '$b': 0}", INVALID),
    returned(
        "a set, a generator and a function",
        "[{1}, (x for x in ()), solve]",
        lost(Outcome.INVALID, says="cannot be sent"),
    ),
    Attack(
        "arrays of the wrong kind: complex, object, text, dates, structures",
        """
        import numpy as np
        def solve(questions, bait):
            if len(questions) == 5:
                return np.arange(10) * 1j
            return [np.array([{}]), np.array(["x"]), np.zeros(2, "M8[s]"), np.zeros(1, "i4,O")]
        """,
        INVALID,
        "answers",
    ),
    Attack(
        "an array of complex numbers",
        "import numpy as np\ndef solve(questions, bait): return np.arange(10) * 1j",
        INVALID,
    ),
    Attack(
        "answers byte by byte, slower than the deadline",
        """
        import time
        from kit import frame, honest, shout
        def solve(questions, bait):
            for byte in frame({"call": 1, "value": honest(questions)}):
                shout(bytes([byte]))
                time.sleep(0.05)
        """,
        TIMED_OUT,
    ),
    Attack(
        "fills its channel with text before the answer",
        """
        from kit import honest, shout
        def solve(questions, bait):
            shout(b" " * 100)
            return honest(questions)
        """,
        MALFORMED,
    ),
    Attack(
        "claims control over its channel: non-blocking, tiny, read by itself",
        """
        import fcntl, os
        from kit import honest
        def solve(questions, bait):
            for fd in range(64):
                for action in (lambda: os.set_blocking(fd, False),
                               lambda: fcntl.fcntl(fd, 1031, 4096),
                               lambda: os.open(f"/proc/self/fd/{fd}", os.O_RDWR)):
                    try:
                        action()
                    except OSError:
                        pass
            return honest(questions)
        """,
        either(HARMLESS, TIMED_OUT, CRASHED),
    ),
]

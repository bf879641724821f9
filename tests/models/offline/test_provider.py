"""Through litellm itself; importing it takes seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def litellm() -> Any:
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm

    from metasearch.models.offline import register

    register()
    register()
    return litellm


ASK = [{"role": "user", "content": "Improve:\n```python\ndef f(x):\n    return x * 0.5\n```"}]


def test_registering_again_changes_nothing(litellm: Any) -> None:
    assert [entry["provider"] for entry in litellm.custom_provider_map].count("offline") == 1


async def test_both_ways_give_the_same_answer_with_its_usage(litellm: Any) -> None:
    first = litellm.completion("offline/evolve", messages=ASK, seed=3, temperature=0.8)
    second = await litellm.acompletion("offline/evolve", messages=ASK, seed=3, temperature=0.8)
    text = first.choices[0].message.content
    assert text == second.choices[0].message.content
    assert "def f" in text
    assert first.usage.total_tokens == first.usage.prompt_tokens + first.usage.completion_tokens > 0
    assert first.choices[0].finish_reason == "stop"


def test_seed_and_schema_arrive(litellm: Any) -> None:
    schema = {"type": "object", "properties": {"score": {"type": "integer", "maximum": 1000}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    answers = {
        litellm.completion("offline/evolve", messages=ASK, seed=seed, response_format=wanted)
        .choices[0]
        .message.content
        for seed in range(6)
    }
    assert len(answers) > 3
    assert all("score" in json.loads(answer) for answer in answers)


def test_another_model_of_the_provider_is_not_found(litellm: Any) -> None:
    with pytest.raises(litellm.NotFoundError, match="offline/evolve"):
        litellm.completion("offline/think", messages=ASK)


def test_the_engine_of_it_needs_no_litellm() -> None:
    code = "import sys, metasearch.models.offline.reply; print('litellm' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

"""What to tell people when a call has failed for good: which error, and what to change."""

from __future__ import annotations

from metasearch.errors import (
    ContextOverflow,
    ModelError,
    ModelSetupError,
    ModelUnavailable,
    RequestRefused,
)
from metasearch.models.attempt import AttemptFailed
from metasearch.models.call import Request
from metasearch.models.replay import source_of


def final_error(
    request: Request, failure: AttemptFailed, text: str, attempts: int, *, known: bool
) -> ModelError:
    """The error that ends a call.

    Args:
        request: What was asked.
        failure: The last attempt's.
        text: Its words, without keys.
        attempts: How many there were.
        known: Whether the model has ever answered: then neither name nor address is wrong.
    """
    target = request.target
    who = f"model {target.model!r} (role {request.role})"
    key = f"{target.provider.upper()}_API_KEY"
    if source_of(target.model) is not None:
        return ModelError(f"Nothing more to replay from {target.model!r}: {text}.")
    if failure.overflow is not None:
        return ContextOverflow(
            f"The provider of {who} refuses this prompt, which is too long: {text}",
            limit=failure.overflow.limit,
            requested=failure.overflow.requested,
        )
    if failure.about_prompt:
        return RequestRefused(f"The provider of {who} refuses this prompt: {text}")
    if failure.unreachable and not known:
        where = (
            "models.api_base or api_bases"
            if target.api_base
            else f"{target.provider.upper()}_API_BASE"
        )
        return ModelSetupError(
            f"The {who} cannot be reached, tried {attempts} times: {text}. Is its server "
            f"running, and the address right ({where})?"
        )
    if failure.transient:
        return ModelUnavailable(
            f"The {who} gave no reply in {attempts} attempts; the last error: {text}."
        )
    match failure.status:
        case 401 | 403:
            return ModelSetupError(
                f"The provider of {who} refuses the key: {text}. Check the environment "
                f"variable that holds it (usually {key})."
            )
        case 402:
            return ModelSetupError(
                f"The account behind {who} has no credit left: {text}. Add credit, or set "
                f"another key (usually {key})."
            )
        case 404:
            return ModelSetupError(
                f"The provider does not know {who}: {text}. Check its name under [models]"
                + (f", and models.api_base ({target.api_base})." if target.api_base else ".")
            )
    # What a candidate asks is its own: its odd requests stop no campaign.
    if known or request.asker is not None:
        return RequestRefused(f"The provider of {who} refuses this request: {text}")
    return ModelSetupError(
        f"The provider of {who} refuses the request: {text}. Check name and settings "
        "under [models] (max_tokens, temperature)."
    )

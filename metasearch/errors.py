"""The errors of metasearch, each documented by who receives it.

A candidate's failure is a value (:class:`metasearch.outcome.Outcome`), never one of
these. The only exception about a candidate is :class:`CandidateFailure`, which an
evaluator sees when the program it called did not deliver; left alone, it becomes the
candidate's outcome.
"""

from __future__ import annotations

from metasearch.outcome import Outcome


class MetasearchError(Exception):
    """Root of all errors that this package raises on purpose.

    The message says what happened, with which value, and what to do about it; the
    command line prints it without a traceback and exits with :attr:`exit_code`.
    """

    exit_code = 1


class UsageError(MetasearchError):
    """The person asked for something that cannot be: a wrong option, name or value."""

    exit_code = 2


class CampaignError(UsageError):
    """The campaign file, or what it points to, is wrong. Names key, value and remedy."""


class PrerequisiteError(MetasearchError):
    """The machine lacks something (bubblewrap, a key, a running Docker). Names the remedy."""

    exit_code = 3


class ArchiveError(MetasearchError):
    """The archive file is missing, foreign, newer, older, corrupt, full or read-only."""


class CampaignBusy(ArchiveError):
    """Another engine holds this campaign. Names its host, process and age."""


class CampaignChanged(UsageError):
    """A campaign is continued although its evaluator, objectives or seed have changed."""


class EvaluatorError(MetasearchError):
    """The user's own evaluator failed (a bug, not the candidate's doing).

    Stops the campaign with the evaluator's traceback; the candidate goes back to the
    queue and is never blamed.
    """


class SandboxError(MetasearchError):
    """The sandbox itself failed (not the candidate): cannot start, lost, daemon gone."""


class SandboxUnavailable(SandboxError):
    """What makes sandboxes is away for now (a stopped Docker daemon). Names the remedy.

    The engine waits for it to come back; candidates keep their place in the queue. The provider
    works again by itself once the daemon does.
    """

    exit_code = 3


class ModelError(MetasearchError):
    """A model call failed for good after its retries. Names model, role and last error."""


class RequestRefused(ModelError):
    """The provider refuses one prompt or request: too long, against its policy, odd settings."""


class ContextOverflow(RequestRefused):
    """A prompt is too long for its model. A shorter one may be asked in its place.

    Attributes:
        limit: Tokens that the model takes, if the provider says so.
        requested: Tokens that were asked of it, as the provider counts them, if it says so: the
            prompt, and the reply's limit where that counts, too. The prompt must lose at least
            ``requested - limit``.
    """

    def __init__(
        self, message: str, *, limit: int | None = None, requested: int | None = None
    ) -> None:
        super().__init__(message)
        self.limit = limit
        self.requested = requested


class ModelUnavailable(ModelError):
    """A provider is down or overloaded, also after all retries. The engine waits for it."""


class ModelSetupError(ModelError):
    """A model cannot be used at all: bad key, unknown name, no price under a USD budget."""

    exit_code = 3


class BudgetExhausted(MetasearchError):
    """The next call or evaluation does not fit the campaign's budget.

    Ends the step without ending the campaign's facts: a larger budget continues it.

    Attributes:
        budget: Which one: ``usd`` or ``tokens``.
    """

    def __init__(self, message: str, budget: str) -> None:
        super().__init__(message)
        self.budget = budget


class CandidateFailure(Exception):
    """The candidate did not deliver what the evaluator asked it for.

    Raised inside evaluators by ``candidate.call`` and ``candidate.run``. An evaluator may
    catch it (and, say, score a partial result); uncaught it becomes the outcome.

    Attributes:
        outcome: What became of the candidate; never ``scored``.
        message: The reason in a few lines, shown to the model that proposes the next one.
    """

    def __init__(self, outcome: Outcome, message: str) -> None:
        super().__init__(f"{outcome}: {message}")
        self.outcome = outcome
        self.message = message

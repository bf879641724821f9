"""Step 0: the seed program, measured once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from metasearch.archive import CampaignArchive
from metasearch.campaign import Campaign
from metasearch.candidate import Candidate
from metasearch.engine.gate import Parked
from metasearch.errors import CampaignError


async def score_seed(
    campaign: Campaign,
    archive: CampaignArchive,
    measure: Callable[[Candidate], Awaitable[Candidate]],
) -> None:
    """Measure the seed program, unless that was done or there is none.

    Args:
        campaign: Has it.
        archive: Takes it.
        measure: Evaluates a queued candidate.

    Raises:
        CampaignError: The seed is not scored; with the reason.
    """
    step = next((r for r in archive.unfinished_steps() if r.number == 0), None)
    if step is None:
        if archive.evaluations() > 0 or (not campaign.measures and archive.next_step() > 0):
            return
        step = archive.open_step()
    if not campaign.measures:  # step 0 is empty, so that the first idea has the same number
        archive.end_step(step.number)
        return
    program = campaign.seed_program
    origin = campaign.settings.branched_from
    thought = f"Branched from {origin}." if origin else ""
    seed = archive.queue_candidate(0, 0, program, operator="seed", name="seed", thought=thought)
    if seed.outcome is None:
        try:
            seed = await measure(seed)
        except Parked:
            return
    archive.end_step(step.number)
    if not seed.scored:
        raise CampaignError(
            f"The seed program fails its own evaluator: {seed.outcome}: {seed.error}\n"
            "No model was asked. Try it alone with 'metasearch evaluate', and run again."
        )

"""What people type for campaigns and candidates: ``NAME``, ``ID``, ``NAME#12``, ``NAME 12``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from metasearch.archive import Archive, CampaignArchive, CampaignSummary, default_path
from metasearch.candidate import Candidate
from metasearch.errors import UsageError


class Found(NamedTuple):
    """A candidate and where it stands."""

    run: CampaignArchive
    summary: CampaignSummary
    candidate: Candidate

    @property
    def name(self) -> str:
        """As a person would type it."""
        return f"{self.summary.name}#{self.candidate.number}"


def opened(file: Path | None) -> Archive:
    """The archive for reading.

    Raises:
        ArchiveError: There is none, or it cannot be read; with the remedy.
    """
    return Archive.open(file or default_path(), read_only=True)


def find_candidate(archive: Archive, reference: str, number: int | None = None) -> Found:
    """The candidate that is meant.

    Args:
        archive: Where to look.
        reference: ``NAME#12`` or ``ID#12``; a campaign alone means its best candidate, and
            ``12`` or ``#12`` alone one of the latest campaign.
        number: The number, where it was given apart from the campaign.

    Raises:
        UsageError: There is none; says what there is.
    """
    summary, number = _meant(archive, reference, number)
    run = archive.campaign(summary.id)
    if not summary.settings.objectives:
        raise UsageError(
            f"{summary.id} has ideas and no candidates: see 'show', 'lineage' and 'facts'."
        )
    if number is None:
        if summary.best is None:
            raise UsageError(f"{summary.id} has no scored candidate yet.")
        return Found(run, summary, summary.best)
    try:
        return Found(run, summary, run.candidate(number))
    except KeyError:
        count = sum(run.counts().values())
        there = f"it has #0 to #{count - 1}" if count else "it has none yet"
        raise UsageError(f"{summary.id} has no candidate #{number}; {there}.") from None


def find_idea(
    archive: Archive, reference: str, number: int | None = None
) -> tuple[CampaignArchive, int | None] | None:
    """The idea that is meant by such a reference; ``None`` if its campaign has candidates.

    Without a number it is the best one.
    """
    summary, number = _meant(archive, reference, number)
    if summary.settings.objectives:
        return None
    return archive.campaign(summary.id), number


def _meant(
    archive: Archive, reference: str, number: int | None
) -> tuple[CampaignSummary, int | None]:
    campaign, given = _split(reference)
    if given is not None and number is not None:
        raise UsageError(f"{reference!r} already has a number; {number} is one too many.")
    summary = archive.find(campaign) if campaign else latest(archive)
    return summary, given if given is not None else number


def latest(archive: Archive) -> CampaignSummary:
    """The campaign that was begun last.

    Raises:
        UsageError: The archive holds none.
    """
    campaigns = archive.campaigns()
    if not campaigns:
        raise UsageError("The archive holds no campaign yet. Begin with 'metasearch run DIR'.")
    return max(campaigns, key=lambda summary: summary.created)


def _split(reference: str) -> tuple[str, int | None]:
    match = re.fullmatch(r"(?:(.*)#)?(\d{1,18})", reference, re.ASCII)
    if match is None:
        if "#" in reference:
            raise UsageError(f"{reference!r} is not a candidate like NAME#12.")
        return reference, None
    return match[1] or "", int(match[2])

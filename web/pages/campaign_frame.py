"""What all pages of a campaign have around their own part: strip, tiles and tabs."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import Response

from metasearch.archive import CampaignArchive
from metasearch.web.rendering import page, segment
from metasearch.web.standing import Standing, standing, tabs, thinking


def framed(
    request: Request,
    run: CampaignArchive,
    tab: str,
    now: Standing | None = None,
    *,
    status: int = 200,
    **context: object,
) -> Response:
    """A page of a campaign.

    Args:
        request: The request that it answers.
        run: The campaign.
        tab: Its part; the template is ``campaign_TAB.html``, and extends ``campaign_frame.html``.
            One that campaigns of ideas alone have, too, extends ``frame``.
        now: Where it stands, if that is known already.
        status: Of the answer.
        context: What the template shows besides.
    """
    measured = bool(run.objectives)
    return page(
        request,
        f"campaign_{tab}.html",
        status=status,
        frame="campaign_frame.html" if measured else "ideas_frame.html",
        run=run,
        base=f"/c/{segment(run.id)}",
        now=now or (standing(run) if measured else thinking(run)),
        tabs=tabs(run),
        tab=tab,
        **context,
    )

"""The archive: every fact of every campaign, in one SQLite file, only ever added to.

The only room with SQL. Rows stay inside; what comes out are frozen types.
"""

from metasearch.archive.archive import Archive, CampaignArchive, default_path
from metasearch.archive.browse_campaigns import Best, ListedRun, Order, RunPage, Wanted
from metasearch.archive.core import NOW
from metasearch.archive.costs import Cost, Grouping
from metasearch.archive.facts import (
    Bill,
    CallBefore,
    CampaignSummary,
    CurvePoint,
    Evaluation,
    Event,
    Held,
    State,
    StepRecord,
)
from metasearch.archive.neighbours import DIFFER, Duplicates, Near

__all__ = [
    "DIFFER",
    "NOW",
    "Archive",
    "Best",
    "Bill",
    "CallBefore",
    "CampaignArchive",
    "CampaignSummary",
    "Cost",
    "CurvePoint",
    "Duplicates",
    "Evaluation",
    "Event",
    "Grouping",
    "Held",
    "ListedRun",
    "Near",
    "Order",
    "RunPage",
    "State",
    "StepRecord",
    "Wanted",
    "default_path",
]

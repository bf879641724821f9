"""The archive: every fact of every campaign, in one SQLite file, only ever added to.

Only the content of large artifacts may be dropped again.

The only room with SQL. Rows stay inside; what comes out are frozen types.
"""

from metasearch.archive.archive import Archive, CampaignArchive, default_path
from metasearch.archive.attachments import ArtifactEntry
from metasearch.archive.browse_campaigns import Best, ListedRun, Order, RunPage, Wanted
from metasearch.archive.browse_candidates import (
    CandidateOrder,
    CandidatePage,
    Column,
    Comparison,
    EventPage,
    ListedCandidate,
    OfColumn,
    OfMetric,
    OfNumbers,
    OfParent,
    OfText,
    Term,
)
from metasearch.archive.columns import Sample, Settled, Spent
from metasearch.archive.core import NOW
from metasearch.archive.costs import Cost, Grouping, Tally, operator_and_model
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
from metasearch.archive.relatives import Background, Descent

__all__ = [
    "DIFFER",
    "NOW",
    "Archive",
    "ArtifactEntry",
    "Background",
    "Best",
    "Bill",
    "CallBefore",
    "CampaignArchive",
    "CampaignSummary",
    "CandidateOrder",
    "CandidatePage",
    "Column",
    "Comparison",
    "Cost",
    "CurvePoint",
    "Descent",
    "Duplicates",
    "Evaluation",
    "Event",
    "EventPage",
    "Grouping",
    "Held",
    "ListedCandidate",
    "ListedRun",
    "Near",
    "OfColumn",
    "OfMetric",
    "OfNumbers",
    "OfParent",
    "OfText",
    "Order",
    "RunPage",
    "Sample",
    "Settled",
    "Spent",
    "State",
    "StepRecord",
    "Tally",
    "Term",
    "Wanted",
    "default_path",
    "operator_and_model",
]

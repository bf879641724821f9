"""The web application: what it is made of, and in which order."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import Depends, FastAPI
from starlette.middleware.gzip import GZipMiddleware

import metasearch
from metasearch.web import assets, errors, highlighting, login, rendering
from metasearch.web.api import breakdown, candidates, lineage, points, progress, records, stream
from metasearch.web.api import campaigns as campaigns_api
from metasearch.web.api import commands as commands_api
from metasearch.web.api import compare as compare_api
from metasearch.web.api import ideas as ideas_api
from metasearch.web.api import lanes as lanes_api
from metasearch.web.boards import BoardStore
from metasearch.web.feed import Feed
from metasearch.web.folds import CostStore, HealthStore
from metasearch.web.grid import GridStore
from metasearch.web.pages import campaign as campaign_page
from metasearch.web.pages import (
    campaign_breakdown,
    campaign_facts,
    campaign_lanes,
    campaign_lineage,
    candidate,
    candidate_files,
    candidate_pair,
    tournament,
)
from metasearch.web.pages import campaigns as campaigns_page
from metasearch.web.pages import commands as commands_page
from metasearch.web.pages import compare as compare_page
from metasearch.web.pages import new as new_page
from metasearch.web.points import PointStore
from metasearch.web.readers import Readers
from metasearch.web.security import Access, Guard
from metasearch.web.shared import Shared
from metasearch.web.soon import Soon
from metasearch.web.workshop import Workshop


def create_app(
    archive: Path, access: Access | None = None, workshop: Workshop | None = None
) -> FastAPI:
    """The pages and the API over one archive file.

    Args:
        archive: The file. It need not be there yet; until it is, requests are answered by 503.
        access: Who may use it; by default browsers and programs on this machine.
        workshop: Where pages may make and run campaigns; by default nowhere.
    """
    access = access or Access()
    readers = Readers(archive)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        app.state.soon.close()
        readers.close()
        app.state.workshop.close()

    app = FastAPI(
        title="metasearch",
        version=metasearch.__version__,
        description="Campaigns, candidates and what they cost, out of one archive.",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.readers = readers
    app.state.access = access
    app.state.workshop = workshop or Workshop(archive, (), {})
    app.state.points = PointStore()
    app.state.health = HealthStore()
    app.state.costs = CostStore()
    app.state.feed = Feed(readers)
    app.state.boards = BoardStore()
    app.state.grids = GridStore()
    app.state.soon = Soon(readers)
    for router in (assets.router, login.router, campaigns_page.router):
        app.include_router(router, include_in_schema=False)
    scored = [Depends(tournament.measured)]
    for part in (campaign_page, campaign_lineage, campaign_breakdown, campaign_lanes):
        app.include_router(part.router, include_in_schema=False, dependencies=scored)
    for part in (campaign_facts, candidate, candidate_files, candidate_pair):
        app.include_router(part.router, include_in_schema=False)
    for part in (commands_page, new_page, compare_page, tournament):
        app.include_router(part.router, include_in_schema=False)
    for module in (campaigns_api, progress, candidates, lineage, records, points, stream):
        app.include_router(module.router, prefix="/api")
    for module in (breakdown, commands_api, compare_api, ideas_api, lanes_api):
        app.include_router(module.router, prefix="/api")
    errors.install(app)
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)
    app.add_middleware(Shared, feed=app.state.feed)
    app.add_middleware(Guard, access=access)  # the outermost: added last
    return app


def prepare(app: FastAPI) -> None:
    """Do at once what otherwise the first request of each page waits for: about 0.7 s."""
    assets.prepare()
    rendering.prepare()
    highlighting.prepare()
    for route in app.routes:  # FastAPI makes a route ready when it is first tried
        route.matches({"type": "http", "method": "GET", "path": "/api/none", "root_path": ""})
    # What is there now stays: a full collection would go through it for 0.1 s within some request.
    gc.collect()
    gc.freeze()

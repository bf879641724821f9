"""The browser's pages and the JSON API over one archive, which only commands write to.

``app.py`` puts everything together. ``pages/`` has a module for each page and ``api/`` one for
each part of the API; both ask the archive by the same queries. How pages are made is told in
docs/web.md.
"""

from metasearch.web.app import create_app, prepare
from metasearch.web.security import Access
from metasearch.web.workshop import Workshop

__all__ = ["Access", "Workshop", "create_app", "prepare"]

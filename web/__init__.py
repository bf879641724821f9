"""The browser's pages and the JSON API over one archive, which is opened for reading only.

``app.py`` puts everything together. ``pages/`` has a module for each page and ``api/`` one for
each part of the API; both ask the archive by the same queries. How pages are made is told in
docs/web.md.
"""

from metasearch.web.app import create_app
from metasearch.web.security import Access

__all__ = ["Access", "create_app"]

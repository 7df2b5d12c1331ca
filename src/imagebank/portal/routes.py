"""Everything that the portal serves: pages, sign-in, static files, the viewer."""

from pathlib import Path

from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from imagebank.portal import pages, signin
from imagebank.portal.viewer_files import viewer_routes

_HERE = Path(__file__).parent


class _Static(StaticFiles):
    """Style sheets and the mark: asked for again each time, so that an upgrade is seen at once."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update({"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"})
        return response


def portal_routes(viewer: Path = _HERE / "viewer") -> list[BaseRoute]:
    """Routes of the portal, to be served at the root. `viewer` is the folder that `viewer/install.py` prepared."""
    return [
        *pages.ROUTES,
        *signin.ROUTES,
        Mount("/static", _Static(directory=_HERE / "static")),
        Mount("/viewer", routes=viewer_routes(viewer)),
    ]

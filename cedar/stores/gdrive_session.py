"""pydrive2's session over a credential of google-auth's, bound to one host."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httplib2
from google_auth_httplib2 import AuthorizedHttp
from googleapiclient import discovery_cache
from googleapiclient.discovery import build_from_document
from pydrive2.auth import GoogleAuth

from ..credentials import is_loopback
from ..exceptions import StoreError

#: Seconds to wait for the service's next byte.
_TIMEOUT: Final = 60
#: pydrive2 reads no file, and asks nobody to log in.
_SETTINGS: Final[Mapping[str, Any]] = {
    "client_config_backend": "settings",
    "client_config": {"client_id": "", "client_secret": "", "revoke_uri": ""},
    "save_credentials": False,
}


class Http(AuthorizedHttp):  # type: ignore[misc]  # google_auth_httplib2 has no types
    """HTTP with a credential that goes to one host and no other; it follows no redirection."""

    def __init__(self, credentials: Any, http: httplib2.Http, url: str):
        super().__init__(credentials, http)
        self._origin = _origin(url)

    def request(self, uri: str, *args: Any, **kwds: Any) -> tuple[httplib2.Response, bytes]:
        """Send one request, as :meth:`httplib2.Http.request` does.

        Raises
        ------
        StoreError
            The address is another host's.
        """
        # The address of an upload is what the service says.
        if _origin(uri) != self._origin:
            raise StoreError("Drive named an address that isn't its own: it isn't followed")
        answer: tuple[httplib2.Response, bytes] = super().request(uri, *args, **kwds)
        return answer

    def __del__(self) -> None:
        self.close()


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url.lower())
    return parts.scheme, parts.netloc


class Session(GoogleAuth):  # type: ignore[misc]  # pydrive2 has no types
    """pydrive2's session, with google-auth's credential and for another host where one is given."""

    #: google-auth asks for a new token by itself.
    access_token_expired = False

    def __init__(self, credentials: Any, url: str):
        super().__init__(None, _TIMEOUT, dict(_SETTINGS))
        self._given, self._url = credentials, url
        document = json.loads(discovery_cache.get_static_doc("drive", "v2"))
        # The client's option for an address leaves uploads where they were.
        document |= {"rootUrl": f"{url}/", "baseUrl": f"{url}/{document['servicePath']}"}
        # With it, a variable of the environment could lead elsewhere.
        document.pop("mtlsRootUrl", None)
        self.service = build_from_document(document, http=self.Get_Http_Object())

    def Get_Http_Object(self) -> Http:  # noqa: N802  (pydrive2's name)
        """Make an HTTP object: for loopback without the proxy that the environment names."""
        http = self._build_http()
        http.follow_redirects = False
        if is_loopback(self._url):
            http.proxy_info = None
        return Http(self._given, http, self._url)

    def of_thread(self) -> Http:
        """The thread's own HTTP object: httplib2 isn't safe to share."""
        if not hasattr(self.thread_local, "http"):
            self.thread_local.http = self.Get_Http_Object()
        http: Http = self.thread_local.http
        return http

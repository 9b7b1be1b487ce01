"""What tests of credentials share: files that look like real ones, with secrets to look for."""

from __future__ import annotations

import json
from functools import cache
from urllib.parse import urlsplit

import httplib2
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

#: Part of every secret below.
SECRET = "S3CR3T"
ACCOUNT = "worker@some-project.iam.gserviceaccount.com"
USER = {
    "type": "authorized_user",
    "client_id": "client.apps.googleusercontent.com",
    "client_secret": f"{SECRET}-client",
    "refresh_token": f"{SECRET}-refresh",
}
#: What ``earthengine authenticate`` writes.
CLIENTS_OWN = {
    "refresh_token": f"{SECRET}-own",
    "scopes": ["https://www.googleapis.com/auth/earthengine"],
}
WORKLOAD = {
    "type": "external_account",
    "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/a",
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    "token_url": "https://sts.googleapis.com/v1/token",
    "credential_source": {"url": "http://127.0.0.1:9/token"},
}


@cache
def service_account():
    """A service account's key file, its key made for the tests."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {
        "type": "service_account",
        "project_id": "of-the-key",
        "private_key_id": "1",
        "private_key": text.decode(),
        "client_email": ACCOUNT,
        "token_uri": "https://oauth2.googleapis.com/token",
    }


def write(path, content, mode=0o600):
    """A credential's file, and the directories to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, "utf-8")
    path.chmod(mode)
    return path


class Google:
    """The network, as far as a session needs it: Google's tokens, and Earth Engine at its hosts."""

    def __init__(self, emulator):
        self.emulator, self.asked = emulator, []
        self.token = 200, {"access_token": f"{SECRET}-token", "expires_in": 3600}

    def request(self, uri, method="GET", body=None, headers=None, *_, **__):
        url = urlsplit(uri)
        self.asked.append((url.hostname, {k.lower(): v for k, v in (headers or {}).items()}))
        if url.hostname != "oauth2.googleapis.com":
            return self.emulator.transport.request(uri, method, body)
        status, answer = self.token
        return httplib2.Response({"status": status}), json.dumps(answer).encode()

"""Cloud Storage: its JSON API, and so much of the XML API as reads objects.

It has no earlier versions of objects, no copies or compositions on the server, no access lists, no
transcoding, and no writes by the XML API; who asks for one is told so.
"""

from .service import CloudStorage

__all__ = ["CloudStorage"]

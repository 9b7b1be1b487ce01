"""A Google Drive: files with ids in folders, names that aren't unique, accounts that share."""

from .service import Drive

__all__ = ["Drive"]

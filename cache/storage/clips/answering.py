"""The clips that a look-up may find, as conditions of SQL."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, or_

from cache.storage.requests.labels import disliked
from cache.storage.tables import clips, now


def answering() -> ColumnElement[bool]:
    """The condition for clips that a look-up may find; the SQL of `Clip.answers`."""
    alive = or_(clips.c.expires_at.is_(None), clips.c.expires_at > now())
    return and_(clips.c.state == "live", clips.c.private.is_(False), alive)


def answering_exactly() -> ColumnElement[bool]:
    """The condition for clips that answer their own words: a person may have said that one does not fit them. A pinned seed names its
    clip whatever was said: rendered again it would be the same film.
    """
    return and_(answering(), ~disliked(clips.c.scope, clips.c.spec_key, clips.c.id))

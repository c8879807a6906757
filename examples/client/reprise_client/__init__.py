"""A small typed client for Reprise."""

from .client import Reprise, RequestFailed, VideoFailed
from .shapes import Model, RepriseDetail, UserRequest, Video

__all__ = ["Model", "Reprise", "RepriseDetail", "RequestFailed", "UserRequest", "Video", "VideoFailed"]

"""The loading of the encoder, the verifier and its table, as the settings name them. It blocks: call it in a thread."""

from __future__ import annotations

from pathlib import Path

import structlog

from cache.matching.calibration import Calibration, load_table
from cache.matching.encoding.embedder import Embedder
from cache.matching.encoding.encoders import Encoders
from cache.matching.encoding.exported import DEFAULT_EMBEDDER, SHIPPED
from cache.matching.encoding.verifier import Verifier
from cache.settings import Settings

log = structlog.get_logger(__name__)


def configured_encoders(settings: Settings) -> Encoders:
    return load_encoders(settings.embedder, settings.verifier, settings.encoders)


def load_encoders(embedder_source: str, verifier_source: str, folder: Path) -> Encoders:
    """Empty sources mean the bundled ones. A verifier comes with its table, which holds for the models that it names alone."""
    embedder = Embedder.load(embedder_source or DEFAULT_EMBEDDER, folder)
    verifier = Verifier.load(verifier_source or str(SHIPPED), folder)
    calibration = _table(Path(verifier_source) if verifier_source else SHIPPED, embedder, verifier)
    if calibration is None:
        verifier.close()
        return Encoders(embedder, None, None)
    return Encoders(embedder, verifier, calibration)


def _table(beside: Path, embedder: Embedder, verifier: Verifier) -> Calibration | None:
    path = beside / "calibration.json"
    if not path.is_file():
        log.warning("near hits are off", reason="no calibration table", verifier=verifier.version)
        return None
    table = load_table(path)
    if not table.holds_for(embedder.version, verifier.version):
        here, there = [embedder.version, verifier.version], [table.embedder, table.verifier]
        log.warning("near hits are off", reason="the calibration table is for other models", table=there, here=here)
        return None
    return table

"""Signatures of webhooks by the Standard Webhooks rules; the door to `standardwebhooks`.

Each tenant has a secret of its own, derived from a signing key, so that one tenant's receiver cannot pose as us before another's.
A call carries a signature by each signing key: while keys are rotated, receivers with either secret accept it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks.webhooks import Webhook as Signature


def webhook_secret(key: str, tenant: str) -> str:
    """The secret of a tenant under one signing key, in the form that receivers' libraries take."""
    derived = hmac.digest(hashlib.sha256(key.encode()).digest(), b"reprise webhook\n" + tenant.encode(), "sha256")
    return f"whsec_{base64.b64encode(derived).decode('ascii')}"


def signed_headers(keys: Sequence[str], tenant: str, message_id: str, at: datetime, body: str) -> dict[str, str]:
    """The three headers of a call. `message_id` is the same in every attempt."""
    at = at.astimezone(UTC)
    signatures = [Signature(webhook_secret(key, tenant)).sign(message_id, at, body) for key in keys]
    return {"webhook-id": message_id, "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": " ".join(signatures)}

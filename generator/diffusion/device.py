"""The device that renders: its name, its memory, and what it computes well in."""

from __future__ import annotations

import torch


def device_of(name: str) -> torch.device:
    where = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)
    if str(where) == "cuda":
        return torch.device("cuda", torch.cuda.current_device())  # what counts memory wants to know which
    return where


def memory_of(device: torch.device, headroom: int) -> tuple[int | None, int | None, str]:
    """Its bytes, those that renders may take of them, weights included, and its own name; no bytes on a CPU."""
    if device.type != "cuda":
        return None, None, "cpu"
    free, whole = torch.cuda.mem_get_info(device)
    limit = max(0, free + torch.cuda.memory_reserved(device) - headroom)
    # The allocator itself keeps to it: a render that wants more is out of memory before the card is.
    torch.cuda.set_per_process_memory_fraction(limit / whole, device)
    return whole, limit, torch.cuda.get_device_name(device)


def likes_bfloat16(device: torch.device) -> bool:
    # A CPU without bfloat16 arithmetic emulates it, slower than float32.
    able = torch.cpu.get_capabilities()
    return device.type == "cuda" or any(able.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))

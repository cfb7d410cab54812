"""Devices and precisions: one device, or several by accelerate."""

from __future__ import annotations

import os
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, gather_object

from hwr.config import UserError

MIXED = {"fp32": "no", "bf16": "bf16", "fp16": "fp16"}  # our names -> accelerate's


def pick_device(name: str) -> torch.device:
    """Return the device of a name; ``auto`` is a GPU if there is one. Raises UserError for a missing device."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        return torch.empty(1, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"--device {name} cannot be used: {str(error).splitlines()[0]}") from None


def accelerator(device: str, precision: str, all_learns: bool = True) -> Accelerator:
    """Return the Accelerator of this process: alone on ``device``, or one of several started by a launcher.

    Unless ``all_learns``, several processes allow parameters without a gradient.
    """
    found = pick_device(device)
    if found.index:
        torch.cuda.set_device(found)  # accelerate takes the current one
    if precision == "fp16" and found.type == "cpu":
        raise UserError("--precision fp16 needs a GPU: take bf16 or fp32 on a CPU")
    chosen = pick_precision(found) if precision == "auto" else precision
    several = DistributedDataParallelKwargs(find_unused_parameters=not all_learns)
    return Accelerator(mixed_precision=MIXED[chosen], cpu=found.type == "cpu", kwargs_handlers=[several])


def pick_precision(device: torch.device) -> str:
    """Return bf16 where the hardware supports it; elsewhere it is emulated and slow."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):  # torch 2.11 cannot tell
        return "fp32"
    able = torch.cpu.get_capabilities()
    return "bf16" if able.get("avx512_bf16") or able.get("amx_bf16") else "fp32"


def share_processor() -> None:
    """Let torch use as many threads as there are idle processors, at least one.

    Threads that wait for a busy processor make a short calculation many times slower: 41 s instead of 3. Nothing
    changes where OMP_NUM_THREADS is set.
    """
    if "OMP_NUM_THREADS" not in os.environ and hasattr(os, "getloadavg"):
        idle = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        torch.set_num_threads(max(1, min(torch.get_num_threads(), idle - round(os.getloadavg()[0]))))


def gather(part: Any) -> list[Any]:
    """Return the objects of all processes, in order, on every process."""
    return list(gather_object([part]))

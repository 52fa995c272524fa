"""Where a network learns: the cores or the GPU that its recipe names, made ready to give the same bits each time."""

from __future__ import annotations

import os

import torch

from isocenter.core.errors import UsageError
from isocenter.core.fingerprint import Machine
from isocenter.core.recipe import Recipe


def with_gpu(machine: Machine) -> Machine:
    """The machine with its GPU, where torch can use one."""
    if not torch.cuda.is_available():
        return machine
    free, _ = torch.cuda.mem_get_info()
    bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    return machine.model_copy(update={"gpu": torch.cuda.get_device_name(), "gpu_memory": int(free), "bf16": bf16})


def seed_chance(seed: int, device: torch.device) -> None:
    """Set the generators that a step draws from.

    `torch.manual_seed` also notes down, for each kind of accelerator that is not there, what it would have seeded: a
    stack trace with every step, kept for ever.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed_all(seed)


def prepare_device(recipe: Recipe) -> None:
    """Make the recipe's device ready; refuses a GPU recipe where there is no GPU."""
    torch.set_num_threads(recipe.compute.threads)
    if recipe.compute.device != "cuda":
        return
    if not torch.cuda.is_available():
        raise UsageError(
            "This recipe was made for a GPU, and there is none here",
            remedy="Add `--set compute.device=cpu`, or plan anew on this machine",
        )
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it sums on a GPU differ from run to run
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False

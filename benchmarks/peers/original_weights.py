"""Run apart: networks of other libraries with random weights, saved with an input and what they answer to it.

Arguments: a folder to write to. torchvision's compiled operators are not needed and may not load beside a torch for
processors, so the module that describes them is left out.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import torch
from safetensors.torch import save_file
from torch import nn

IMAGE, VOLUME = (2, 3, 224, 224), (2, 1, 48, 64, 64)


def originals() -> Iterator[tuple[str, Callable[[], nn.Module], tuple[int, ...]]]:
    """A name, what builds the network, and the form of its input."""
    sys.modules["torchvision._meta_registrations"] = ModuleType("torchvision._meta_registrations")
    import timm
    from monai.networks.nets import resnet
    from torchvision import models

    for name in ("resnet18", "resnet34", "resnet50", "alexnet", "vgg11", "vgg16_bn"):
        yield f"torchvision {name}", lambda name=name: getattr(models, name)(weights=None), IMAGE
    yield (
        "torchvision googlenet",
        lambda: models.googlenet(weights=None, aux_logits=True, init_weights=False, transform_input=False),
        IMAGE,
    )
    for name in ("resnet18", "resnet50"):
        yield f"timm {name}", lambda name=name: timm.create_model(name, pretrained=False), IMAGE
    for depth in (18, 34):
        build = getattr(resnet, f"resnet{depth}")
        yield (
            f"MedicalNet resnet{depth}",
            lambda build=build: build(
                spatial_dims=3,
                n_input_channels=1,
                num_classes=4,
                conv1_t_stride=2,
                shortcut_type="B",
                bias_downsample=False,
            ),
            VOLUME,
        )


def main() -> None:
    """Write `NAME.pth` (weights, as people publish them) and `NAME.safetensors` (input and answer)."""
    folder = Path(sys.argv[1])
    for number, (name, build, form) in enumerate(originals()):
        torch.manual_seed(number)
        network = build().eval()
        for part in network.modules():  # statistics that differ from those of a new network
            if isinstance(part, nn.BatchNorm2d | nn.BatchNorm3d):
                part.running_mean.normal_(0, 0.1)
                part.running_var.uniform_(0.5, 1.5)
        given = torch.rand(form)
        with torch.no_grad():
            answer = network(given)
        weights = {f"module.{key}": value for key, value in network.state_dict().items()}
        torch.save({"state_dict": weights}, folder / f"{name}.pth")
        save_file({"given": given, "answer": answer.contiguous()}, folder / f"{name}.safetensors")
        print(name, flush=True)


if __name__ == "__main__":
    main()

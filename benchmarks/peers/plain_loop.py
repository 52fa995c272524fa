"""The training that every tutorial teaches: a Dataset, a transform for each image, a DataLoader, a loop with Adam.

Written with torch and Pillow alone, in the manner of torchvision, whose ResNet-18 and transforms the tutorials take:
the same layers under the same names, and the same operations on one Pillow image at a time. Where torchvision draws its
random numbers from torch, a few microseconds each, these come from `random`, which is quicker.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

Picture = Image.Image
Transform = Callable[[Any], Any]


class Compose:
    """One transform after the other."""

    def __init__(self, *transforms: Transform) -> None:
        self.transforms = transforms

    def __call__(self, image: Any) -> Any:
        for transform in self.transforms:
            image = transform(image)
        return image


class RandomHorizontalFlip:
    """Half of the images mirrored."""

    def __call__(self, image: Picture) -> Picture:
        return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if random.random() < 0.5 else image


class RandomAffine:
    """Turned, shifted and scaled about the centre; the nearest pixel is taken, as it is unless asked otherwise."""

    def __init__(self, degrees: float, translate: float, scale: tuple[float, float]) -> None:
        self.degrees, self.translate, self.scale = degrees, translate, scale

    def __call__(self, image: Picture) -> Picture:
        width, height = image.size
        angle = math.radians(random.uniform(-self.degrees, self.degrees))
        across = round(random.uniform(-1, 1) * self.translate * width)
        down = round(random.uniform(-1, 1) * self.translate * height)
        factor = random.uniform(*self.scale)
        cosine, sine = math.cos(angle) / factor, math.sin(angle) / factor
        x, y = width / 2, height / 2
        right = x - cosine * (x + across) - sine * (y + down)
        below = y + sine * (x + across) - cosine * (y + down)
        matrix = (cosine, sine, right, -sine, cosine, below)
        return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST)


class ColorJitter:
    """Brightness and contrast, in a random order."""

    def __init__(self, brightness: float, contrast: float) -> None:
        self.changes = [(ImageEnhance.Brightness, brightness), (ImageEnhance.Contrast, contrast)]

    def __call__(self, image: Picture) -> Picture:
        for change, reach in random.sample(self.changes, len(self.changes)):
            image = change(image).enhance(random.uniform(1 - reach, 1 + reach))
        return image


def to_tensor(image: Picture) -> Tensor:
    """Channel first, 0 to 1."""
    array = np.array(image)
    return torch.from_numpy(array.reshape(1, *array.shape)).to(torch.float32).div_(255)


class Normalize:
    """Mean 0, deviation 1."""

    def __init__(self, mean: float, deviation: float) -> None:
        self.mean, self.deviation = mean, deviation

    def __call__(self, image: Tensor) -> Tensor:
        return image.sub_(self.mean).div_(self.deviation)


@dataclass
class Pictures(Dataset[tuple[Tensor, int]]):
    """Grey images (cases, rows, columns) of 8 bits with a class each."""

    images: NDArray[np.uint8]
    classes: NDArray[np.int64]
    transform: Transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[row])), int(self.classes[row])


def varied(mean: float, deviation: float) -> Transform:
    """The transforms of training images; mean and deviation are those of pixels from 0 to 255."""
    return Compose(
        RandomHorizontalFlip(),
        RandomAffine(degrees=15, translate=0.08, scale=(0.87, 1.15)),
        ColorJitter(brightness=0.2, contrast=0.25),
        to_tensor,
        Normalize(mean / 255, deviation / 255),
    )


def plain(mean: float, deviation: float) -> Transform:
    """The transforms of images that are judged."""
    return Compose(to_tensor, Normalize(mean / 255, deviation / 255))


class BasicBlock(nn.Module):
    """Two convolutions and a shortcut."""

    def __init__(self, given: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(given, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = None
        if stride != 1 or given != width:
            self.downsample = nn.Sequential(nn.Conv2d(given, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, given: Tensor) -> Tensor:
        seen = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(given)))))
        return self.relu(seen + (given if self.downsample is None else self.downsample(given)))


class ResNet18(nn.Module):
    """torchvision's ResNet-18 for grey images, with a width that can be chosen."""

    def __init__(self, classes: int, width: int = 64) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = nn.Sequential(BasicBlock(width, width, 1), BasicBlock(width, width, 1))
        self.layer2 = nn.Sequential(BasicBlock(width, 2 * width, 2), BasicBlock(2 * width, 2 * width, 1))
        self.layer3 = nn.Sequential(BasicBlock(2 * width, 4 * width, 2), BasicBlock(4 * width, 4 * width, 1))
        self.layer4 = nn.Sequential(BasicBlock(4 * width, 8 * width, 2), BasicBlock(8 * width, 8 * width, 1))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8 * width, classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        seen = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        seen = self.layer4(self.layer3(self.layer2(self.layer1(seen))))
        return self.fc(self.avgpool(seen).flatten(1))


class PlainLoop:
    """A network, its optimiser and its data, ready to be trained epoch by epoch."""

    def __init__(self, network: nn.Module, training: Pictures, *, batch: int, workers: int) -> None:
        self.network = network
        self.optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
        self.criterion = nn.CrossEntropyLoss()
        # A generator of its own, because what it is compared with seeds torch's common one.
        self.loader = DataLoader(
            training,
            batch_size=batch,
            shuffle=True,
            num_workers=workers,
            generator=torch.Generator().manual_seed(0),
        )

    def epoch(self) -> float:
        """Train on every image once; returns the mean loss."""
        self.network.train()
        total = 0.0
        for images, classes in self.loader:
            self.optimiser.zero_grad()
            loss = self.criterion(self.network(images), classes)
            loss.backward()
            self.optimiser.step()
            total += loss.item()
        return total / len(self.loader)

    @torch.no_grad()
    def accuracy(self, judged: Pictures) -> float:
        """The share of images that are called right."""
        self.network.eval()
        right = 0
        for images, classes in DataLoader(judged, batch_size=self.loader.batch_size):
            right += int((self.network(images).argmax(1) == classes).sum())
        return right / len(judged)

    def images(self) -> Iterator[Tensor]:
        """What the loader gives, with nothing done to it."""
        for images, _ in self.loader:
            yield images

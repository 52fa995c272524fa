"""Who lies on the table, and how the scanner was set: drawn by chance, and never by what will be found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A made-up patient.

    Attributes:
        sex: `F` or `M`.
        age: years.
        half_width, half_depth, height: of the lungs' space, in millimetres.
        fat, muscle: thickness of the layers around it, in millimetres.
        breast: how far the breasts stand out, in millimetres; 0 in men.
        lung: Hounsfield units of the lungs' tissue.
        blood: Hounsfield units of blood; high where contrast medium was given.
        bone: how dense the bones are; 1 in a young adult.
        emphysema: how much of the lung is destroyed, 0 to 1.
        kyphosis: how far the spine bends, in millimetres.
        heart: size of the heart, 1 being usual.
        turn: roll on the table, in radians.
        shift: where the body lies on the table (x, y), in millimetres.
    """

    sex: str
    age: int
    half_width: float
    half_depth: float
    height: float
    fat: float
    muscle: float
    breast: float
    lung: float
    blood: float
    bone: float
    emphysema: float
    kyphosis: float
    heart: float
    turn: float
    shift: tuple[float, float]

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Person:
        """Somebody between 41 and 84."""
        female = bool(rng.random() < 0.48)
        age = int(rng.integers(41, 85))
        size = rng.normal(0.95 if female else 1.03, 0.04)
        smoker = rng.random() < 0.3
        contrast = rng.random() < 0.3
        return cls(
            sex="F" if female else "M",
            age=age,
            half_width=float(size * rng.uniform(118, 130)),
            half_depth=float(size * rng.uniform(82, 95)),
            height=float(size * rng.uniform(200, 222)),
            fat=float(np.clip(rng.gamma(4.0, 3.2), 4, 30)),
            muscle=float(rng.uniform(8, 12) if female else rng.uniform(10, 15)),
            breast=float(rng.uniform(16, 40)) if female else 0.0,
            lung=float(rng.normal(-855, 20)),
            blood=float(rng.uniform(130, 210) if contrast else rng.uniform(36, 50)),
            bone=float(np.clip(1.25 - 0.007 * (age - 40) + rng.normal(0, 0.08), 0.65, 1.35)),
            emphysema=float(rng.uniform(0.2, 0.9)) if smoker else 0.0,
            kyphosis=float(rng.uniform(4, 10) + 0.15 * (age - 41)),
            heart=float(rng.normal(1.0, 0.06) * size),
            turn=float(np.radians(rng.normal(0, 2.2))),
            shift=(float(rng.normal(0, 4)), float(rng.normal(0, 4))),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """How a reconstruction renders edges and noise.

    Attributes:
        name: as the scanner calls it.
        blur: standard deviation of the smoothing, in pixels.
        sharpen: how much of the fine detail is added on top.
        grain: how far noise is correlated, in pixels.
        noise: how much louder the noise is than in a soft kernel.
    """

    name: str
    blur: float
    sharpen: float
    grain: float
    noise: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanner:
    """A fictitious CT scanner.

    Attributes:
        maker, model, software: what it calls itself.
        kernels: what it can be set to.
        signed: whether it stores signed numbers.
        downward: whether it counts its slices from head to foot.
    """

    maker: str
    model: str
    software: str
    kernels: tuple[Kernel, ...]
    signed: bool
    downward: bool


SCANNERS = (
    Scanner(
        maker="MERIDIAN IMAGING",
        model="Aquila 64",
        software="AQ 4.2.1",
        kernels=(
            Kernel(name="M30s", blur=0.55, sharpen=0.0, grain=0.8, noise=1.0),
            Kernel(name="M60f", blur=0.3, sharpen=0.35, grain=0.45, noise=1.7),
        ),
        signed=False,
        downward=True,
    ),
    Scanner(
        maker="BOREAL MEDICAL",
        model="Lumen CT 128",
        software="7.01",
        kernels=(
            Kernel(name="STD", blur=0.5, sharpen=0.0, grain=0.7, noise=1.0),
            Kernel(name="LUNG+", blur=0.3, sharpen=0.5, grain=0.4, noise=1.9),
        ),
        signed=True,
        downward=False,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """How one examination was made.

    Attributes:
        scanner, kernel: on what, and how reconstructed.
        kvp: tube voltage.
        current: tube current in mA: the less, the more noise.
        thickness: of a slice, in millimetres; slices touch.
    """

    scanner: Scanner
    kernel: Kernel
    kvp: int
    current: int
    thickness: float

    @classmethod
    def drawn(cls, rng: np.random.Generator, *, thickness: float | None = None) -> Protocol:
        """Settings as they vary in a department; `thickness` may be given."""
        scanner = SCANNERS[int(rng.integers(len(SCANNERS)))]
        kernel = scanner.kernels[int(rng.integers(len(scanner.kernels)))]
        slab = float(rng.choice([2.5, 3.0, 3.75, 4.0, 5.0], p=[0.15, 0.15, 0.2, 0.15, 0.35]))
        return cls(
            scanner=scanner,
            kernel=kernel,
            kvp=int(rng.choice([100, 120, 140], p=[0.3, 0.6, 0.1])),
            current=int(rng.integers(4, 25)) * 10,
            thickness=thickness or slab,
        )

"""Convolution of images that learns fast on small maps too, and safely on skipped ones: it computes what torch does.

The gradients of a convolution's weights take oneDNN about as long for a map of one place as for one of dozens. The last
maps of a network for small images are as small as that, and hold most of its weights. So a map of few places is
computed as a product of matrices for each place while the network learns; at work, and in the exported graph, it is
torch's.

A kernel of one place that skips places is given only the places that it sees. Left to oneDNN, the gradients of fewer
than sixteen channels that lie last in memory are written past their workspace, which ends the process or spoils what
lies behind (oneDNN issue 6035, not mended in the versions that torch 2.13 brings).
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

FEW_PLACES = 4
"""Places of a map up to which that is faster: a step of a ResNet-18 on 28 pixels took half the time, measured."""

BLOCK = 16
"""Channels that oneDNN takes at a time on the widest processors."""


class Convolution(nn.Conv2d):
    """A convolution of images."""

    def forward(self, given: Tensor) -> Tensor:
        """The map that its kernels see."""
        if not self.training or not self._plain or given.ndim != 4 or given.device.type != "cpu":
            return super().forward(given)
        rows, columns = self._steps(given, 0), self._steps(given, 1)
        if rows * columns > FEW_PLACES:
            return self._of_seen_places(given) if self.in_channels < BLOCK and self._skips else super().forward(given)
        places = [self._place(given, row, column) for row in range(rows) for column in range(columns)]
        seen = torch.stack(places, dim=1).reshape(len(given), rows, columns, self.out_channels).permute(0, 3, 1, 2)
        return seen if given.is_contiguous(memory_format=torch.channels_last) else seen.contiguous()

    @property
    def _skips(self) -> bool:
        """Whether its kernels see one place each, with others between that none sees."""
        return self.kernel_size == (1, 1) and self.stride != (1, 1) and self.padding == (0, 0)

    @property
    def _plain(self) -> bool:
        """Whether its kernels are whole, see every channel, and never lie in the padding alone."""
        whole = self.groups == 1 and self.dilation == (1, 1)
        if not whole or self.padding_mode != "zeros" or isinstance(self.padding, str):
            return False
        return all(margin <= extent for margin, extent in zip(self.padding, self.kernel_size, strict=True))

    def _of_seen_places(self, given: Tensor) -> Tensor:
        """The map of kernels of one place, of the places that they see."""
        last = given.is_contiguous(memory_format=torch.channels_last)
        seen = given[:, :, :: self.stride[0], :: self.stride[1]]
        seen = seen.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
        return functional.conv2d(seen, self.weight, self.bias)

    def _steps(self, given: Tensor, axis: int) -> int:
        """Rows (0) or columns (1) of the map."""
        return (given.shape[2 + axis] + 2 * self._margin(axis) - self.kernel_size[axis]) // self.stride[axis] + 1

    def _margin(self, axis: int) -> int:
        assert not isinstance(self.padding, str)
        return self.padding[axis]

    def _place(self, given: Tensor, row: int, column: int) -> Tensor:
        """One place of the map (batch, kernels): what lies under the kernels, by that part of them which lies on it."""
        rows, kernel_rows = self._overlap(given, 0, row)
        columns, kernel_columns = self._overlap(given, 1, column)
        # Permuted before they are cut, so that gradients come back in the order in which the weights lie in memory.
        under = given.permute(0, 2, 3, 1)[:, rows, columns].flatten(1)
        kernels = self.weight.permute(0, 2, 3, 1)[:, kernel_rows, kernel_columns].flatten(1)
        return functional.linear(under, kernels, self.bias)

    def _overlap(self, given: Tensor, axis: int, step: int) -> tuple[slice, slice]:
        """Where the input and a kernel at one step meet along an axis, in the input's and in the kernel's count."""
        start = step * self.stride[axis] - self._margin(axis)
        first, last = max(start, 0), min(start + self.kernel_size[axis], given.shape[2 + axis])
        return slice(first, last), slice(first - start, last - start)

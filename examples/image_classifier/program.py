"""A compact convolutional network for 8 x 8 grey digits: the seed of the search."""

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn import functional as F

CLASSES = 10


def pointwise(before: int, after: int) -> nn.Module:
    """Mixes the channels of each place."""
    return nn.Sequential(nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after))


def depthwise(channels: int) -> nn.Module:
    """Mixes the 3 x 3 neighbours of each place, channel by channel."""
    return nn.Conv2d(channels, channels, 3, padding=1, groups=channels)


def average(x: torch.Tensor) -> torch.Tensor:
    """One number per channel: (batch, channels)."""
    return x.mean((2, 3))


def rescale(x: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Every channel times its factor, of (batch, channels)."""
    return x * factors[:, :, None, None]


def extremes(x: torch.Tensor) -> torch.Tensor:
    """The largest and the smallest of each 2 x 2 places: twice the channels at half the side."""
    return torch.cat([F.max_pool2d(x, 2), -F.max_pool2d(-x, 2)], 1)


# The harness calls it once, with the network's parameters.
# EVOLVE-BLOCK-START make_optimizer


def make_optimizer(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimiser, with its largest learning rate."""
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.0001)


# EVOLVE-BLOCK-END

# Mixer calls Gate(channels). Input and output: (batch, channels, height, width).
# EVOLVE-BLOCK-START Gate


class Gate(nn.Module):
    """Scales each channel by what the whole picture says about it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Of the size of the input."""
        return rescale(x, torch.sigmoid(self.norm(average(x))))


# EVOLVE-BLOCK-END

# Network calls Mixer(channels). Input and output have the same size.
# EVOLVE-BLOCK-START Mixer


class Mixer(nn.Module):
    """Two rounds of mixing channels, then neighbours, each beside a way around it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = pointwise(channels, channels)
        self.look = depthwise(channels)
        self.gate = Gate(channels)
        self.mix_again = pointwise(channels, channels)
        self.look_again = depthwise(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Of the size of the input."""
        y = self.gate(self.look(F.silu(self.mix(x)))) + x
        return self.look_again(F.hardswish(self.mix_again(y))) + x


# EVOLVE-BLOCK-END

# Network calls Shrink(channels before, channels after). It halves height and width.
# EVOLVE-BLOCK-START Shrink


class Shrink(nn.Module):
    """Half the side, with what stood out in either direction."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.mix = pointwise(before + before, after)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """At half the side."""
        return self.mix(extremes(x))


# EVOLVE-BLOCK-END

# Input: (batch, 1, 8, 8), from 0 to 1; output: (batch, CLASSES), one score per class.
# EVOLVE-BLOCK-START Network


class Network(nn.Module):
    """From one channel at 8 x 8 to the classes."""

    def __init__(self, first: int = 8, middle: int = 16, last: int = 32) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, first, 3, padding=1, bias=False), nn.ReLU())
        self.early = nn.Sequential(Shrink(first, middle), Mixer(middle))
        self.late = nn.Sequential(Shrink(middle, last), Mixer(last))
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(last, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores of the classes."""
        x = self.late(self.early(self.stem(x)))
        return self.head(self.drop(average(x)))


# EVOLVE-BLOCK-END

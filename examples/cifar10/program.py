"""A compact network for CIFAR-10 at the published scale: the seed of the search."""

from itertools import pairwise

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


def largest(x: torch.Tensor) -> torch.Tensor:
    """The largest of each 2 x 2 places, at half the side, rounded up."""
    return F.max_pool2d(x, 2, ceil_mode=True)


def smallest(x: torch.Tensor) -> torch.Tensor:
    """The smallest of each 2 x 2 places, at half the side, rounded up."""
    return -largest(-x)


def average(x: torch.Tensor) -> torch.Tensor:
    """One number per channel: (batch, channels)."""
    return x.mean((2, 3))


def rescale(x: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Every channel times its factor, of (batch, channels)."""
    return x * factors[:, :, None, None]


# The harness calls it once, with the network.
# EVOLVE-BLOCK-START make_optimizer


def make_optimizer(network: nn.Module) -> torch.optim.Optimizer:
    """SGD with momentum; norms and biases do not decay."""
    weights = [p for p in network.parameters() if p.dim() > 1]
    others = [p for p in network.parameters() if p.dim() <= 1]
    groups = [{"params": weights, "weight_decay": 0.0001}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True)


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
    """Two rounds of mixing channels, then neighbours; the input is added to both."""

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

# Network calls Stem(3, channels after). It halves height and width.
# EVOLVE-BLOCK-START Stem


class Stem(nn.Module):
    """Extremes of each 2 x 2 places beside a learnt filter of 4 x 4."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.look = nn.Conv2d(before, before, 4, stride=2, padding=1, groups=before, bias=False)
        self.mix = pointwise(3 * before, after)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """At half the side."""
        return self.mix(torch.cat([largest(x), smallest(x), self.look(x)], 1))


# EVOLVE-BLOCK-END

# Network calls Extremes(channels before, channels after). It halves height and width.
# EVOLVE-BLOCK-START Extremes


class Extremes(nn.Module):
    """The largest and the smallest of each 2 x 2 places, mixed."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.mix = pointwise(2 * before, after)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """At half the side."""
        return self.mix(torch.cat([largest(x), smallest(x)], 1))


# EVOLVE-BLOCK-END

# Network calls Shrink(channels before, channels after). It halves height and width.
# EVOLVE-BLOCK-START Shrink


class Shrink(nn.Module):
    """The largest of each 2 x 2 places, mixed."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.mix = pointwise(before, after)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """At half the side."""
        return self.mix(largest(x))


# EVOLVE-BLOCK-END

# Network calls Last(channels). Input and output have the same size.
# EVOLVE-BLOCK-START Last


class Last(nn.Module):
    """A last look at the neighbours."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.look = depthwise(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Of the size of the input."""
        return F.hardswish(self.look(x))


# EVOLVE-BLOCK-END

# Input: (batch, 3, side, side), from 0 to 1; output: (batch, CLASSES), one score per class.
# EVOLVE-BLOCK-START Network


class Network(nn.Module):
    """Five levels, each at half the side of the one before."""

    def __init__(self, first: int = 12) -> None:
        super().__init__()
        widths = [first, 4 * first, 8 * first, 16 * first, 32 * first]
        levels = [Stem(3, widths[0]), Mixer(widths[0]), Extremes(widths[0], widths[1])]
        levels.append(Mixer(widths[1]))
        for before, after in pairwise(widths[1:]):
            levels += [Shrink(before, after), Mixer(after)]
        self.body = nn.Sequential(*levels, Last(widths[-1]))
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(widths[-1], CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores of the classes."""
        return self.head(self.drop(average(self.body(x))))


# EVOLVE-BLOCK-END

"""A compact convolutional network for 8 x 8 grey digits: the seed of the search.

Its layers take any number of channels. How many come in is settled by the first picture that a
network sees, and how many go out is a share of these. So each number stands in one place, and a
list of layers may change in order and length.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import nn
from torch.nn import functional as F

CLASSES = 10
SIDE = 8
MOST_CHANNELS = 64


def average(x: torch.Tensor) -> torch.Tensor:
    """One number per channel: (batch, channels)."""
    return x.flatten(2).mean(2) if x.dim() > 2 else x


def odd(size: float) -> int:
    """The odd number from 1 to 7 that is next to a size."""
    return 2 * round((max(1.0, min(7.0, size)) - 1) / 2) + 1


class Convolution(nn.LazyConv2d):
    """Mixes the ``size`` x ``size`` neighbours of each place into ``share`` times the channels."""

    def __init__(self, share: float, size: float) -> None:
        super().__init__(1, odd(size), padding=odd(size) // 2, bias=False)
        self.share = share

    def initialize_parameters(self, x: torch.Tensor) -> None:
        """By the first picture."""
        self.out_channels = max(1, min(MOST_CHANNELS, round(self.share * x.shape[1])))
        super().initialize_parameters(x)


class Depthwise(nn.LazyConv2d):
    """Mixes the ``size`` x ``size`` neighbours of each place, channel by channel."""

    def __init__(self, size: float = 3) -> None:
        super().__init__(1, odd(size), padding=odd(size) // 2)

    def initialize_parameters(self, x: torch.Tensor) -> None:
        """By the first picture."""
        self.groups = self.out_channels = x.shape[1]
        super().initialize_parameters(x)


class Mix(nn.Sequential):
    """A convolution that makes ``share`` times the channels, and a norm."""

    def __init__(self, share: float = 1.0, size: float = 1) -> None:
        super().__init__(Convolution(share, size), nn.LazyBatchNorm2d())


class Extremes(nn.Module):
    """The largest and the smallest of each 2 x 2 places: twice the channels at half the side."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """At half the side."""
        largest, smallest = (F.max_pool2d(y, 2, ceil_mode=True) for y in (x, -x))
        return torch.cat([largest, -smallest], 1)


class Stack(nn.Sequential):
    """Layers, one after the other."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__(*layers)


class Residual(Stack):
    """Layers beside a way around them, for as many channels as both have."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """What the layers say, plus the input."""
        y = super().forward(x)
        around = F.adaptive_avg_pool2d(x, y.shape[2:])
        both = min(y.shape[1], around.shape[1])
        return torch.cat([y[:, :both] + around[:, :both], y[:, both:], around[:, both:]], 1)


class Gate(Stack):
    """Scales each channel by what layers say of its average."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Of the size of the input."""
        return x * super().forward(average(x))[:, :, None, None]


class Dropout(nn.Dropout):
    """Leaves out a share of all numbers while it is trained."""

    def __init__(self, share: float) -> None:
        super().__init__(max(0.0, min(0.9, share)))


# The harness calls it once, with the network's parameters.
# EVOLVE-BLOCK-START make_optimizer


def make_optimizer(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimiser, with its largest learning rate."""
    rate, momentum, decay = 0.1, 0.9, 0.0001
    return torch.optim.SGD(
        parameters, lr=rate, momentum=momentum, nesterov=True, weight_decay=decay
    )


# EVOLVE-BLOCK-END

# mixer() calls it. Its layers get the average of each channel: (batch, channels).
# EVOLVE-BLOCK-START gate


def gate() -> nn.Module:
    """Scales each channel by what the whole picture says about it."""
    return Gate([nn.LazyBatchNorm1d(), nn.Sigmoid()])


# EVOLVE-BLOCK-END

# layers() calls it. Input and output: (batch, channels, height, width).
# EVOLVE-BLOCK-START mixer


def mixer(share: float) -> nn.Module:
    """Two rounds of mixing channels, then neighbours, each beside a way around it."""
    return Stack(
        [
            Residual([Mix(share), nn.SiLU(), Depthwise(3), gate()]),
            Residual([Mix(share), nn.Hardswish(), Depthwise(3)]),
        ]
    )


# EVOLVE-BLOCK-END

# layers() calls it. It halves height and width.
# EVOLVE-BLOCK-START shrink


def shrink(share: float) -> nn.Module:
    """Half the side, with what stood out in either direction."""
    return Stack([Extremes(), Mix(share)])


# EVOLVE-BLOCK-END

# Network calls it. Input: (batch, 1, 8, 8), from 0 to 1; the channels that come out are averaged.
# EVOLVE-BLOCK-START layers


def layers() -> list[nn.Module]:
    """From one channel at 8 x 8 to many at 2 x 2."""
    return [
        Mix(8.0, 3),
        nn.ReLU(),
        shrink(1.0),
        mixer(1.0),
        shrink(1.0),
        mixer(1.0),
        Dropout(0.2),
    ]


# EVOLVE-BLOCK-END


class Network(nn.Module):
    """Layers, and a score per class from the average of each of their channels."""

    def __init__(self) -> None:
        super().__init__()
        self.body = Stack(layers())
        self.head = nn.LazyLinear(CLASSES)
        with torch.no_grad():
            self.eval()(torch.zeros(1, 1, SIDE, SIDE))  # settles all sizes
        self.train()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores of the classes: (batch, CLASSES)."""
        return self.head(average(self.body(x)))

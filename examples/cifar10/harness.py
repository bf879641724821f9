"""Trains the candidate's network and asks it, beside it inside the sandbox.

The two functions are called in two sandboxes. What passes from one to the other is a plain
vector: the trained parameters, which the evaluator counts on the way. Nothing else that was
learnt gets to the second one.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from program import Network, make_optimizer  # type: ignore[import-not-found]  # it lies beside
from torch import nn
from torch.nn import functional as F

ASKED_AT_ONCE = 500


def train(
    images: np.ndarray, labels: np.ndarray, settings: dict[str, Any], seed: int
) -> dict[str, Any]:
    """Train on the given images; returns the parameters, and what people may want to see.

    Args:
        images: (n, 3, 32, 32), whole numbers up to 255.
        labels: Their classes.
        settings: ``side`` that images are scaled to, ``batch``, ``warm_up`` in steps, ``patience``
            in epochs (-1: the rate falls after every epoch), ``factor`` by which it falls,
            ``least_rate`` at which training ends, and the most ``epochs``.
        seed: Of all chance.
    """
    torch.manual_seed(seed)
    device = _device()
    network = Network().to(device)
    optimizer = make_optimizer(network)
    scaler = torch.amp.GradScaler(enabled=device.type == "cuda")
    falling = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=settings["factor"], patience=settings["patience"]
    )
    rates = [group["lr"] for group in optimizer.param_groups]
    inputs, classes = _on(device, images), torch.from_numpy(labels.copy()).to(device)
    losses: list[float] = []
    steps = 0
    for _ in range(settings["epochs"]):
        total, batches = 0.0, torch.randperm(len(inputs)).split(settings["batch"])
        for batch in batches:
            if steps <= settings["warm_up"]:
                share = 0.001 + 0.999 * steps / settings["warm_up"]
                for group, rate in zip(optimizer.param_groups, rates, strict=True):
                    group["lr"] = rate * share
            places = batch.to(device)
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast(device.type, enabled=device.type == "cuda"):
                scores = network(augmented(inputs[places], settings["side"]))
                loss = F.cross_entropy(scores, classes[places])
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            total += loss.item()
            steps += 1
        losses.append(total / len(batches))
        if steps > settings["warm_up"]:
            falling.step(losses[-1])
            if max(group["lr"] for group in optimizer.param_groups) < settings["least_rate"]:
                break
    fold_statistics(network)
    vector = nn.utils.parameters_to_vector(network.parameters()).detach().float().cpu()
    return {"parameters": vector.numpy(), "losses": losses, "network": str(network)}


def predict(parameters: np.ndarray, images: np.ndarray, side: int) -> np.ndarray:
    """The class of each image, by a new network that holds these parameters."""
    torch.manual_seed(0)
    device = _device()
    network = Network().to(device)
    has = sum(parameter.numel() for parameter in network.parameters())
    if has != parameters.size:
        raise ValueError(f"the network has {has} parameters now, and had {parameters.size} before")
    vector = torch.from_numpy(parameters.copy()).to(device)
    nn.utils.vector_to_parameters(vector, network.parameters())
    network.eval()
    answers = []
    with torch.no_grad(), torch.autocast(device.type, enabled=device.type == "cuda"):
        for some in _on(device, images).split(ASKED_AT_ONCE):
            scaled = F.interpolate(_scaled(some), side, mode="bilinear")
            answers.append(network(scaled).argmax(1).cpu())
    return torch.cat(answers).numpy()


def augmented(images: torch.Tensor, side: int) -> torch.Tensor:
    """Scaled to ``side``; each by chance mirrored, moved by up to 5 % and changed in colour."""
    count, device = len(images), images.device

    def some() -> torch.Tensor:
        """1 for half of the images, else 0."""
        return (torch.rand(count, device=device) < 0.5).float()

    def spread() -> torch.Tensor:
        """From -0.05 to 0.05 for half of the images, else 0."""
        return some() * (torch.rand(count, device=device) - 0.5) / 10

    # Where each place of the result is taken from: (x, y) from -1 to 1.
    moves = torch.zeros(count, 2, 3, device=device)
    moves[:, 0, 0] = 1 - 2 * some()
    moves[:, 1, 1] = 1
    moves[:, 0, 2] = 2 * spread()
    moves[:, 1, 2] = 2 * spread()
    grid = F.affine_grid(moves, [count, 3, side, side], align_corners=False)
    x = F.grid_sample(_scaled(images), grid, padding_mode="border", align_corners=False)
    brightness, contrast, colour = (1 + spread()[:, None, None, None] for _ in range(3))
    x = x * brightness
    middle = x.mean((1, 2, 3), keepdim=True)
    x = (x - middle) * contrast + middle
    grey = x.mean(1, keepdim=True)
    return ((x - grey) * colour + grey).clamp(0, 1)


@torch.no_grad()
def fold_statistics(network: nn.Module) -> None:
    """Move the running statistics of batch norms into their parameters.

    At inference a batch norm is one factor and one summand per channel. Its parameters can say
    them alone, with the statistics as they are in a new network: mean 0 and variance 1.
    """
    for norm in network.modules():
        if isinstance(norm, nn.modules.batchnorm._BatchNorm) and norm.running_var is not None:
            if not norm.affine:
                raise ValueError("a batch norm needs affine=True to keep what it has learnt")
            factor = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            norm.bias -= norm.running_mean * factor
            norm.weight.copy_(factor * math.sqrt(1 + norm.eps))
            norm.reset_running_stats()


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _on(device: torch.device, images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images.copy()).to(device)


def _scaled(images: torch.Tensor) -> torch.Tensor:
    return images.float() / 255

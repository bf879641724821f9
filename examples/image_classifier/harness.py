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

BATCH = 64
WARM_UP = 10
"""Steps over which the learning rate rises to what the optimiser was given."""


def train(images: np.ndarray, labels: np.ndarray, epochs: int, seed: int) -> dict[str, Any]:
    """Train on the given images; returns the parameters, and what people may want to see."""
    torch.manual_seed(seed)
    network = Network()
    optimizer = make_optimizer(network.parameters())
    inputs, classes = torch.from_numpy(images.copy()), torch.from_numpy(labels.copy())
    steps = epochs * (len(inputs) // BATCH)
    rate = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min(1, (step + 1) / WARM_UP) * (1 + math.cos(math.pi * step / steps)) / 2,
    )
    losses = []
    for _ in range(epochs):
        total = 0.0
        batches = torch.randperm(len(inputs))[: len(inputs) // BATCH * BATCH].view(-1, BATCH)
        for batch in batches:
            optimizer.zero_grad()
            loss = F.cross_entropy(network(inputs[batch]), classes[batch])
            loss.backward()
            optimizer.step()
            rate.step()
            total += loss.item()
        losses.append(total / len(batches))
    # Few batches are too few for running means, so the norms look at all images once more.
    torch.optim.swa_utils.update_bn(inputs.split(BATCH), network)
    fold_statistics(network)
    vector = nn.utils.parameters_to_vector(network.parameters()).detach().float()
    return {"parameters": vector.numpy(), "losses": losses, "network": str(network)}


def predict(parameters: np.ndarray, images: np.ndarray) -> np.ndarray:
    """The class of each image, by a new network that holds these parameters."""
    torch.manual_seed(0)
    network = Network()
    has = sum(parameter.numel() for parameter in network.parameters())
    if has != parameters.size:
        raise ValueError(f"the network has {has} parameters now, and had {parameters.size} before")
    nn.utils.vector_to_parameters(torch.from_numpy(parameters.copy()), network.parameters())
    network.eval()
    with torch.no_grad():
        return network(torch.from_numpy(images.copy())).argmax(1).numpy()


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

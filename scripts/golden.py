"""Makes azura-learner/tests/golden/training.json: what PyTorch computes for a small LSTM.

    python3 -m venv /some/where && /some/where/bin/pip install torch==2.15.0
    /some/where/bin/python scripts/golden.py

PyTorch is not needed to run the tests. Inputs come from a generator that tests/golden.rs has as well.
"""

import json
import pathlib

import torch
from torch import nn

BATCH, TIME, INPUTS, HIDDEN, STEPS = 4, 6, 3, 5, 20


def numbers(*shape, seed):
    """Multiples of 1/1024 in -1..1, exact in f32, from a linear congruential generator."""
    state, values = seed, []
    for _ in range(torch.Size(shape).numel()):
        state = (state * 1_664_525 + 1_013_904_223) % 2**32
        values.append((state >> 21) / 1024.0 - 1.0)
    return torch.tensor(values).reshape(shape)


class Forecaster(nn.Module):
    """One bias, as ours: PyTorch's second one stays at zero."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(INPUTS, HIDDEN, batch_first=True)
        self.linear = nn.Linear(HIDDEN, 1)
        with torch.no_grad():
            self.lstm.weight_ih_l0.copy_(numbers(4 * HIDDEN, INPUTS, seed=1))
            self.lstm.weight_hh_l0.copy_(numbers(4 * HIDDEN, HIDDEN, seed=2))
            self.lstm.bias_ih_l0.copy_(numbers(4 * HIDDEN, seed=3))
            self.lstm.bias_hh_l0.zero_()
            self.linear.weight.copy_(numbers(1, HIDDEN, seed=4))
            self.linear.bias.copy_(numbers(1, seed=5))
        self.lstm.bias_hh_l0.requires_grad_(False)

    def forward(self, x):
        return self.linear(self.lstm(x)[0][:, -1])


def flat(tensor):
    return tensor.detach().flatten().tolist()


def main():
    x, target = numbers(BATCH, TIME, INPUTS, seed=6), numbers(BATCH, 1, seed=7)
    h0, c0 = numbers(BATCH, HIDDEN, seed=8), numbers(BATCH, HIDDEN, seed=9)
    golden = {}

    model = Forecaster()
    inputs = [x.clone().requires_grad_(), h0.clone().requires_grad_(), c0.clone().requires_grad_()]
    y, (h, c) = model.lstm(inputs[0], (inputs[1][None], inputs[2][None]))
    # Every output counts, each with a weight of its own.
    loss = (y * numbers(*y.shape, seed=10)).sum() + (c[0] * numbers(BATCH, HIDDEN, seed=11)).sum()
    loss.backward()
    golden["lstm"] = {
        "y": flat(y),
        "h": flat(h),
        "c": flat(c),
        "gradients": {
            "x": flat(inputs[0].grad),
            "h0": flat(inputs[1].grad),
            "c0": flat(inputs[2].grad),
            "weight_ih": flat(model.lstm.weight_ih_l0.grad),
            "weight_hh": flat(model.lstm.weight_hh_l0.grad),
            "bias": flat(model.lstm.bias_ih_l0.grad),
        },
    }

    optimizers = {
        "adam": lambda p: torch.optim.Adam(p, lr=0.02),
        "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    }
    for name, make in optimizers.items():
        model = Forecaster()
        optimizer = make([p for p in model.parameters() if p.requires_grad])
        losses = []
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), target)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        golden[name] = {"losses": losses, "weight_hh": flat(model.lstm.weight_hh_l0)}

    golden["made_by"] = f"scripts/golden.py with torch {torch.__version__.split('+')[0]}; do not edit"
    path = pathlib.Path(__file__).parent.parent / "azura-learner/tests/golden/training.json"
    path.write_text(json.dumps(golden, indent=1) + "\n")


main()

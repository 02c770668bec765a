"""Times training steps of PyTorch: torch_steps.py NAME SECONDS THREADS prints the median and the fastest, in ms.

The same workloads as ../workloads.rs: forward, loss, backward, Adam, f32.
"""

import sys
import time

import torch
from torch import nn


class Forecaster(nn.Module):
    def __init__(self, inputs, hidden):
        super().__init__()
        self.lstm = nn.LSTM(inputs, hidden, batch_first=True)
        self.dropout = nn.Dropout(0.2)
        self.linear = nn.Linear(hidden, 1)

    def forward(self, x):
        return self.linear(self.dropout(self.lstm(x)[0][:, -1]))


def workload(name):
    if name == "W1":
        return Forecaster(11, 100), torch.randn(32, 60, 11)
    if name == "W2":
        return Forecaster(10, 128), torch.randn(32, 168, 10)
    if name == "W6":
        return nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1)), torch.randn(8, 4)
    raise SystemExit(f"no workload {name}")


def main():
    name, seconds, threads = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    model, x = workload(name)
    y = torch.randn(x.shape[0], 1)
    adam = torch.optim.Adam(model.parameters(), lr=1e-3)
    loss_of = nn.MSELoss()

    def step():
        adam.zero_grad(set_to_none=True)
        loss = loss_of(model(x), y)
        loss.backward()
        adam.step()
        return loss.item()

    for _ in range(10):
        step()
    begin, times = time.perf_counter(), []
    while time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        step()
        times.append((time.perf_counter() - start) * 1e3)
    times.sort()
    print(f"{times[len(times) // 2]:.4f} {times[0]:.4f}")


main()

"""Makes what the golden tests compare with: PyTorch's values in ops.txt and its training in training.txt.

    python3 -m venv /some/where && /some/where/bin/pip install torch==2.15.0
    /some/where/bin/python azura-core/tests/golden/make.py [ops] [training]

PyTorch is not needed to run the tests. It computes in f64 here, from inputs that are f32: that is the better truth.
Inputs come from a generator that the tests have as well, so only digests of results are kept, for every tensor: the sum
of all entries with random weights, the root of the sum of squares, and three entries.
"""

import json
import pathlib
import sys

import torch

import ops
import training
from generator import Numbers, fnv1a

HERE = pathlib.Path(__file__).parent


def number(x):
    return f"{x:.10g}"


def digest(values, numbers, weights=None):
    """What is kept of a tensor."""
    values = values.detach().flatten()
    weights = numbers.tensor(values.shape) if weights is None else weights
    samples = [values[numbers.below(len(values))] for _ in range(3)] if len(values) else []
    return " ".join(number(float(x)) for x in (values @ weights, values.norm(), *samples))


def sized(case, op):
    """The case with a size for each capital letter."""
    sizes = Numbers(fnv1a(f"{op} {case}".encode()))
    for letter in "ABCD":
        case = case.replace(letter, str(1 + sizes.below(12)))
    return case


def shape_of(text):
    return [] if text == "s" else [int(n) for n in text.split("x")]


class Input:
    def __init__(self, text, numbers):
        self.leaf = None
        if "/" in text:
            kind, shape = text.split("/")
            shape = shape_of(shape)
            count = torch.Size(shape).numel()
            draw = {
                "i": lambda: numbers.below(int(kind[1:])),
                "m": lambda: numbers.below(4) > 0,
                "b": lambda: numbers.next() >> 32,
            }[kind[0]]
            values = [draw() for _ in range(count)]
            self.seen = torch.tensor(values, dtype=torch.bool if kind == "m" else torch.int64).reshape(shape)
            return
        constant, text = text.startswith("!"), text.removeprefix("!")
        text, _, whole = text.partition("%")
        text, scale, offset = split_range(text)
        shape, _, layout = text.partition(":")
        shape = shape_of(shape)
        stored = {
            "": shape,
            "t": shape[::-1],
            "v": [*shape[:-1], shape[-1] + 3] if shape else [],
            "e": [1, *shape[1:]],
        }[layout]
        if whole:
            n = int(whole)
            units = [numbers.below(2 * n + 1) - n for _ in range(torch.Size(stored).numel())]
            leaf = (torch.tensor(units, dtype=torch.float32) * f32(scale) + f32(offset)).double().reshape(stored)
        else:
            leaf = numbers.tensor(stored, scale, offset)
        if not constant:
            self.leaf = leaf.requires_grad_()
        self.seen = {
            "": lambda: leaf,
            "t": lambda: leaf.permute(list(range(len(shape)))[::-1]),
            "v": lambda: leaf[..., 1:-2],
            "e": lambda: leaf.expand(shape),
        }[layout]()


def split_range(text):
    """`SHAPE*SCALE+OFFSET` or `SHAPE*SCALE-OFFSET`; the sign of an exponent is none."""
    text, star, rest = text.partition("*")
    if not star:
        return text, 1.0, 0.0
    for i in range(1, len(rest)):
        if rest[i] in "+-" and rest[i - 1] != "e":
            return text, float(rest[:i]), float(rest[i:])
    return text, float(rest), 0.0


def f32(x):
    return torch.tensor(x, dtype=torch.float32)


def option(text):
    key, value = text.split("=")
    value = json.loads(value)
    # As the test has it.
    return key, float(f32(value)) if isinstance(value, float) else value


def line(op, tolerance, function, case):
    case = sized(case, op)
    numbers = Numbers(fnv1a(f"{op} {case}".encode()))
    words = case.split()
    inputs = [Input(word, numbers) for word in words if "=" not in word]
    options = dict(option(word) for word in words if "=" in word)
    y = function(*(x.seen for x in inputs), **options)
    weights = numbers.tensor((y.numel(),))
    parts = [f"{op} {case}", f"{tolerance:.3g}", digest(y, numbers, weights)]
    leaves = [x.leaf for x in inputs if x.leaf is not None]
    grads = torch.autograd.grad((y.flatten() * weights).sum(), leaves, allow_unused=True, materialize_grads=True)
    return " | ".join(parts + [digest(grad, numbers) for grad in grads])


def operations():
    for op, rows in ops.TABLE.items():
        for row in rows:
            yield line(op, *row)


def write(name, lines):
    """With a hash of what made it, so that the test sees when these differ."""
    sources = fnv1a(b"".join((HERE / f"{source}.py").read_bytes() for source in ("generator", "make", name)))
    version = torch.__version__.split("+")[0]
    head = [f"# Made by make.py, which says how, with torch {version}; do not edit.", f"# of {sources:016x}"]
    path = HERE / f"{name}.txt"
    path.write_text("\n".join([*head, *lines]) + "\n")
    print(f"{path}: {path.stat().st_size} bytes")


def main():
    files = {"ops": operations(), "training": training.lines(digest, number)}
    for name in sys.argv[1:] or files:
        write(name, files[name])


if __name__ == "__main__":
    main()

"""One case of ops.py, which says how they are written, and what PyTorch makes of it."""

import json

import torch

from digest import digest
from generator import Numbers, fnv1a


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
            "r": shape,
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
            "r": lambda: leaf.flip(list(range(len(shape)))),
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

"""Makes what the golden tests compare with: PyTorch's values in ops.txt and its training in training.txt.

    python3 -m venv /some/where && /some/where/bin/pip install torch==2.15.0
    /some/where/bin/python azura-core/tests/golden/make.py [ops] [training]

PyTorch is not needed to run the tests. It computes in f64 here, from inputs that are f32: that is the better truth.
Inputs come from a generator that the tests have as well, so only digests of results are kept, for every tensor: the sum
of all entries with random weights, the root of the sum of squares, and three entries.
"""

import pathlib
import sys

# No folder of Python's beside the sources.
sys.dont_write_bytecode = True

import torch

import case
import ops
import training
from generator import fnv1a

HERE = pathlib.Path(__file__).parent


def operations():
    for op, rows in ops.TABLE.items():
        for row in rows:
            yield case.line(op, *row)


def write(name, sources, lines):
    """With a hash of what made it, so that the test sees when these differ."""
    sources = ["generator", "digest", "make", *sources]
    sources = fnv1a(b"".join((HERE / f"{source}.py").read_bytes() for source in sources))
    version = torch.__version__.split("+")[0]
    head = [f"# Made by make.py, which says how, with torch {version}; do not edit.", f"# of {sources:016x}"]
    path = HERE / f"{name}.txt"
    path.write_text("\n".join([*head, *lines]) + "\n")
    print(f"{path}: {path.stat().st_size} bytes")


def main():
    files = {"ops": (["case", "ops"], operations()), "training": (["training"], training.lines())}
    for name in sys.argv[1:] or files:
        write(name, *files[name])


if __name__ == "__main__":
    main()

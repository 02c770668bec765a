"""Numbers that generator.rs makes as well, bit for bit."""

import math

import torch

MASK = 2**64 - 1


def fnv1a(data):
    """The 64-bit FNV-1a hash of some bytes."""
    state = 0xCBF29CE484222325
    for byte in data:
        state = (state ^ byte) * 0x100000001B3 & MASK
    return state


class Numbers:
    """SplitMix64 (Steele, Lea, Flood 2014)."""

    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = self.state + 0x9E3779B97F4A7C15 & MASK
        z = self.state
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
        return z ^ z >> 31

    def units(self, count):
        """Multiples of 2^-23 in -1 .. 1: every one is an f32."""
        return [((self.next() >> 40) - 2**23) / 2**23 for _ in range(count)]

    def below(self, n):
        return self.next() % n

    def ids(self, shape, n):
        return torch.tensor([self.below(n) for _ in range(math.prod(shape))]).reshape(shape)

    def tensor(self, shape, scale=1.0, offset=0.0):
        """Of f64, with values of f32: `unit * scale + offset`, rounded to f32 after each operation."""
        values, scale, offset = (
            torch.tensor(x, dtype=torch.float32) for x in (self.units(math.prod(shape)), scale, offset)
        )
        return (values * scale + offset).double().reshape(shape)

"""What the programs of the Python peers have in common: arguments, numbers, timing, the line that they print."""

import argparse
import json
import statistics
import time


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("workload")
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compile", action="store_true", help="torch.compile instead of eager")
    return parser.parse_args()


def bits(count):
    """The generator of ../workloads/data.rs."""
    state = 1
    for _ in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        yield state >> 8


def product(shape):
    count = 1
    for length in shape:
        count *= length
    return count


def numbers(shape):
    """Numbers in -1..1."""
    return [x / 8388608 - 1 for x in bits(product(shape))]


def classes(shape, count):
    """Integers below count."""
    return [x % count for x in bits(product(shape))]


def peak_memory():
    """In MiB."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return round(int(line.split()[1]) / 1024, 1)


def measure(name, step, value, seconds):
    """Times steps as ../workloads/timing.rs does; `value` makes a number of what a step gave."""
    first = value(step())
    begin = time.perf_counter()
    for _ in range(4):
        step()
    while time.perf_counter() - begin < seconds / 4:
        step()
    times, begin = [], time.perf_counter()
    while time.perf_counter() - begin < seconds or not times:
        start = time.perf_counter()
        last = step()
        times.append((time.perf_counter() - start) * 1e6)
    line = {"w": name, "median_us": statistics.median(times), "min_us": min(times), "n": len(times)}
    print(json.dumps({**line, "l0": first, "l": value(last), "rss_mb": peak_memory()}))

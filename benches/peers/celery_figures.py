"""What queue.rs measures, with Celery: celery_figures.py SOCKET."""

import os
import subprocess
import sys
import time

from celery import Celery

# The worker imports this file too, with a command line of its own.
SOCKET = os.environ.get("SOCKET") or sys.argv[1]
URL = f"redis+socket://{SOCKET}?virtual_host=1"
app = Celery("celery_figures", broker=URL, backend=URL)


@app.task(name="noop")
def noop():
    return None


def rate(what, count, begun):
    print(f"  {what:<44} {count / (time.perf_counter() - begun):>10.0f} /s")


def main():
    many = 5000
    begun = time.perf_counter()
    for _ in range(many):
        app.send_task("noop", ignore_result=True)
    rate("submit, one after the other", many, begun)
    command = [sys.executable, "-m", "celery", "-A", "celery_figures", "worker", "-c", "2", "-l", "ERROR"]
    worker = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd="benches/peers", env={**os.environ, "SOCKET": SOCKET})
    try:
        client = app.connection_for_read().default_channel.client
        while client.llen("celery") == many:
            time.sleep(0.001)
        begun = time.perf_counter()
        while client.llen("celery") or client.hlen("unacked"):
            time.sleep(0.005)
        rate("no-op tasks drained, prefork, 2 processes", many, begun)
        times = []
        for _ in range(500):
            begun = time.perf_counter()
            app.send_task("noop").get(timeout=20)
            times.append((time.perf_counter() - begun) * 1e3)
        times.sort()
        print(f"  {'submit to result':<44} p50 {times[250]:>7.3f} ms, p99 {times[494]:>7.3f} ms")
    finally:
        worker.terminate()
        worker.wait()


if __name__ == "__main__":
    main()

"""What Flower shows of our workers: flower.py SOCKET. The worker at the other end is that of interop.py."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

from celery import Celery

URL = f"redis+socket://{sys.argv[1]}?virtual_host=0"
TRAIN = "start_training_pipeline"
app = Celery("flower_test", broker=URL, backend=URL)

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
flower = subprocess.Popen(
    [sys.executable, "-m", "celery", "--broker", URL, "flower", "--address=127.0.0.1", f"--port={port}"],
    env={**os.environ, "FLOWER_UNAUTHENTICATED_API": "true"},
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
)


def get(path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return answer.read()


def until(holds, what):
    """Waits for what is bound to happen, and says what was seen last if it does not."""
    end, seen = time.time() + 60, None
    while time.time() < end:
        try:
            seen = holds()
        except (urllib.error.URLError, ConnectionError) as error:
            seen = error
        if seen is True:
            return
        time.sleep(0.2)
    raise AssertionError(f"{what}: {seen}")


def worker_is_online():
    workers = json.loads(get("/api/workers?refresh=true&status=true"))
    return list(workers.values()) == [True] or workers


def shows(states):
    def compare():
        tasks = json.loads(get("/api/tasks"))
        found = {id: (tasks.get(id, {}).get("name"), tasks.get(id, {}).get("state")) for id in states}
        return found == {id: (TRAIN, state) for id, state in states.items()} or found

    return compare


try:
    until(lambda: get("/healthcheck") == b"OK", "Flower is up")
    until(worker_is_online, "the worker is online")
    # Flower asks for events every few seconds; what was before it is not seen.
    def heard():
        task = app.send_task(TRAIN, args=[{}])
        task.get(timeout=20)
        time.sleep(0.5)
        return task.id in json.loads(get("/api/tasks"))

    until(heard, "Flower hears of tasks")
    good = app.send_task(TRAIN, args=[{"lr": 0.1}])
    bad = app.send_task(TRAIN, args=[{"fail": True}])
    long = app.send_task(TRAIN, args=[{"wait": True}])
    until(shows({good.id: "SUCCESS", bad.id: "FAILURE", long.id: "STARTED"}), "running tasks")
    long.revoke(terminate=True)
    until(shows({long.id: "REVOKED"}), "a revoked task")
    (name,) = json.loads(get("/api/workers"))
    assert name.encode() in get(f"/worker/{name}")
    print("Flower shows workers and tasks")
finally:
    flower.terminate()
    flower.wait()

"""The tasks of a worker of Celery's that works beside ours, for `celery -A beside worker`; run as a program, a client that sends some.

In the environment: SOCKET is where Redis listens, VISIBILITY after how many seconds a worker of Celery's takes back what is not acknowledged.
Each run of a task is counted in the hash `runs`, and who ran it stands in `by`.
"""

import collections
import os
import threading
import time

import redis
from celery import Celery

SOCKET = os.environ["SOCKET"]
URL = f"redis+socket://{SOCKET}?virtual_host=0"
COUNT = 100
app = Celery("beside", broker=URL, backend=URL)
app.conf.update(
    task_acks_late=True,
    task_track_started=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        "visibility_timeout": float(os.environ.get("VISIBILITY", 3600)),
        # Looks at each of its looks, and often.
        "unacked_restore_throttle": 1,
        "unacked_restore_interval": 0.25,
    },
)
client = redis.Redis(unix_socket_path=SOCKET, decode_responses=True)


def ran(task):
    # In this order, so that a run that is counted is somebody's.
    client.hset("by", task.request.id, "celery")
    client.hincrby("runs", task.request.id, 1)


@app.task(name="add", bind=True)
def add(self, x, y):
    ran(self)
    time.sleep(0.01)
    return x + y


@app.task(name="hold", bind=True)
def hold(self):
    ran(self)
    while not client.exists("go"):
        time.sleep(0.02)
    return "held by celery"


@app.task(name="fail", bind=True)
def fail(self):
    ran(self)
    raise ValueError("no luck")


def main():
    """Sends tasks, waits for them and for those of somebody else that stand in the list `ours`, and prints the ids of its own with their results."""
    ends = collections.Counter()
    listener = client.pubsub(ignore_subscribe_messages=True)
    listener.psubscribe("celery-task-meta-*")

    def listen():
        for message in listener.listen():
            if any(f'"status": "{status}"' in message["data"] for status in ("SUCCESS", "FAILURE", "REVOKED")):
                ends[message["channel"].removeprefix("celery-task-meta-")] += 1

    threading.Thread(target=listen, daemon=True).start()
    client.set("listening", 1)
    wanted = {app.send_task("add", args=[n, 1]).id: n + 1 for n in range(COUNT)}
    sent = list(wanted)
    while len(wanted) < 2 * COUNT:
        _, line = client.blpop("ours", timeout=60)
        id, value = line.split()
        wanted[id] = int(value)
    for id, value in wanted.items():
        got = app.AsyncResult(id).get(timeout=60)
        assert got == value, (id, got, value)
    end = time.time() + 20
    while sum(ends.values()) < len(wanted) and time.time() < end:
        time.sleep(0.05)
    assert all(ends[id] == 1 for id in wanted), ends
    for id in sent:
        print(id, wanted[id])


if __name__ == "__main__":
    main()

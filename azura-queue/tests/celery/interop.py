"""What Celery's own client sees of our workers: interop.py SOCKET. Fails at the first thing that is not as it is with Celery's workers.

The worker at the other end (tests/celery.rs) does two tasks. `start_training_pipeline` reports three epochs and returns what it was given;
with {"fail": true} it fails, with {"wait": true} it works until it is revoked. `second` returns what it was given.
"""

import sys
import time
import uuid

from celery import Celery, signature
from celery.exceptions import NotRegistered

URL = f"redis+socket://{sys.argv[1]}?virtual_host=0"
TRAIN = "start_training_pipeline"
app = Celery("interop", broker=URL, backend=URL)
app.conf.update(broker_connection_retry_on_startup=True)


def fails(result, kind, text):
    try:
        value = result.get(timeout=20)
    except Exception as error:
        assert type(error).__name__ == kind, repr(error)
        assert text in str(error), repr(error)
        return
    raise AssertionError(f"{value!r} instead of {kind}")


def until(holds, what):
    end = time.time() + 20
    while not holds():
        assert time.time() < end, what
        time.sleep(0.05)


def ask(method):
    """What the one worker answers. On a busy machine an answer may come too late; then it is asked again."""
    answers = []
    until(lambda: answers.append(getattr(app.control.inspect(timeout=0.5), method)()) or answers[-1], method)
    ((name, answer),) = answers[-1].items()
    assert name.startswith("azura-"), name
    return answer


def results():
    states = []
    # Begins when somebody watches; what was told before is not told again.
    result = app.send_task(TRAIN, args=[{"model": "mlp", "name": "Ağaç"}], kwargs={"a": 1}, countdown=0.5)
    value = result.get(timeout=20, on_message=lambda message: states.append((message["status"], message["result"])))
    assert value == {"args": [{"model": "mlp", "name": "Ağaç"}], "kwargs": {"a": 1}}, value
    assert [state for state, _ in states] == ["STARTED"] + 3 * ["PROGRESS"] + ["SUCCESS"], states
    assert [said["epoch"] for _, said in states[1:4]] == [1, 2, 3], states
    assert result.state == "SUCCESS" and result.date_done is not None
    # Whoever comes later, from elsewhere, sees the same.
    assert app.AsyncResult(result.id).get(timeout=5) == value

    failing = app.send_task(TRAIN, args=[{"fail": True}])
    fails(failing, "PipelineValueError", "loss is NaN")
    assert failing.state == "FAILURE"

    ignored = app.send_task(TRAIN, args=[{}], ignore_result=True)
    assert ignored.get(timeout=5) is None


def scheduling():
    for priority in (0, 5, 9):
        assert app.send_task(TRAIN, args=[{}], priority=priority).get(timeout=20)
    begun = time.time()
    app.send_task(TRAIN, args=[{}], countdown=1).get(timeout=20)
    assert time.time() - begun >= 0.99
    late = app.send_task(TRAIN, args=[{}], countdown=1, expires=0.01)
    fails(late, "TaskRevokedError", "expired")


def revoking():
    running = app.send_task(TRAIN, args=[{"wait": True}])
    until(lambda: running.state == "PROGRESS", "it runs")
    running.revoke(terminate=True)
    fails(running, "TaskRevokedError", "terminated")
    waiting = app.send_task(TRAIN, args=[{}], countdown=600)
    until(lambda: [task["request"]["id"] for task in ask("scheduled")] == [waiting.id], "it is scheduled")
    waiting.revoke()
    fails(waiting, "TaskRevokedError", "revoked")
    unseen = str(uuid.uuid4())
    app.control.revoke(unseen)
    until(lambda: unseen in ask("revoked"), "it is stored")
    fails(app.send_task(TRAIN, args=[{}], task_id=unseen), "TaskRevokedError", "revoked")


def chaining():
    chain = signature(TRAIN, args=[{"x": 1}], app=app) | signature("second", args=["more"], app=app)
    result = chain.apply_async()
    assert result.get(timeout=20) == {"args": [{"args": [{"x": 1}], "kwargs": {}}, "more"]}, result.get()
    assert result.parent.state == "SUCCESS"
    fails(app.send_task(TRAIN, args=[{}], link=signature("second", app=app)), "UnsupportedFeature", "callbacks")


def inspecting():
    assert ask("ping") == {"ok": "pong"}
    assert ask("registered") == ["second", TRAIN]
    assert ask("active_queues")[0]["name"] == "celery"
    assert ask("stats")["pool"]["max-concurrency"] == 2
    assert ask("reserved") == []
    running = app.send_task(TRAIN, args=[{"wait": True}])
    until(lambda: [task["id"] for task in ask("active")] == [running.id], "it is active")
    running.revoke(terminate=True)
    fails(running, "TaskRevokedError", "terminated")
    assert ask("active") == []


def bad_messages():
    fails(app.send_task("nosuch"), "NotRegistered", "nosuch")
    assert isinstance(app.send_task("nosuch").get(propagate=False, timeout=20), NotRegistered)
    fails(raw(content_type="application/x-python-serialize"), "MessageInvalid", "content type")
    fails(raw(body="%%%"), "MessageInvalid", "base64")
    fails(raw(body="e30="), "MessageInvalid", "[args, kwargs, embed]")
    big = app.send_task(TRAIN, args=[{"big": "x" * 10_000_000}])
    assert len(big.get(timeout=30)["args"][0]["big"]) == 10_000_000
    odd = raw(task_id='no "uuid" at all')
    fails(odd, "InvalidTaskError", "UUID")
    for priority in (-5, 1e300, None, "high", 4.5):
        assert raw(priority=priority).get(timeout=20), priority
    with app.connection_for_write() as connection:
        client = connection.default_channel.client
        for junk in (b"", b"{", b"[]", b"\xff", b'{"headers": 1}', b'{"headers": {}, "properties": {}}'):
            client.lpush("celery", junk)
    assert app.send_task(TRAIN, args=[{}]).get(timeout=20), "the worker lives on"


def raw(content_type="application/json", body="W1tdLCB7fSwge31d", task_id=None, priority=0):
    """A message of our own making, as some other program might send it."""
    import json

    task_id = task_id or str(uuid.uuid4())
    message = {
        "body": body,
        "content-type": content_type,
        "content-encoding": "utf-8",
        "headers": {"lang": "xx", "task": TRAIN, "id": task_id, "root_id": task_id},
        "properties": {
            "correlation_id": task_id,
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": "celery"},
            "priority": priority,
            "body_encoding": "base64",
            "delivery_tag": str(uuid.uuid4()),
        },
    }
    result = app.AsyncResult(task_id)
    with app.connection_for_write() as connection:
        connection.default_channel.client.lpush("celery", json.dumps(message))
    return result


for case in (results, scheduling, revoking, chaining, inspecting, bad_messages):
    case()
    print(f"{case.__name__}: as with Celery")

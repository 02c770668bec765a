"""Submits a training to AzuraForge with Celery's client, and watches it. Needs a server or worker over the same Redis:

    azura serve --queue redis://127.0.0.1:6379/0
    pip install celery redis
    python examples/celery_client.py redis://127.0.0.1:6379/0
"""

import sys

from celery import Celery

url = sys.argv[1] if len(sys.argv) > 1 else "redis://127.0.0.1:6379/0"
app = Celery("client", broker=url, backend=url)

config = {"pipeline_name": "csv_forecaster", "training_params": {"epochs": 5}}
run = app.send_task("start_training_pipeline", args=[config])


def show(message):
    if message["status"] == "PROGRESS":
        print(message["result"]["status_text"])


result = run.get(timeout=300, on_message=show)
print(result["experiment_id"], {name: round(value, 3) for name, value in result["metrics"].items()})

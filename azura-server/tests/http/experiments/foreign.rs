//! Runs that were not submitted here, as Celery's clients and programs that train by themselves do.

use std::{fs, sync::Arc, time::Duration};

use azura_learner::{Registry, Sources};
use azura_queue::{NewTask, Queue, Retry, SqliteQueue, TaskFailure, track};
use azura_server::{App, RunQuery, Runs, TASK};
use serde_json::{Value, json};

use super::{names, read};
use crate::common::{Server, endless};

fn foreign(config: Value) -> NewTask {
    NewTask::new(TASK).arg(config)
}

fn echo() -> Value {
    json!({"pipeline_name": "echo", "text": "x"})
}

/// The only run that is listed.
async fn listed(server: &Server) -> Value {
    server.get("/experiments").await.json()[0].clone()
}

/// Every route that takes an experiment's id takes the one that lists show.
async fn assert_found(server: &Server, task: &str) -> Value {
    let shown = listed(server).await;
    assert_eq!(shown["task_id"], task);
    let id = shown["experiment_id"].as_str().unwrap();
    assert_eq!(server.details(id).await["task_id"], task, "{id}");
    assert_eq!(server.watch(id, "").await.next().await.unwrap()["seq"], 1);
    let report = server.get(&format!("/experiments/{id}/report/html")).await;
    assert!(report.status == 200 || report.code() == "REPORT_NOT_FOUND", "{}", report.text());
    let answer = server.post(&format!("/experiments/{id}/cancel"), &json!({})).await;
    assert_eq!((answer.status, answer.json()["task_id"].as_str()), (202, Some(task)));
    shown["experiment_id"].clone()
}

#[tokio::test]
async fn every_id_that_is_shown_is_found() {
    let server = Server::idle().await;
    let queue = server.app.queue();
    let sent = queue.submit(foreign(endless())).await.unwrap();
    let id = assert_found(&server, &sent.to_string()).await;
    assert!(id.as_str().unwrap().starts_with("csv_forecaster_20"), "{id}");
    assert_eq!(listed(&server).await["status"], "REVOKED");

    let tracked = track(queue.clone(), foreign(json!({"pipeline_name": "my_sine"}))).await.unwrap();
    assert_found(&server, &tracked.id().to_string()).await;
    tracked.finish(Err(TaskFailure::cancelled())).await;

    // What cannot be run, or says nothing of use, has a name too.
    for config in
        [json!(null), json!({"pipeline_name": "../../evil"}), json!({"pipeline_name": "a".repeat(120)})]
    {
        let task = queue.submit(foreign(config)).await.unwrap();
        let id = assert_found(&server, &task.to_string()).await;
        assert!(id.as_str().unwrap().starts_with("run_20"), "{id}");
    }
}

#[tokio::test]
async fn what_was_cancelled_before_it_had_labels_is_found_by_its_id_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let queue: Arc<dyn Queue> = Arc::new(SqliteQueue::open(folder.path().join("queue.db")).unwrap());
    let runs = Runs::open(folder.path().join("experiments")).unwrap();
    let app = Arc::new(App::new(Registry::builtin(), Sources::default(), Arc::clone(&queue), runs));
    let task = queue.submit(foreign(endless())).await.unwrap();
    queue.cancel(&task).await.unwrap();
    let found = async |text: String| {
        let mut query = RunQuery::default();
        query.text = Some(text);
        app.list(&query).await.unwrap().items
    };
    let id = found(task.to_string()).await[0].experiment_id();
    assert_eq!(found(id.to_uppercase()).await.len(), 1, "{id}");
    assert_eq!(found(format!("{id}0")).await.len(), 0);
}

#[tokio::test]
async fn a_requeued_run_is_found_while_it_waits() {
    let server = Server::idle().await;
    let queue = server.app.queue();
    let task = foreign(echo()).retry(Retry::default()).label("experiment_id", "first");
    let dead = queue.submit(task).await.unwrap();
    for _ in 0..azura_queue::MAX_LOST_LEASES {
        let claimed = queue.claim(&"w".into(), &["celery".into()], Duration::ZERO, Duration::ZERO).await;
        drop(claimed.unwrap().unwrap());
        queue.reap(Duration::MAX).await.unwrap();
    }
    let again = queue.requeue(&dead, &[("experiment_id".into(), None)].into()).await.unwrap();
    assert_found(&server, &again.to_string()).await;
}

#[tokio::test]
async fn a_queue_that_forgets_a_foreign_run_finds_it_again_by_its_name() {
    let server = Server::start().await;
    let queue = server.app.queue();
    let task = queue.submit(foreign(echo())).await.unwrap();
    let end = server.ended(&task.to_string()).await;
    let before = listed(&server).await;
    let id = before["experiment_id"].as_str().unwrap();
    assert_eq!(end["details"]["experiment_id"], id);
    let kept = read(&server.folder().join(id).join("run.json"));
    assert_eq!(kept["labels"], json!({"experiment_id": id, "pipeline_name": "echo"}));

    queue.delete(&task).await.unwrap();
    // As it was written before it had its labels.
    for labels in [kept["labels"].clone(), json!({})] {
        let mut kept = kept.clone();
        kept["labels"] = labels;
        fs::write(server.folder().join(id).join("run.json"), kept.to_string()).unwrap();
        assert_eq!(server.app.restore().await.unwrap(), 1);
        assert_eq!(server.details(id).await["results"], before["results"]);
        queue.delete(&task).await.unwrap();
    }
}

#[tokio::test]
async fn tasks_of_one_moment_each_have_a_run() {
    let server = Server::start().await;
    // Of version 7, which begins with the time, and of version 4 with digits that somebody chose.
    let ids = ["0197f3c2-5d80-7a11-8000-00000000000", "00000000-0000-4000-8000-00000000000"];
    let ids: Vec<_> = ids.iter().flat_map(|id| (0..3).map(move |n| format!("{id}{n}"))).collect();
    for id in &ids {
        server.app.queue().submit(foreign(echo()).id(id.parse().unwrap())).await.unwrap();
    }
    let mut runs = Vec::new();
    for id in &ids {
        let end = server.ended(id).await;
        assert_eq!(end["state"], "SUCCESS", "{end}");
        runs.push(end["details"]["experiment_id"].as_str().unwrap().to_owned());
        assert_eq!(server.details(runs.last().unwrap()).await["task_id"], id.as_str());
    }
    runs.sort();
    let kept: Vec<_> = names(server.folder()).into_iter().filter(|name| !name.starts_with('.')).collect();
    assert_eq!(kept, runs);
}

#[tokio::test]
async fn a_time_limit_is_the_same_failure_on_disk() {
    let server = Server::start().await;
    let waits = || foreign(json!({"pipeline_name": "waits"}));
    let limit = Duration::from_millis(100);
    let task = server.app.queue().submit(waits().soft_limit(limit)).await.unwrap().to_string();
    let end = server.ended(&task).await;
    assert_eq!(
        (&end["state"], &end["details"]["error_code"]),
        (&json!("FAILURE"), &json!("TIME_LIMIT_EXCEEDED"))
    );
    let details = server.details(&task).await;
    let folder = server.folder().join(details["experiment_id"].as_str().unwrap());
    let kept = read(&folder.join("run.json"));
    assert_eq!((&kept["state"], &kept["error"]), (&end["state"], &end["details"]));
    let log = fs::read_to_string(folder.join("events.jsonl")).unwrap();
    let last: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!((&last["state"], &last["details"]), (&end["state"], &end["details"]));

    // Nobody waits for what the handler would write down.
    let task = server.app.queue().submit(waits().hard_limit(limit)).await.unwrap().to_string();
    assert_eq!(server.ended(&task).await["details"]["error_code"], "TIME_LIMIT_EXCEEDED");
    let id = listed(&server).await["experiment_id"].as_str().unwrap().to_owned();
    let folder = server.folder().join(id);
    let kept = server.stop().await;
    assert!(!folder.exists());
    drop(kept);
}

#[tokio::test]
async fn files_in_another_folder_are_said_to_be_there() {
    let server = Server::start().await;
    let task = server.submit(echo()).await;
    server.ended(&task).await;
    let id = server.details(&task).await["experiment_id"].as_str().unwrap().to_owned();
    fs::remove_dir_all(server.folder().join(id)).unwrap();
    for path in ["content", "html", "images/dot.svg"] {
        let answer = server.get(&format!("/experiments/{task}/report/{path}")).await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "REPORT_NOT_FOUND"));
        assert!(answer.text().contains("succeeded, but its files are not in this server's data folder"));
    }
}

//! Going on with what was cancelled or has failed.

use crate::common::{Server, endless};
use serde_json::{Value, json};

async fn refusal(server: &Server, id: &str) -> (u16, String, String) {
    let answer = server.post(&format!("/experiments/{id}/resume"), &json!({})).await;
    let message = answer.json()["detail"]["message"].as_str().unwrap().to_owned();
    (answer.status, answer.code(), message)
}

#[tokio::test]
async fn a_cancelled_run_goes_on_as_a_new_one() {
    let server = Server::start().await;
    let task = server.submit(endless()).await;
    let mut watcher = server.watch(&task, "").await;
    let first = watcher.until("PROGRESS").await;
    let (status, code, message) = refusal(&server, &task).await;
    assert_eq!((status, code.as_str()), (409, "EXPERIMENT_NOT_RESUMABLE"));
    assert!(message.ends_with("cannot be resumed: it has not ended."), "{message}");
    server.post(&format!("/experiments/{task}/cancel"), &json!({})).await;
    assert_eq!(watcher.rest().await.1, Some(1000));

    let old = server.details(&task).await;
    let name = old["experiment_id"].as_str().unwrap();
    assert_eq!(old["resumable"], true);
    let listed = server.get("/experiments?fields=summary").await.json();
    assert_eq!(listed[0]["resumable"], true);
    assert!(server.folder().join(name).join("checkpoints").is_dir());
    let answer = server.post(&format!("/experiments/{name}/resume"), &json!({})).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let new = answer.json()["task_id"].as_str().unwrap().to_owned();
    let mut watcher = server.watch(&new, "").await;
    let started = watcher.until("STARTED").await["details"].clone();
    let from = started["from_epoch"].as_u64().unwrap();
    assert!(started["attempt"] == 1 && from > 0, "{started}");
    // What it begins behind is told first, as the old one told it.
    let again = watcher.until("PROGRESS").await;
    assert_eq!(
        (&again["details"]["epoch"], &again["details"]["loss"]),
        (&json!(1), &first["details"]["loss"])
    );
    for epoch in 2..=from + 1 {
        assert_eq!(watcher.until("PROGRESS").await["details"]["epoch"], epoch);
    }
    // Not twice at a time.
    let (status, code, message) = refusal(&server, &task).await;
    assert_eq!((status, code.as_str()), (409, "EXPERIMENT_NOT_RESUMABLE"));
    assert!(message.contains(&new), "{message}");
    let details = server.details(&new).await;
    assert_eq!(details["resumable"], false);
    assert_eq!((&details["resumed_from"], &details["config"]), (&json!(name), &old["config"]));
    assert_ne!(details["experiment_id"], old["experiment_id"]);
    server.post(&format!("/experiments/{new}/cancel"), &json!({})).await;
    watcher.rest().await;

    // The old one stays as it was, and may be gone on with again.
    assert_eq!(server.details(&task).await["status"], "REVOKED");
    assert_eq!(old["resumed_from"], Value::Null);
    let again = server.post(&format!("/experiments/{task}/resume"), &json!({})).await;
    assert_eq!(again.status, 202);
    let again = again.json()["task_id"].as_str().unwrap().to_owned();
    server.post(&format!("/experiments/{again}/cancel"), &json!({})).await;
    server.ended(&again).await;
}

#[tokio::test]
async fn what_cannot_be_resumed_is_refused_in_words() {
    let server = Server::start().await;
    assert_eq!(refusal(&server, "nothing").await.0, 404);
    for (config, why) in [
        (json!({"pipeline_name": "echo"}), "it has succeeded."),
        (json!({"pipeline_name": "fails"}), "there is no checkpoint of it here."),
    ] {
        let task = server.submit(config).await;
        server.ended(&task).await;
        let (status, code, message) = refusal(&server, &task).await;
        assert_eq!(server.details(&task).await["resumable"], false);
        assert_eq!((status, code.as_str()), (409, "EXPERIMENT_NOT_RESUMABLE"));
        assert!(message.ends_with(why), "{message}");
    }
    let listed = server.get("/experiments").await.json();
    assert_eq!(listed.as_array().unwrap().len(), 2);
}

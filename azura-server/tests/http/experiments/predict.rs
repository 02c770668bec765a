//! What a run's model says over HTTP.

use azura_queue::{ListQuery, TaskRecord};
use azura_server::PREDICT_TASK;
use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    time::{sleep, timeout},
};

use super::*;

#[tokio::test]
async fn a_run_that_succeeded_is_asked_for_a_forecast() {
    let server = Server::start().await;
    let task = server.submit(small(1)).await;
    server.ended(&task).await;
    let id = server.details(&task).await["experiment_id"].as_str().unwrap().to_owned();

    let path = format!("/experiments/{id}/predict");
    let answer = server.post(&path, &json!({"prediction_steps": 3})).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = answer.json();
    assert_eq!(answer["experiment_id"], id.as_str());
    assert_eq!(answer["target_col"], "temp_max");
    // The file ends with 31 December 2015.
    let forecast = answer["forecasted_series"].as_object().unwrap();
    assert_eq!(forecast.keys().collect::<Vec<_>>(), ["2016-01-01", "2016-01-02", "2016-01-03"]);
    assert_eq!(answer["prediction"], forecast["2016-01-01"]);
    assert_eq!(answer["actual_history"]["2015-12-31"], 5.6);
    // By the task's id it is the same, and one step is what is asked for by default.
    let one = server.post(&format!("/api/v1/experiments/{task}/predict"), &json!({})).await.json();
    assert_eq!(
        (&one["prediction"], one["forecasted_series"].as_object().unwrap().len()),
        (&answer["prediction"], 1)
    );

    // A prediction is no experiment, and nothing is left of it.
    assert_eq!(server.get("/experiments").await.json().as_array().unwrap().len(), 1);
    let tasks = server.app.queue().list(&ListQuery::default()).await.unwrap();
    assert_eq!(tasks.items.len(), 1);
}

#[tokio::test]
async fn what_cannot_be_asked_is_told_why() {
    let server = Server::start().await;
    let ended = server.submit(small(1)).await;
    server.ended(&ended).await;
    let ask = async |id: &str, request: Value| {
        let answer = server.post(&format!("/experiments/{id}/predict"), &request).await;
        (answer.status, answer.code(), answer.json()["detail"]["message"].as_str().unwrap().to_owned())
    };
    let path = format!("/experiments/{ended}/predict");
    let wrong = json!({"prediction_steps": 0, "step": 1});
    assert_eq!(server.post(&path, &wrong).await.pointers(), ["/prediction_steps", "/step"]);
    let many = server.post(&path, &json!({"data": vec![json!({"a": 1}); 5000]})).await;
    assert_eq!((many.status, many.pointers()), (422, vec![String::new()]));
    assert!(
        many.text().contains("the request is invalid: it has more than the 10000 values"),
        "{}",
        many.text()
    );
    let (status, code, message) = ask(&ended, wrong).await;
    assert_eq!((status, code.as_str()), (422, "REQUEST_INVALID"), "{message}");
    assert!(message.contains("/prediction_steps") && message.contains("/step: unknown key"), "{message}");
    let (status, _, message) = ask(&ended, json!({"data": [{"temp_max": "warm"}]})).await;
    assert!(status == 422 && message.contains("/data"), "{status} {message}");

    let (status, code, _) = ask("nobody", json!({})).await;
    assert_eq!((status, code.as_str()), (404, "EXPERIMENT_NOT_FOUND"));
    let running = server.submit(endless()).await;
    let (status, code, message) = ask(&running, json!({})).await;
    assert_eq!((status, code.as_str()), (409, "EXPERIMENT_NOT_FINISHED"), "{message}");
    server.post(&format!("/experiments/{running}/cancel"), &json!({})).await;

    let echo = server.submit(json!({"pipeline_name": "echo", "text": "x"})).await;
    server.ended(&echo).await;
    let (status, code, message) = ask(&echo, json!({})).await;
    assert_eq!((status, code.as_str()), (422, "REQUEST_INVALID"), "{message}");
    assert!(message.contains("`echo` makes no predictions"), "{message}");
}

/// Waits until the predictions in the queue are as wanted.
async fn predictions(server: &Server, wanted: impl Fn(&[TaskRecord]) -> bool) {
    let query = ListQuery::default().name(PREDICT_TASK);
    while !wanted(&server.app.queue().list(&query).await.unwrap().items) {
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_long_prediction_keeps_no_other_waiting_and_ends_when_its_client_leaves() {
    let server = Server::start().await;
    let forecaster = server.submit(small(1)).await;
    let slow = server.submit(json!({"pipeline_name": "stays", "text": "/"})).await;
    for task in [&forecaster, &slow] {
        assert_eq!(server.ended(task).await["state"], "SUCCESS");
    }
    let mut client = TcpStream::connect(server.address).await.unwrap();
    let head = format!("POST /experiments/{slow}/predict HTTP/1.1\r\nHost: {}\r\n", server.address);
    let body = "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    client.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    predictions(&server, |tasks| tasks.iter().any(|task| task.state == State::Started)).await;

    let answer = server.post(&format!("/experiments/{forecaster}/predict"), &json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    drop(client);
    // Long before the minute that is waited for at most.
    let gone = timeout(Duration::from_secs(30), predictions(&server, <[_]>::is_empty)).await;
    assert!(gone.is_ok(), "the prediction goes on");
}

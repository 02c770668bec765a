//! The examples, run as a user would, say and do what they promise.

#![expect(clippy::unwrap_used, reason = "a test that fails here has failed")]

use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
};

fn output(program: &str) -> Vec<String> {
    let output = Command::new(program).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn train_embedded_learns_the_sine() {
    let lines = output(env!("CARGO_BIN_EXE_train_embedded"));
    assert!(lines[0].starts_with("epoch  10: loss "), "{lines:?}");
    assert!(lines[lines.len() - 2].ends_with(r#"Stopped("loss below 0.001")"#), "{lines:?}");
    let (_, values) = lines.last().unwrap().split_once(": ").unwrap();
    let values: Vec<f64> = values.split(' ').map(|value| value.parse().unwrap()).collect();
    let sines = [-1.0, 0.0, 1.0];
    assert!(values.iter().zip(sines).all(|(value, sine)| (value - sine).abs() < 0.1), "{values:?}");
}

#[test]
fn own_op_has_a_right_derivative_and_learns_a_sine() {
    let lines = output(env!("CARGO_BIN_EXE_own_op"));
    let error = lines[0].strip_prefix("derivatives of 28 numbers, off by ").unwrap();
    let error: f64 = error.strip_suffix(" at most").unwrap().parse().unwrap();
    assert!(error < 1e-7, "{lines:?}");
    let losses: Vec<f64> =
        lines[1..].iter().map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    // Of numbers whose mean square is about 1.
    assert!(losses.len() == 6 && losses[5] < 0.05, "{lines:?}");
}

#[test]
fn own_layer_learns_a_product_and_is_saved_by_name() {
    let lines = output(env!("CARGO_BIN_EXE_own_layer"));
    let [loss, saved, same] = &lines[lines.len() - 3..] else { unreachable!("three lines") };
    // Of products whose mean square is 0.118.
    let loss: f64 = loss.strip_prefix("loss: ").unwrap().parse().unwrap();
    assert!(loss < 1e-3, "{lines:?}");
    assert_eq!(saved, "saved: 0.gate.bias 0.gate.weight 0.value.bias 0.value.weight 1.bias 1.weight");
    assert_eq!(same, "the loaded model says the same: true");
    // Two linear layers of 2 x 16 + 16, and one of 16 + 1.
    assert!(lines.iter().any(|line| line.contains("113")), "{lines:?}");
}

#[test]
fn resume_ends_as_if_nothing_had_happened() {
    let lines = output(env!("CARGO_BIN_EXE_resume"));
    assert_eq!(lines[0], "goes on after epoch 15");
    assert!(lines[1].starts_with("loss 0.") && lines[1].ends_with(" after epoch 40"), "{lines:?}");
    assert_eq!(lines[2..], ["same history: true", "same weights, bit by bit: true"]);
}

#[test]
fn what_was_taken_over_helps() {
    let lines = output(env!("CARGO_BIN_EXE_transfer_weights"));
    let losses: Vec<f64> =
        lines.iter().map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    assert!(losses.len() == 3 && losses[1] < losses[2], "{lines:?}");
}

#[test]
fn background_training_prints_the_log() {
    let lines = output(env!("CARGO_BIN_EXE_background_training"));
    assert_eq!(lines[0], "submitted");
    assert!(lines[1].starts_with("1: PENDING"), "{lines:?}");
    assert!(lines[2].starts_with("2: STARTED"), "{lines:?}");
    for epoch in 1..=5 {
        assert!(
            lines[2 + epoch].starts_with(&format!("{}: Epoch {epoch}/5 done, loss ", 2 + epoch)),
            "{lines:?}"
        );
    }
    assert!(lines[8].starts_with("8: SUCCESS") && lines[8].contains("persistence"), "{lines:?}");
    assert_eq!(lines.len(), 9);
}

#[test]
fn tracked_training_says_in_words_that_there_is_no_redis() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_tracked_training")).arg("redis://127.0.0.1:1/0").output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && error.starts_with("error: the queue cannot be reached: "), "{error}");
}

#[test]
fn tracked_training_is_kept_like_any_task() {
    let lines = output(env!("CARGO_BIN_EXE_tracked_training"));
    assert!(lines[0].starts_with("task ") && lines[0].len() == 41, "{lines:?}");
    // PENDING, STARTED, twenty epochs, SUCCESS; batches are not kept.
    assert_eq!(lines[1..], ["23 events are kept"]);
}

/// Ends the server however the test ends.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn request(address: &str, request: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "{request} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[test]
fn own_pipeline_server_runs_its_pipeline_and_answers_its_route() {
    let program = env!("CARGO_BIN_EXE_own_pipeline_server");
    let mut child = Command::new(program).arg("127.0.0.1:0").stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let _server = Server(child);
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on http://").unwrap();

    assert_eq!(request(address, "GET /hello", ""), (200, "a route of my own\n".into()));

    let (status, body) =
        request(address, "POST /api/v1/experiments", r#"{"pipeline_name": "sine", "frequency": 9}"#);
    assert_eq!(status, 422, "{body}");
    assert!(body.contains("/frequency"), "{body}");

    let config = json!({"pipeline_name": "sine", "epochs": 20}).to_string();
    let (status, body) = request(address, "POST /api/v1/experiments", &config);
    assert_eq!(status, 202, "{body}");
    let task = serde_json::from_str::<Value>(&body).unwrap()["task_id"].as_str().unwrap().to_owned();
    let details = loop {
        let (_, body) = request(address, &format!("GET /api/v1/experiments/{task}/details"), "");
        let details: Value = serde_json::from_str(&body).unwrap();
        if !["PENDING", "STARTED"].contains(&details["status"].as_str().unwrap()) {
            break details;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    assert_eq!(details["status"], "SUCCESS", "{details}");
    let losses = details["results"]["history"]["loss"].as_array().unwrap();
    assert_eq!(losses.len(), 20);
    // Of points that it did not learn from.
    let rmse = details["results"]["metrics"]["rmse"].as_f64().unwrap();
    assert!(rmse < 1.0 && (rmse - losses[19].as_f64().unwrap().sqrt()).abs() > 1e-9, "{details}");
}

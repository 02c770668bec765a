//! The life of experiments over HTTP: submitted, refused, done, failed, cancelled, found again.

mod fetching;
mod foreign;
mod grids;
mod keeping;
mod predict;
mod reading;
mod resume;

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::common::{Server, endless, small};
use azura_queue::State;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[tokio::test]
async fn a_run_leaves_its_folder_and_the_api_tells_what_is_in_it() {
    let server = Server::start().await;
    let task = server.submit(small(2)).await;
    let end = server.ended(&task).await;
    assert_eq!(end["state"], "SUCCESS");

    let details = server.details(&task).await;
    let id = details["experiment_id"].as_str().unwrap();
    assert_eq!(end["details"]["experiment_id"], id);
    assert!(id.starts_with("csv_forecaster_20") && id.ends_with(&task[..8]), "{id}");
    assert_eq!(server.details(id).await, details);

    let folder = server.folder().join(id);
    assert_eq!(
        names(&folder),
        [
            "config.json",
            "course.json",
            "environment.json",
            "events.jsonl",
            "images",
            "inputs.json",
            "last_rows.json",
            "model.safetensors",
            "report.html",
            "report.md",
            "results.json",
            "run.json",
        ]
    );
    let results = read(&folder.join("results.json"));
    assert_eq!(details["results"], results);
    assert_eq!(details["config"], read(&folder.join("config.json")));
    assert_eq!(end["details"]["metrics"], results["metrics"]);
    assert_eq!(end["details"]["final_loss"], results["final_loss"]);

    assert_eq!(details["status"], "SUCCESS");
    assert_eq!(details["pipeline_name"], "csv_forecaster");
    assert_eq!(details["error"], Value::Null);
    assert_eq!(details["failed_at"], Value::Null);
    assert_eq!(details["model_path"], format!("{id}/model.safetensors"));
    assert_eq!(details["config_summary"], json!({"dataset": "seattle-weather", "epochs": 2, "lr": 0.003}));
    assert_eq!(details["results_summary"]["mae"], results["metrics"]["mae"]);
    assert_eq!(details["results_summary"]["accuracy"], Value::Null);
    for time in ["created_at", "started_at", "completed_at"] {
        let text = details[time].as_str().unwrap();
        assert!(
            text.parse::<jiff::Timestamp>().is_ok() && text.len() == "2026-03-01T12:00:00.000000Z".len(),
            "{time}: {text}"
        );
    }
    // A list says the same, but for series: these have some 290 points.
    let mut listed = server.get("/api/v1/experiments").await.json();
    for series in ["time_index", "y_pred", "y_true"] {
        assert!(listed[0]["results"][series].as_array().unwrap().len() <= 100);
        listed[0]["results"][series] = details["results"][series].clone();
    }
    assert_eq!(listed, json!([details]));

    let summary = &server.get("/api/v1/experiments?fields=summary&limit=5").await.json()[0];
    assert!(summary["config"].is_null() && summary["results"].is_null());
    assert_eq!(summary["results_summary"], details["results_summary"]);

    for path in ["report/content", "report/html", "report/images/loss.svg", "report/images/forecast.svg"] {
        let answer = server.get(&format!("/experiments/{id}/{path}")).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert!(!answer.body.is_empty());
    }
}

#[tokio::test]
async fn equal_configs_give_equal_bytes() {
    let server = Server::start().await;
    let mut folders = Vec::new();
    for _ in 0..2 {
        let end = server.ended(&server.submit(small(2)).await).await;
        folders.push(server.folder().join(end["details"]["experiment_id"].as_str().unwrap()));
    }
    for name in ["results.json", "config.json", "model.safetensors", "report.md", "images/loss.svg"] {
        assert!(
            fs::read(folders[0].join(name)).unwrap() == fs::read(folders[1].join(name)).unwrap(),
            "{name}"
        );
    }
}

#[tokio::test]
async fn what_cannot_run_is_refused_with_its_place_and_nothing_is_left_behind() {
    let server = Server::start().await;
    let forecaster = |more: Value| {
        let mut config = json!({"pipeline_name": "csv_forecaster"});
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        config
    };
    let training = |key: &str, value: Value| forecaster(json!({"training_params": {key: value}}));
    let model = |key: &str, value: Value| forecaster(json!({"model_params": {key: value}}));
    let data = |key: &str, value: Value| forecaster(json!({"data_sourcing": {key: value}}));
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let table = [
        (json!({}), "CONFIG_INVALID", "/pipeline_name"),
        (json!([]), "CONFIG_INVALID", ""),
        (json!(null), "CONFIG_INVALID", ""),
        (json!({"pipeline_name": 5}), "CONFIG_INVALID", "/pipeline_name"),
        (json!({"pipeline_name": "../../evil"}), "PIPELINE_NOT_FOUND", "/pipeline_name"),
        (json!({"pipeline_name": "csv_forcaster"}), "PIPELINE_NOT_FOUND", "/pipeline_name"),
        (forecaster(json!({"trainig_params": {}})), "CONFIG_INVALID", "/trainig_params"),
        (training("epochs", json!(-1)), "CONFIG_INVALID", "/training_params/epochs"),
        (training("epochs", json!(2.5)), "CONFIG_INVALID", "/training_params/epochs"),
        (training("epochs", json!(100_001)), "CONFIG_INVALID", "/training_params/epochs"),
        (training("epochs", deep), "CONFIG_INVALID", ""),
        (training("lr", json!("abc")), "CONFIG_INVALID", "/training_params/lr"),
        (training("lr", json!([0.1, "x"])), "CONFIG_INVALID", "/training_params/lr"),
        (training("lr", json!(null)), "CONFIG_INVALID", "/training_params/lr"),
        (training("epoch", json!(5)), "CONFIG_INVALID", "/training_params/epoch"),
        (model("hidden_size", json!(1_000_000_000)), "CONFIG_INVALID", "/model_params/hidden_size"),
        (model("sequence_length", json!(9_999)), "CONFIG_INVALID", "/model_params/sequence_length"),
        (data("dataset", json!("no-such-data")), "CONFIG_INVALID", "/data_sourcing/dataset"),
        (data("file", json!("/etc/passwd")), "CONFIG_INVALID", "/data_sourcing/file"),
    ];
    for (config, code, pointer) in table {
        let answer = server.post("/api/v1/experiments", &config).await;
        assert_eq!((answer.status, answer.code().as_str()), (422, code), "{config}: {}", answer.text());
        assert_eq!(answer.pointers(), [pointer], "{config}");
        assert!(!answer.json()["detail"]["errors"][0]["message"].as_str().unwrap().is_empty());
    }
    let both = forecaster(json!({"training_params": {"epochs": 0, "lr": -1}, "x": 1}));
    let answer = server.post("/experiments", &both).await;
    assert_eq!(answer.pointers(), ["/training_params/epochs", "/training_params/lr", "/x"]);

    assert_eq!(server.get("/experiments").await.json(), json!([]));
    assert_eq!(server.left_behind(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn a_config_can_be_checked_without_a_run() {
    let server = Server::start().await;
    let check = async |name: &str, config| server.post(&format!("/pipelines/{name}/validate"), &config).await;
    let answer = check("csv_forecaster", json!({"training_params": {"epochs": 3}})).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"runs": 1})));
    let answer = check("csv_forecaster", json!({"training_params": {"epochs": "many"}})).await;
    assert_eq!((answer.status, answer.pointers()), (422, vec!["/training_params/epochs".to_owned()]));
    // What the data say beside what the schema says.
    let both =
        json!({"training_params": {"lr": -1}, "feature_engineering": {"target_col": "no_such_column"}});
    let answer = check("csv_forecaster", both).await;
    let places = ["/training_params/lr", "/feature_engineering/target_col"].map(str::to_owned);
    assert_eq!((answer.status, answer.pointers()), (422, places.to_vec()), "{}", answer.text());
    let answer = check("csv_forecaster", json!({"pipeline_name": "echo"})).await;
    assert_eq!((answer.status, answer.pointers()), (422, vec!["/pipeline_name".to_owned()]));
    assert_eq!(check("nothing", json!({})).await.code(), "CONFIG_NOT_FOUND");
    assert_eq!(server.get("/experiments").await.json(), json!([]));
}

#[tokio::test]
async fn pipelines_tell_what_they_take() {
    let server = Server::start().await;
    let list = server.get("/pipelines").await.json();
    let ids: Vec<_> =
        list.as_array().unwrap().iter().map(|pipeline| pipeline["id"].as_str().unwrap()).collect();
    assert_eq!(
        ids,
        [
            "csv_forecaster",
            "echo",
            "fails",
            "image_classifier",
            "panics",
            "stays",
            "stock_predictor",
            "trips",
            "voice_generator",
            "waits",
            "weather_forecaster"
        ]
    );
    let config = server.get("/api/v1/pipelines/csv_forecaster/config").await.json();
    assert_eq!(config["id"], "csv_forecaster");
    assert_eq!(config["default_config"]["pipeline_name"], "csv_forecaster");
    assert!(config["json_schema"]["properties"]["training_params"].is_object());
    let answer = server.get("/pipelines/nothing/config").await;
    assert_eq!((answer.status, answer.code().as_str()), (404, "CONFIG_NOT_FOUND"));
}

#[tokio::test]
async fn a_panic_is_a_failure_and_the_next_run_works() {
    let server = Server::start().await;
    for (pipeline, code, message) in [
        ("panics", "TASK_PANICKED", "the pipeline panicked: out of luck"),
        ("fails", "PIPELINE_VALUE_ERROR", "row 7, column `x`: not a number"),
    ] {
        let text = "row 7, column `x`: not a number";
        let task = server.submit(json!({"pipeline_name": pipeline, "text": text})).await;
        let end = server.ended(&task).await;
        assert_eq!(end["state"], "FAILURE");
        assert_eq!(end["details"], json!({"error_code": code, "message": message}));
        let details = server.details(&task).await;
        assert_eq!(details["status"], "FAILURE");
        assert_eq!(details["error"], end["details"]);
        assert_eq!(details["results"], Value::Null);
        assert!(details["failed_at"].is_string() && details["completed_at"].is_null());
        let folder = server.folder().join(details["experiment_id"].as_str().unwrap());
        assert_eq!(
            names(&folder),
            ["config.json", "course.json", "environment.json", "events.jsonl", "run.json"],
            "nothing half-written"
        );
        let report = server.get(&format!("/experiments/{task}/report/content")).await;
        assert_eq!((report.status, report.code().as_str()), (404, "REPORT_NOT_FOUND"));
    }
    let task = server.submit(json!({"pipeline_name": "echo", "text": "still here"})).await;
    assert_eq!(server.ended(&task).await["details"]["metrics"]["length"], 10.0);
    assert_eq!(names(&server.folder().join(".attempts")), Vec::<String>::new());
}

#[tokio::test]
async fn waiting_and_running_experiments_can_be_cancelled() {
    let mut server = Server::idle().await;
    let waiting = server.submit(endless()).await;
    let cancel = async |server: &Server, id: &str| {
        let answer = server.send("POST", &format!("/experiments/{id}/cancel"), &[], b"").await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        answer.json()["status"].clone()
    };
    assert_eq!(cancel(&server, &waiting).await, "REVOKED");
    assert_eq!(server.ended(&waiting).await["state"], "REVOKED");

    server.work();
    for config in [endless(), json!({"pipeline_name": "waits"})] {
        let running = server.submit(config.clone()).await;
        let mut watcher = server.watch(&running, "").await;
        watcher.until("STARTED").await;
        cancel(&server, &running).await;
        let (frames, close) = watcher.rest().await;
        assert_eq!(
            (frames.last().unwrap()["state"].as_str(), close),
            (Some("REVOKED"), Some(1000)),
            "{config}"
        );
        assert_eq!(cancel(&server, &running).await, "REVOKED");
        let id = server.details(&running).await["experiment_id"].as_str().unwrap().to_owned();
        let mut names = names(&server.folder().join(id));
        // If it had come to the end of an epoch.
        names.retain(|name| name != "checkpoints");
        assert_eq!(names, ["config.json", "course.json", "environment.json", "events.jsonl", "run.json"]);
    }

    let done = server.submit(json!({"pipeline_name": "echo"})).await;
    server.ended(&done).await;
    assert_eq!(cancel(&server, &done).await, "SUCCESS");
    let answer = server.post("/experiments/nothing/cancel", &json!({})).await;
    assert_eq!((answer.status, answer.code().as_str()), (404, "EXPERIMENT_NOT_FOUND"));
}

#[tokio::test]
async fn many_may_cancel_the_same_run() {
    let server = Server::idle().await;
    for _ in 0..20 {
        let task = server.submit(endless()).await;
        let path = format!("/experiments/{task}/cancel");
        let cancel = || server.send("POST", &path, &[], b"");
        let (a, b, c) = tokio::join!(cancel(), cancel(), cancel());
        assert_eq!([a.status, b.status, c.status], [202; 3]);
        let id = server.details(&task).await["experiment_id"].as_str().unwrap().to_owned();
        assert!(server.folder().join(id).join("run.json").exists());
    }
}

#[tokio::test]
async fn an_attempt_that_lost_its_lease_publishes_nothing() {
    let server = Server::idle().await;
    let shutdown = CancellationToken::new();
    // The lease has run out from the start, and no heartbeat revives it.
    let worker = azura_server::worker(&server.app).lease(Duration::ZERO, Duration::from_hours(1));
    let worker = tokio::spawn(worker.run(shutdown.clone()));
    let elsewhere = tempfile::tempdir().unwrap();
    let sign = elsewhere.path().join("sign");
    let task = server.submit(json!({"pipeline_name": "stays", "text": sign})).await;
    server.watch(&task, "").await.until("STARTED").await;
    let queue = server.app.queue();
    assert_eq!(queue.reap(Duration::MAX).await, Ok(1));
    assert_eq!(queue.cancel(&task.parse().unwrap()).await, Ok(State::Revoked));
    fs::write(sign, "").unwrap();
    shutdown.cancel();
    worker.await.unwrap();
    assert_eq!(server.details(&task).await["status"], "REVOKED");
    // Only what it would have gone on from, which the next server clears away: there is nothing in it.
    server.app.restore().await.unwrap();
    assert_eq!(server.left_behind(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn a_restart_lists_every_run_that_ended() {
    let mut server = Server::idle().await;
    let revoked = server.submit(json!({"pipeline_name": "waits"})).await;
    server.post(&format!("/experiments/{revoked}/cancel"), &json!({})).await;
    server.work();
    let mut tasks = vec![revoked];
    for config in [small(2), json!({"pipeline_name": "fails", "text": "no", "batch_name": "a batch"})] {
        tasks.push(server.submit(config).await);
        server.ended(tasks.last().unwrap()).await;
    }
    let mut before = Vec::new();
    for task in &tasks {
        before.push((server.details(task).await, server.watch(task, "").await.rest().await));
    }
    let interrupted = server.folder().join(".attempts").join("interrupted-1");
    fs::create_dir_all(&interrupted).unwrap();
    fs::create_dir(server.folder().join("not-a-run")).unwrap();

    let server = server.restart().await;
    assert!(!interrupted.exists());
    let untimed = |mut run: Value| {
        // What is on disk was written just before the task ended.
        for key in ["completed_at", "failed_at"] {
            run[key] = Value::Bool(!run[key].is_null());
        }
        run
    };
    for (task, (details, frames)) in tasks.iter().zip(before) {
        assert_eq!(untimed(server.details(task).await), untimed(details));
        assert_eq!(server.watch(task, "").await.rest().await, frames);
        let (rest, close) = server.watch(task, "?after=2").await.rest().await;
        assert_eq!((rest.as_slice(), close), (&frames.0[2.min(frames.0.len())..], Some(1000)));
    }
    let listed = server.get("/experiments").await.json();
    let listed: Vec<_> =
        listed.as_array().unwrap().iter().map(|run| run["task_id"].as_str().unwrap()).collect();
    assert_eq!(listed, tasks.iter().rev().collect::<Vec<_>>());
    assert_eq!(server.get("/experiments?limit=1").await.json()[0]["batch_name"], "a batch");

    let next = server.submit(json!({"pipeline_name": "echo"})).await;
    server.ended(&next).await;
    assert_eq!(server.get("/experiments").await.json().as_array().unwrap().len(), 4);
    let answer = server.send("POST", &format!("/experiments/{}/cancel", tasks[1]), &[], b"").await;
    assert_eq!((answer.status, answer.json()["status"].as_str()), (202, Some("SUCCESS")));
}

/// As a Redis does that comes back without its newest data, while the server runs.
#[tokio::test]
async fn a_queue_that_forgets_runs_is_told_of_them_again() {
    let server = Server::start().await;
    let mut before = Vec::new();
    for n in 0..3 {
        let task = server.submit(json!({"pipeline_name": "echo", "text": format!("run {n}")})).await;
        server.ended(&task).await;
        before.push((server.details(&task).await, server.watch(&task, "").await.rest().await));
    }
    // One whose record cannot be read hides no other.
    fs::create_dir(server.folder().join("damaged")).unwrap();
    for (details, _) in &before[1..] {
        let task = details["task_id"].as_str().unwrap();
        server.app.queue().delete(&task.parse().unwrap()).await.unwrap();
    }
    assert_eq!(server.get("/api/v1/experiments").await.json().as_array().unwrap().len(), 1);
    let app = Arc::clone(&server.app);
    let tending = tokio::spawn(async move { app.tend().await });
    let begun = Instant::now();
    while server.get("/api/v1/experiments").await.json().as_array().unwrap().len() < before.len() {
        assert!(begun.elapsed() < Duration::from_secs(20), "they are on disk");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for (details, (frames, close)) in before {
        let task = details["task_id"].as_str().unwrap();
        let mut again = server.details(task).await;
        // The queue ends a task a little later than its run was written down.
        again["completed_at"] = details["completed_at"].clone();
        assert_eq!(again, details);
        assert_eq!(server.watch(task, "").await.rest().await, (frames, close));
    }
    server.stop().await;
    tending.await.unwrap();
}

#[tokio::test]
async fn what_is_not_there_is_said_to_be_not_there() {
    let server = Server::start().await;
    let answer = server.get("/api/v1/experiments/nope/details").await;
    let expected = json!({"detail": {"error_code": "EXPERIMENT_NOT_FOUND", "message": "Experiment with ID 'nope' not found."}});
    assert_eq!((answer.status, answer.json()), (404, expected));

    let task = server.submit(json!({"pipeline_name": "echo", "text": "x"})).await;
    server.ended(&task).await;
    assert_eq!(server.get(&format!("/experiments/{task}/report/images/dot.svg")).await.status, 200);
    for name in [
        "loss.svg",
        "..%2freport.md",
        "%2e%2e%2fconfig.json",
        "..",
        "dot.svg%00",
        "report.md",
        "..%5cdot.svg",
        "%2fetc%2fpasswd",
        "....%2f%2freport.md",
        ".svg",
        "images%2fdot.svg",
    ] {
        let answer = server.get(&format!("/experiments/{task}/report/images/{name}")).await;
        assert_eq!(answer.status, 404, "{name}: {}", answer.text());
    }
    for id in ["..", "%2e%2e", "..%2f..%2fetc", "echo", "%00"] {
        assert_eq!(server.get(&format!("/experiments/{id}/report/content")).await.status, 404, "{id}");
    }
}

#[tokio::test]
async fn a_report_cannot_act() {
    let server = Server::start().await;
    let text = "# Title\n\n<script>alert(1)</script> <b onclick=x>bold</b>\n\n[bad](javascript:alert(1)) [good](https://example.org)\n\n\
                ![ok](images/dot.svg) ![far](https://evil.test/x.png)\n";
    let task = server.submit(json!({"pipeline_name": "echo", "text": text})).await;
    server.ended(&task).await;
    let raw = server.get(&format!("/experiments/{task}/report/content")).await;
    assert_eq!(
        (raw.text().as_str(), raw.header("content-type")),
        (text, Some("text/markdown; charset=utf-8"))
    );

    let page = server.get(&format!("/experiments/{task}/report/html")).await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let id = server.details(&task).await["experiment_id"].clone();
    let title = format!("<title>{}</title>", id.as_str().unwrap());
    assert!(page.text().contains(&title), "by whatever id it was asked for");
    assert!(page.header("content-security-policy").unwrap().starts_with("sandbox"));
    let html = page.text();
    for absent in ["<script", "<b ", "javascript:", "evil.test"] {
        assert!(!html.contains(absent), "{absent} in {html}");
    }
    for present in
        ["<h1>Title</h1>", "&lt;script&gt;", "src=\"images/dot.svg\"", "href=\"https://example.org\""]
    {
        assert!(html.contains(present), "{present} not in {html}");
    }
    let picture = server.get(&format!("/experiments/{task}/report/images/dot.svg")).await;
    assert_eq!(picture.header("content-type"), Some("image/svg+xml"));
    assert!(picture.header("content-security-policy").unwrap().starts_with("sandbox;"));
}

#[tokio::test]
async fn submitting_stays_quick_while_a_training_runs() {
    let server = Server::start().await;
    let running = server.submit(endless()).await;
    server.watch(&running, "").await.until("PROGRESS").await;

    let mut times = Vec::new();
    let mut tasks = vec![running];
    for _ in 0..20 {
        let begun = Instant::now();
        tasks.push(server.submit(small(1)).await);
        times.push(begun.elapsed());
    }
    times.sort();
    println!("POST /experiments while a training runs: median {:?}, slowest {:?}", times[10], times[19]);
    assert!(times[10] < Duration::from_millis(50), "{times:?}");
    for task in tasks {
        server.post(&format!("/experiments/{task}/cancel"), &json!({})).await;
    }
}

//! Finding runs, saying something of them, their files, and getting rid of them.

use crate::common::{Answer, Server, endless, small};
use serde_json::{Value, json};

async fn patch(server: &Server, id: &str, notes: &Value) -> Answer {
    let json = ["Content-Type: application/json"];
    server.send("PATCH", &format!("/experiments/{id}"), &json, notes.to_string().as_bytes()).await
}

async fn delete(server: &Server, id: &str) -> Answer {
    server.send("DELETE", &format!("/experiments/{id}"), &[], b"").await
}

/// The tasks of a page, and the cursor of the next.
async fn page(server: &Server, query: &str) -> (Vec<String>, Option<String>) {
    let answer = server.get(&format!("/experiments?fields=summary&{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let runs = answer.json();
    let tasks = runs.as_array().unwrap().iter().map(|run| run["task_id"].as_str().unwrap().to_owned());
    (tasks.collect(), answer.header("x-next-cursor").map(str::to_owned))
}

#[tokio::test]
async fn what_is_said_of_a_run_stays_with_it() {
    let mut server = Server::start().await;
    let task = server.submit(small(1)).await;
    server.ended(&task).await;
    let said = json!({"name": "The first", "notes": "*good*", "tags": ["a", "b c"], "starred": true});
    let answer = patch(&server, &task, &said).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let part = |run: &Value| json!({"name": run["name"], "notes": run["notes"], "tags": run["tags"], "starred": run["starred"]});
    assert_eq!(part(&answer.json()), said);
    assert_eq!(answer.json()["model_path"], server.details(&task).await["model_path"]);
    assert!(answer.json()["model_path"].is_string());
    // The queue of these tests forgets everything; what is on disk does not.
    server = server.restart().await;
    assert_eq!(part(&server.details(&task).await), said);

    let answer = patch(&server, &task, &json!({"name": null, "tags": [], "starred": false})).await;
    let left = json!({"name": null, "notes": "*good*", "tags": [], "starred": false});
    assert_eq!(part(&answer.json()), left);

    let wrong =
        json!({"name": "x".repeat(201), "notes": "x".repeat(10_001), "tags": ["fine", " ", "two\nlines"]});
    let refused = patch(&server, &task, &wrong).await;
    assert_eq!((refused.status, refused.code().as_str()), (422, "REQUEST_INVALID"));
    assert_eq!(refused.pointers(), ["/name", "/notes", "/tags/1", "/tags/2"]);
    assert_eq!(patch(&server, &task, &json!({"colour": "red"})).await.status, 400);
    assert_eq!(part(&server.details(&task).await), left);
    assert_eq!(patch(&server, "nope", &json!({})).await.code(), "EXPERIMENT_NOT_FOUND");
}

#[tokio::test]
async fn a_run_that_has_ended_is_removed_with_all_that_it_left() {
    let mut server = Server::start().await;
    let running = server.submit(endless()).await;
    server.watch(&running, "").await.until("PROGRESS").await;
    let refused = delete(&server, &running).await;
    assert_eq!((refused.status, refused.code().as_str()), (409, "EXPERIMENT_RUNNING"));
    server.post(&format!("/experiments/{running}/cancel"), &json!({})).await;
    server.ended(&running).await;
    let done = server.submit(small(1)).await;
    server.ended(&done).await;
    for task in [&running, &done] {
        let id = server.details(task).await["experiment_id"].as_str().unwrap().to_owned();
        assert!(server.folder().join(&id).is_dir());
        let answer = delete(&server, &id).await;
        assert_eq!((answer.status, answer.text().as_str()), (204, ""));
        assert_eq!(delete(&server, &id).await.code(), "EXPERIMENT_NOT_FOUND");
    }
    assert_eq!(server.left_behind(), Vec::<std::path::PathBuf>::new());
    server = server.restart().await;
    assert_eq!(page(&server, "").await, (vec![], None));
}

#[tokio::test]
async fn runs_are_found_page_by_page() {
    let server = Server::idle().await;
    let mut tasks = Vec::new();
    for i in 0..7 {
        let config = if i % 3 == 0 { small(1) } else { json!({"pipeline_name": "waits"}) };
        tasks.push(server.submit(config).await);
    }
    tasks.reverse();
    let mut found = Vec::new();
    let mut query = "limit=3".to_owned();
    let lengths = loop {
        let (page, next) = page(&server, &query).await;
        found.push(page);
        match next {
            Some(next) => query = format!("limit=3&cursor={next}"),
            None => break found.iter().map(Vec::len).collect::<Vec<_>>(),
        }
    };
    assert_eq!((lengths, found.concat()), (vec![3, 3, 1], tasks.clone()));

    // Pages of what is looked for: tasks 0, 3 and 6, now newest first.
    let wanted = [&tasks[0], &tasks[3], &tasks[6]];
    let (first, next) = page(&server, "pipeline=csv_forecaster&limit=2").await;
    assert_eq!(first.iter().collect::<Vec<_>>(), wanted[..2]);
    let (rest, end) =
        page(&server, &format!("pipeline=csv_forecaster&limit=2&cursor={}", next.unwrap())).await;
    assert_eq!((rest.iter().collect::<Vec<_>>(), end), (wanted[2..].to_vec(), None));

    server.post(&format!("/experiments/{}/cancel", tasks[1]), &json!({})).await;
    assert_eq!(page(&server, "status=REVOKED,SUCCESS").await.0, [tasks[1].clone()]);
    assert_eq!(page(&server, "status=PENDING").await.0.len(), 6);
    patch(&server, &tasks[2], &json!({"name": "The Nightly One", "tags": ["keep"]})).await;
    for text in ["nightly", "KEEP", &tasks[2][..13]] {
        assert_eq!(page(&server, &format!("q={text}")).await.0, [tasks[2].clone()], "{text}");
    }
    // Words may be anywhere, and parameters are found by their values.
    for (text, found) in [
        ("one%20nightly", vec![&tasks[2]]),
        ("nightly%20epochs=1", vec![]),
        ("csv_fore%20epochs=1", vec![&tasks[0], &tasks[3], &tasks[6]]),
        ("training_params.epochs=1.0%20", vec![&tasks[0], &tasks[3], &tasks[6]]),
        ("epochs=2", vec![]),
        ("nothing=1", vec![]),
    ] {
        assert_eq!(page(&server, &format!("q={text}")).await.0.iter().collect::<Vec<_>>(), found, "{text}");
    }
    patch(&server, &tasks[2], &json!({"archived": true})).await;
    assert_eq!(page(&server, "archived=true").await.0, [tasks[2].clone()]);
    assert_eq!(page(&server, "").await.0.len(), 6);

    for wrong in ["status=DONE", "cursor=nonsense", "cursor=0.nonsense", "limit=0"] {
        let refused = server.get(&format!("/experiments?{wrong}")).await;
        assert_eq!((refused.status, refused.code().as_str()), (422, "PARAMETER_INVALID"), "{wrong}");
    }
}

#[tokio::test]
async fn the_files_of_a_run_are_listed_and_served_as_what_they_are() {
    let server = Server::start().await;
    let task = server.submit(small(1)).await;
    server.ended(&task).await;
    let id = server.details(&task).await["experiment_id"].as_str().unwrap().to_owned();
    let files = server.get(&format!("/experiments/{id}/files")).await.json();
    let files = files.as_array().unwrap();
    assert!(files.iter().any(|file| file["name"] == "images/loss.svg"), "{files:?}");
    for file in files {
        let name = file["name"].as_str().unwrap();
        let answer = server.get(&format!("/experiments/{id}/files/{name}")).await;
        assert_eq!(answer.body, std::fs::read(server.folder().join(&id).join(name)).unwrap(), "{name}");
        assert_eq!(answer.body.len() as u64, file["size"].as_u64().unwrap());
        assert_eq!(answer.header("content-type"), file["content_type"].as_str());
        assert!(answer.header("content-security-policy").unwrap().starts_with("sandbox;"), "{name}");
    }
    // Lists tell of the model without reading what else is there.
    let listed = server.get("/experiments?fields=summary").await.json();
    assert_eq!(listed[0]["model_path"], format!("{id}/model.safetensors"));
    assert_eq!(listed[0]["results"], Value::Null);
    let model = server.get(&format!("/experiments/{id}/files/model.safetensors")).await;
    assert_eq!(model.header("content-type"), Some("application/octet-stream"));
    assert_eq!(model.header("content-disposition"), Some("attachment; filename=\"model.safetensors\""));

    std::fs::write(server.folder().join("secret"), "x").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(server.folder().join("secret"), server.folder().join(&id).join("link"))
        .unwrap();
    for name in ["nope", "link", "..%2Fsecret", "%2e%2e%2fsecret", "images", "images%2Floss.svg%00", "CON"] {
        let answer = server.get(&format!("/experiments/{id}/files/{name}")).await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "FILE_NOT_FOUND"), "{name}");
    }
}

#[tokio::test]
async fn the_course_of_a_run_is_told_in_columns() {
    let server = Server::start().await;
    let task = server.submit(small(3)).await;
    server.ended(&task).await;
    let (frames, _) = server.watch(&task, "").await.rest().await;
    let history = server.get(&format!("/experiments/{task}/history")).await.json();
    assert_eq!((&history["seq"], &history["status"]), (&frames.last().unwrap()["seq"], &json!("SUCCESS")));
    let told: Vec<_> = frames.iter().filter(|frame| frame["state"] == "PROGRESS").collect();
    assert_eq!(history["columns"]["epoch"], json!([1.0, 2.0, 3.0]));
    for (i, frame) in told.iter().enumerate() {
        for figure in ["loss", "val_loss"] {
            assert_eq!(history["columns"][figure][i], frame["details"][figure], "{frame}");
        }
    }
    assert_eq!(history["validation"], told[2]["details"]["validation_data"]);
    let states: Vec<_> = history["events"].as_array().unwrap().iter().map(|event| &event["state"]).collect();
    assert_eq!(states, ["PENDING", "STARTED", "SUCCESS"]);
    // The run's folder has most of it, and where that is damaged the log says the same.
    let kept = server
        .folder()
        .join(history["events"][2]["details"]["experiment_id"].as_str().unwrap())
        .join("course.json");
    let course = std::fs::read(&kept).unwrap();
    let mut other: Value = serde_json::from_slice(&course).unwrap();
    other["figures"]["loss"][0] = json!(-1);
    let asked = async |course: &[u8]| {
        std::fs::write(&kept, course).unwrap();
        server.get(&format!("/experiments/{task}/history")).await.json()
    };
    assert_eq!(asked(other.to_string().as_bytes()).await["columns"]["loss"][0], -1.0);
    assert!(asked(&course[..course.len() / 2]).await == history);
    assert!(asked(&course).await == history);
}

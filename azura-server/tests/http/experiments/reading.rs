//! Reading in bulk: lists with everything, only what is new, all files at once, forms.

use std::{
    fs,
    io::{Cursor, Read, Seek},
};

use crate::common::{Answer, Server, small};
use serde_json::{Value, json};
use zip::ZipArchive;

/// Runs that have ended, oldest first: their tasks and folders.
async fn echoes(server: &Server, n: usize) -> Vec<(String, std::path::PathBuf)> {
    let mut runs = Vec::new();
    for _ in 0..n {
        let task =
            server.submit(json!({"pipeline_name": "echo", "text": "# x\n\n![x](images/dot.svg)"})).await;
        server.ended(&task).await;
        let id = server.details(&task).await["experiment_id"].as_str().unwrap().to_owned();
        runs.push((task, server.folder().join(id)));
    }
    runs
}

async fn conditional(server: &Server, path: &str, tag: &str) -> Answer {
    server.send("GET", path, &[&format!("If-None-Match: {tag}")], b"").await
}

#[tokio::test]
async fn lists_have_thinned_series_and_details_have_them_whole() {
    let server = Server::start().await;
    let (_, folder) = echoes(&server, 1).await.remove(0);
    let series: Vec<_> = (0..5000).map(|i| f64::from(i) * 0.5).collect();
    let results = json!({
        "history": {"loss": series, "val_loss": series},
        "y_true": series, "y_pred": series, "time_index": series.iter().map(f64::to_string).collect::<Vec<_>>(),
        "metrics": {"accuracy": 0.5}, "confusion_matrix": vec![vec![1; 120]; 120],
    });
    fs::write(folder.join("results.json"), results.to_string()).unwrap();
    let listed = server.get("/experiments").await.json()[0].take();
    for series in ["history/loss", "history/val_loss", "y_true", "y_pred", "time_index"] {
        let points = listed["results"].pointer(&format!("/{series}")).unwrap().as_array().unwrap();
        assert!((48..=100).contains(&points.len()), "{series}: {}", points.len());
    }
    let last = |series: &str| listed["results"][series].as_array().unwrap().last().unwrap().clone();
    assert_eq!((last("y_true"), last("time_index")), (json!(2499.5), json!("2499.5")));
    assert_eq!(listed["results"]["confusion_matrix"], results["confusion_matrix"]);
    assert_eq!(listed["config"]["pipeline_name"], "echo");
    assert_eq!(server.details(listed["task_id"].as_str().unwrap()).await["results"], results);
}

#[tokio::test]
async fn a_page_stays_below_a_mebibyte() {
    let server = Server::start().await;
    let mut runs = echoes(&server, 6).await;
    // The oldest is too long even for a page of its own, which it gets all the same.
    for ((_, folder), length) in runs.iter().zip([1 << 21, 400_000, 400_000, 400_000, 400_000, 400_000]) {
        let results =
            json!({"history": {"loss": [], "val_loss": []}, "metrics": {}, "text": "x".repeat(length)});
        fs::write(folder.join("results.json"), results.to_string()).unwrap();
    }
    runs.reverse();
    let (mut query, mut found, mut lengths) = (String::new(), Vec::new(), Vec::new());
    loop {
        let page = server.get(&format!("/experiments?limit=5{query}")).await;
        let items = page.json();
        let tasks = items.as_array().unwrap().iter().map(|run| run["task_id"].as_str().unwrap().to_owned());
        found.extend(tasks);
        lengths.push(items.as_array().unwrap().len());
        assert!(page.body.len() < 1 << 20 || lengths.last() == Some(&1), "{}", page.body.len());
        match page.header("x-next-cursor") {
            Some(cursor) => query = format!("&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(lengths, [2, 2, 1, 1]);
    assert_eq!(found, runs.iter().map(|(task, _)| task.clone()).collect::<Vec<_>>());
    assert_eq!(server.get("/experiments?fields=summary").await.json().as_array().unwrap().len(), 6);
}

#[tokio::test]
async fn pages_of_any_length_go_on_where_the_last_one_ended() {
    let server = Server::idle().await;
    let mut wanted = Vec::new();
    for i in 0..24 {
        let pipeline = if i % 4 == 0 || i > 20 { "waits" } else { "echo" };
        let task = server.submit(json!({"pipeline_name": pipeline})).await;
        wanted.extend((pipeline == "waits").then_some(task));
    }
    wanted.reverse();
    for limits in [[1, 1, 1], [2, 1, 4], [4, 1, 1], [3, 2, 1], [5, 1, 3]] {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        for limit in limits.into_iter().cycle() {
            let page = server.get(&format!("/experiments?pipeline=waits&limit={limit}{cursor}")).await;
            let items = page.json();
            found.extend(
                items.as_array().unwrap().iter().map(|run| run["task_id"].as_str().unwrap().to_owned()),
            );
            match page.header("x-next-cursor") {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(found, wanted, "{limits:?}");
    }
}

#[tokio::test]
async fn what_comes_and_goes_between_pages_shifts_none_of_them() {
    let server = Server::idle().await;
    let mut tasks = Vec::new();
    for _ in 0..6 {
        tasks.insert(0, server.submit(json!({"pipeline_name": "echo"})).await);
    }
    let page = async |query: String| {
        let page = server.get(&format!("/experiments?pipeline=echo&limit=2{query}")).await;
        let items = page.json();
        let found = items.as_array().unwrap().iter().map(|run| run["task_id"].as_str().unwrap().to_owned());
        (found.collect::<Vec<_>>(), page.header("x-next-cursor").map(|next| format!("&cursor={next}")))
    };
    let archive = async |task: &str, archived: bool| {
        let body = json!({"archived": archived}).to_string();
        let path = format!("/experiments/{task}");
        let answer = server.send("PATCH", &path, &["Content-Type: application/json"], body.as_bytes()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    archive(&tasks[0], true).await;
    let (first, next) = page(String::new()).await;
    assert_eq!(first, tasks[1..3]);
    // One of the first page is deleted, the other one is in the list no more, and one that was not is.
    assert_eq!(server.post(&format!("/experiments/{}/cancel", tasks[1]), &json!({})).await.status, 202);
    let deleted = server.send("DELETE", &format!("/experiments/{}", tasks[1]), &[], b"").await;
    assert_eq!(deleted.status, 204, "{}", deleted.text());
    archive(&tasks[2], true).await;
    let (second, last) = page(next.clone().unwrap()).await;
    assert_eq!(second, tasks[3..5]);
    archive(&tasks[0], false).await;
    archive(&tasks[2], false).await;
    assert_eq!(page(next.unwrap()).await.0, tasks[3..5]);
    assert_eq!(page(last.unwrap()).await, (tasks[5..].to_vec(), None));
}

#[tokio::test]
async fn what_a_client_has_is_not_sent_again() {
    let server = Server::start().await;
    let (task, folder) = echoes(&server, 1).await.remove(0);
    let run = format!("/experiments/{task}");
    for path in
        ["", "/history", "/details", "/report/content", "/report/html", "/files", "/files/results.json"]
    {
        let path = if path.is_empty() { "/experiments".to_owned() } else { format!("{run}{path}") };
        let first = server.get(&path).await;
        let tag = first.header("etag").unwrap_or_else(|| panic!("{path} has no tag")).to_owned();
        assert_eq!(tag.starts_with("W/"), path.ends_with("results.json"), "{path}: {tag}");
        for known in [tag.clone(), format!("\"other\", {tag}"), "*".to_owned()] {
            let again = conditional(&server, &path, &known).await;
            assert_eq!((again.status, again.body.len()), (304, 0), "{path} {known}");
            assert_eq!(again.header("etag"), Some(tag.as_str()));
            assert_eq!(again.header("cache-control"), Some("no-cache"));
            // A cache takes these over for the answer that it has.
            let policy = "content-security-policy";
            assert_eq!(again.header(policy), first.header(policy), "{path}");
        }
        let other = conditional(&server, &path, "\"other\"").await;
        assert_eq!((other.status, &other.body), (200, &first.body), "{path}");
    }

    let tags = |answer: &Answer| answer.header("etag").unwrap().to_owned();
    let (list, file) =
        (server.get("/experiments").await, server.get(&format!("{run}/files/results.json")).await);
    let patch = server.send("PATCH", &run, &["Content-Type: application/json"], b"{\"name\": \"new\"}").await;
    assert_eq!((patch.status, patch.header("etag")), (200, None));
    fs::write(folder.join("results.json"), "{\"history\": {}, \"metrics\": {}}").unwrap();
    let again = conditional(&server, "/experiments", &tags(&list)).await;
    assert_eq!((again.status, &again.json()[0]["name"]), (200, &json!("new")));
    assert_ne!(tags(&again), tags(&list));
    let again = conditional(&server, &format!("{run}/files/results.json"), &tags(&file)).await;
    assert_eq!((again.status, again.json()), (200, json!({"history": {}, "metrics": {}})));
    let missing = conditional(&server, "/experiments/nope/details", "*").await;
    assert_eq!((missing.status, missing.header("etag")), (404, None));
}

/// By HTTP/1.0, where an answer whose length is not known ends with the connection.
async fn archive(server: &Server, id: &str) -> Answer {
    let head = format!("GET /experiments/{id}/archive HTTP/1.0\r\nHost: {}\r\n\r\n", server.address);
    server.raw(head.as_bytes()).await
}

fn names_in<R: Read + Seek>(zip: &ZipArchive<R>) -> Vec<String> {
    zip.file_names().map(|name| name.unwrap().into_owned()).collect()
}

#[tokio::test]
async fn all_files_of_a_run_are_one_zip() {
    let mut server = Server::idle().await;
    let task = server.submit(small(2)).await;
    let refused = archive(&server, &task).await;
    assert_eq!((refused.status, refused.code().as_str()), (404, "FILE_NOT_FOUND"));
    server.work();
    server.ended(&task).await;
    let id = server.details(&task).await["experiment_id"].as_str().unwrap().to_owned();
    let listed = server.get(&format!("/experiments/{id}/files")).await.json();
    let names = listed.as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap());
    let answer = archive(&server, &task).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/zip")));
    let file = format!("attachment; filename=\"{id}.zip\"");
    assert_eq!(answer.header("content-disposition"), Some(file.as_str()));
    let mut zip = ZipArchive::new(Cursor::new(&answer.body)).unwrap();
    let expected: Vec<_> = names.map(|name| format!("{id}/{name}")).collect();
    assert_eq!(names_in(&zip), expected);
    assert!(expected.contains(&format!("{id}/images/loss.svg")));
    for name in &expected {
        let mut bytes = Vec::new();
        zip.by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, fs::read(server.folder().join(name)).unwrap(), "{name}");
    }
    assert_eq!(archive(&server, &id).await.body, answer.body);
}

#[cfg(unix)]
#[tokio::test]
async fn links_lead_to_nothing_outside_a_run() {
    let server = Server::start().await;
    let (task, folder) = echoes(&server, 1).await.remove(0);
    fs::create_dir(server.folder().join(".secret")).unwrap();
    fs::write(server.folder().join(".secret/dot.svg"), "secret").unwrap();
    fs::remove_dir_all(folder.join("images")).unwrap();
    std::os::unix::fs::symlink(server.folder().join(".secret"), folder.join("images")).unwrap();
    for path in ["files/images/dot.svg", "report/images/dot.svg"] {
        assert_eq!(server.get(&format!("/experiments/{task}/{path}")).await.status, 404, "{path}");
    }
    let files = server.get(&format!("/experiments/{task}/files")).await;
    assert!(files.status == 200 && !files.text().contains("dot.svg"), "{}", files.text());
    let zip = archive(&server, &task).await;
    let zip = ZipArchive::new(Cursor::new(&zip.body)).unwrap();
    assert!(!zip.is_empty() && names_in(&zip).iter().all(|name| !name.ends_with("dot.svg")));
}

#[tokio::test]
async fn a_pipeline_comes_with_a_form() {
    let server = Server::idle().await;
    let config = server.get("/pipelines/csv_forecaster/config").await.json();
    let groups = config["form_schema"]["groups"].as_array().unwrap();
    let names: Vec<_> = groups.iter().map(|group| group["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Data", "Features", "Model", "Training"]);
    let field = |path: &str| -> Value {
        let fields = groups.iter().flat_map(|group| group["fields"].as_array().unwrap());
        fields.clone().find(|field| field["path"] == path).unwrap().clone()
    };
    let epochs = json!({"id": "training_params-epochs", "path": "training_params.epochs", "label": "Epochs", "type": "text",
        "placeholder": "40", "help_text": "How often the training part is gone through.", "validation": {"required": true}});
    assert_eq!(field("training_params.epochs"), epochs);
    let optimizers: Vec<_> =
        ["adam", "adamw", "sgd", "rmsprop"].map(|name| json!({"value": name, "label": name})).into();
    assert_eq!(field("training_params.optimizer")["options"], json!(optimizers));
}

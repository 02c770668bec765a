//! Event streams: of all runs, and of one.

use std::{
    collections::BTreeMap,
    pin::pin,
    time::{Duration, Instant},
};

use crate::common::{Server, endless, small};
use azura_queue::NewTask;
use azura_server::{News, TASK};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::timeout,
};

const PATIENCE: Duration = Duration::from_mins(2);

/// Somebody at the other end of an event stream.
struct Listener {
    lines: tokio::io::Lines<BufReader<TcpStream>>,
    status: u16,
    headers: BTreeMap<String, String>,
}

#[derive(Debug, PartialEq)]
struct Event {
    kind: String,
    id: Option<u64>,
    data: Value,
}

impl Listener {
    async fn open(server: &Server, path: &str, headers: &[&str]) -> Self {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let host = format!("Host: {}", server.address);
        let lines = [&[host.as_str(), "Accept: text/event-stream"], headers].concat().join("\r\n");
        // In this version, a body has no frames.
        stream.write_all(format!("GET /api/v1{path} HTTP/1.0\r\n{lines}\r\n\r\n").as_bytes()).await.unwrap();
        let mut listener =
            Self { lines: BufReader::new(stream).lines(), status: 0, headers: BTreeMap::new() };
        let first = listener.line().await.unwrap();
        listener.status = first.split(' ').nth(1).unwrap().parse().unwrap();
        while let Some(line) = listener.line().await.filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(": ").unwrap();
            listener.headers.insert(name.to_lowercase(), value.to_owned());
        }
        listener
    }

    async fn all(server: &Server) -> Self {
        let mut listener = Self::open(server, "/events", &[]).await;
        assert_eq!(listener.next().await.unwrap().kind, "hello");
        listener
    }

    async fn line(&mut self) -> Option<String> {
        timeout(PATIENCE, self.lines.next_line()).await.expect("the server says something").unwrap()
    }

    /// The next event, as the standard says it is read.
    async fn next(&mut self) -> Option<Event> {
        let (mut kind, mut id, mut data) = ("message".to_owned(), None, String::new());
        loop {
            let line = self.line().await?;
            match line.split_once(':') {
                Some(("event", value)) => value.trim_start().clone_into(&mut kind),
                Some(("id", value)) => id = Some(value.trim_start().parse().unwrap()),
                Some(("data", value)) => data.push_str(value),
                None if !data.is_empty() => {
                    return Some(Event { kind, id, data: serde_json::from_str(&data).unwrap() });
                }
                // A comment, the time to wait, or the end of one of these.
                _ => {}
            }
        }
    }

    async fn rest(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }

    /// Everything up to the first event of this kind of which this is so.
    async fn until(&mut self, kind: &str, is: impl Fn(&Value) -> bool) -> Vec<Event> {
        let mut events: Vec<Event> = Vec::new();
        while !events.last().is_some_and(|event| event.kind == kind && is(&event.data)) {
            events.push(self.next().await.expect("the stream goes on"));
        }
        events
    }
}

#[tokio::test]
async fn everybody_is_told_of_a_run_from_its_submission_to_its_removal() {
    let mut server = Server::idle().await;
    let mut listener = Listener::open(&server, "/events", &[]).await;
    let header = |name: &str| listener.headers.get(name).map(String::as_str);
    assert_eq!(listener.status, 200);
    assert_eq!(header("content-type"), Some("text/event-stream"));
    assert_eq!(header("cache-control"), Some("no-store"));
    assert_eq!(header("x-content-type-options"), Some("nosniff"));
    assert!(header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    let hello = listener.next().await.unwrap();
    assert_eq!((hello.kind.as_str(), hello.data), ("hello", json!({"version": azura_server::VERSION})));

    // Long enough that it is told of on its way, however fast the machine is.
    let task = server.submit(small(2000)).await;
    let mut second = Listener::all(&server).await;
    let waits = listener.next().await.unwrap();
    assert_eq!((waits.kind.as_str(), &waits.data["status"]), ("experiment", &json!("PENDING")));
    let listed = server.get("/experiments?fields=summary").await.json();
    assert_eq!(waits.data, listed[0], "it is what a list says");
    let id = waits.data["experiment_id"].as_str().unwrap().to_owned();

    server.work();
    let done = |run: &Value| run["status"] == "SUCCESS";
    let told = listener.until("experiment", done).await;
    assert!(told.iter().all(|event| event.data["task_id"] == task && event.data["experiment_id"] == id));
    assert!(told.iter().any(|event| event.data["status"] == "STARTED"), "{told:?}");
    let progress: Vec<_> = told.iter().filter(|event| event.kind == "progress").collect();
    assert!(!progress.is_empty(), "{told:?}");
    let columns = server.get(&format!("/experiments/{id}/history")).await.json()["columns"].clone();
    for event in &progress {
        let told = &event.data;
        let epoch = told["epoch"].as_u64().unwrap();
        assert_eq!((&told["attempt"], &told["total_epochs"]), (&json!(1), &json!(2000)));
        // The first two entries of the log are that it waits and that it begins.
        assert_eq!(told["seq"], epoch + 2);
        for figure in ["loss", "val_loss"] {
            assert_eq!(told[figure], columns[figure][epoch as usize - 1], "{figure}");
        }
    }
    assert!(progress.is_sorted_by_key(|event| event.data["seq"].as_u64()));
    second.until("experiment", done).await;

    let notes = json!({"name": "The first"}).to_string();
    server
        .send("PATCH", &format!("/experiments/{id}"), &["Content-Type: application/json"], notes.as_bytes())
        .await;
    let renamed = listener.next().await.unwrap();
    assert_eq!((renamed.kind.as_str(), &renamed.data["name"]), ("experiment", &json!("The first")));
    // Another one that listens by now knows nothing of the run.
    drop((listener, second));
    let mut late = Listener::all(&server).await;
    server.send("DELETE", &format!("/experiments/{id}"), &[], b"").await;
    let deleted = late.next().await.unwrap();
    assert_eq!(
        (deleted.kind.as_str(), deleted.data),
        ("deleted", json!({"experiment_id": id, "task_id": task}))
    );
}

#[tokio::test]
async fn predictions_are_nobodys_news() {
    let server = Server::start().await;
    let task = server.submit(small(1)).await;
    server.ended(&task).await;
    let mut listener = Listener::all(&server).await;
    for _ in 0..3 {
        let answer = server.post(&format!("/experiments/{task}/predict"), &json!({})).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    server.send("DELETE", &format!("/experiments/{task}"), &[], b"").await;
    let next = server.submit(json!({"pipeline_name": "echo"})).await;
    let told = listener.until("experiment", |run| run["task_id"] == next && run["status"] == "SUCCESS").await;
    assert!(
        told.iter().all(|event| event.data["task_id"] == next || event.data["task_id"] == task),
        "{told:?}"
    );
    let deleted: Vec<_> = told.iter().filter(|event| event.kind == "deleted").collect();
    assert_eq!((deleted.len(), &deleted[0].data["task_id"]), (1, &json!(task)));
}

#[tokio::test]
async fn a_run_is_told_of_four_times_a_second_at_most() {
    let server = Server::start().await;
    let mut listener = Listener::all(&server).await;
    let task = server.submit(endless()).await;
    listener.until("progress", |_| true).await;
    let (begun, mut told) = (Instant::now(), Vec::new());
    while begun.elapsed() < Duration::from_secs(3) {
        told.push(listener.next().await.unwrap().data["seq"].as_u64().unwrap());
    }
    let most = 4.0 * begun.elapsed().as_secs_f64() + 1.0;
    assert!((4.0..=most).contains(&(told.len() as f64)), "{} in {:?}", told.len(), begun.elapsed());
    assert!(told[told.len() - 1] - told[0] > 4 * told.len() as u64, "there was more to tell: {told:?}");
    // The last word is told, however soon it comes.
    server.post(&format!("/experiments/{task}/cancel"), &json!({})).await;
    listener.until("experiment", |run| run["status"] == "REVOKED").await;
}

#[tokio::test]
async fn a_listener_who_falls_behind_begins_anew() {
    let server = Server::idle().await;
    let mut news = pin!(server.app.news().await.unwrap());
    assert!(matches!(news.next().await, Some(News::Anew)));
    for _ in 0..1500 {
        let config = json!({"pipeline_name": "waits"});
        server.app.queue().submit(NewTask::new(TASK).arg(config)).await.unwrap();
    }
    // Until another one has heard of the last.
    let last = server.submit(json!({"pipeline_name": "waits"})).await;
    let mut other = pin!(server.app.news().await.unwrap());
    while let Some(news) = timeout(PATIENCE, other.next()).await.unwrap() {
        if matches!(&news, News::Run(run) if run.record.id.to_string() == last) {
            break;
        }
    }
    assert!(matches!(news.next().await, Some(News::Anew)));
    server.post(&format!("/experiments/{last}/cancel"), &json!({})).await;
    let Some(News::Run(run)) = timeout(PATIENCE, news.next()).await.unwrap() else {
        panic!("a run was told")
    };
    assert_eq!(run.record.id.to_string(), last);
}

#[tokio::test]
async fn the_stream_of_a_run_goes_on_where_it_broke() {
    let server = Server::start().await;
    let task = server.submit(small(60)).await;
    let path = format!("/experiments/{task}/events");
    let mut told: Vec<Event> = Vec::new();
    loop {
        let last = told.last().map(|event| format!("Last-Event-ID: {}", event.id.unwrap()));
        let headers: Vec<_> = last.iter().map(String::as_str).collect();
        let mut listener = Listener::open(&server, &path, &headers).await;
        if listener.status == 204 {
            break;
        }
        // Each time it stays for seven events at most.
        for _ in 0..7 {
            match listener.next().await {
                Some(event) => told.push(event),
                None => break,
            }
        }
    }
    let (frames, _) = server.watch(&task, "").await.rest().await;
    assert_eq!(told.iter().map(|event| &event.data).collect::<Vec<_>>(), frames.iter().collect::<Vec<_>>());
    for (i, event) in told.iter().enumerate() {
        assert_eq!((event.kind.as_str(), event.id), ("message", Some(i as u64 + 1)));
    }
    // Of a run that has ended: what is left, and then nothing, so that nobody comes again.
    let rest = Listener::open(&server, &format!("{path}?after=61"), &[]).await.rest().await;
    assert_eq!(rest, told.split_off(61));
    let more = Listener::open(&server, &format!("{path}?after=3"), &["Last-Event-ID: 61"]).await.rest().await;
    assert_eq!(more, rest, "what a browser has seen counts");
    for (query, header) in [("?after=63", None), ("", Some("Last-Event-ID: 63")), ("?after=1000", None)] {
        let headers: Vec<_> = header.into_iter().collect();
        let listener = Listener::open(&server, &format!("{path}{query}"), &headers).await;
        assert_eq!(listener.status, 204, "{query} {header:?}");
    }
    let wrong = server.get(&format!("{path}?after=x")).await;
    assert_eq!((wrong.status, wrong.code().as_str()), (422, "PARAMETER_INVALID"));
    let unknown = server.get("/experiments/nope/events").await;
    assert_eq!((unknown.status, unknown.code().as_str()), (404, "EXPERIMENT_NOT_FOUND"));
}

#[tokio::test]
async fn strangers_hear_nothing() {
    let server = Server::idle().await;
    let task = server.submit(small(1)).await;
    for path in ["/events".to_owned(), format!("/experiments/{task}/events")] {
        let listener = Listener::open(&server, &path, &["Origin: http://evil.example"]).await;
        assert_eq!(listener.status, 403, "{path}");
    }
}

#[tokio::test]
async fn a_shutdown_ends_all_streams() {
    let server = Server::idle().await;
    let task = server.submit(small(1)).await;
    let mut all = Listener::all(&server).await;
    let mut one = Listener::open(&server, &format!("/experiments/{task}/events"), &[]).await;
    assert_eq!(one.next().await.unwrap().data["state"], "PENDING");
    let begun = Instant::now();
    let (all, one, _) = tokio::join!(all.rest(), one.rest(), server.stop());
    assert!(all.len() <= 1 && one.is_empty(), "{all:?} {one:?}");
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn lists_say_how_far_a_run_has_come() {
    let server = Server::start().await;
    let task = server.submit(endless()).await;
    let mut watcher = server.watch(&task, "").await;
    let mut most = 0;
    loop {
        let epoch = watcher.until("PROGRESS").await["details"]["epoch"].as_u64().unwrap();
        let listed = server.get("/experiments?fields=summary").await.json();
        let columns = server.get(&format!("/experiments/{task}/history")).await.json()["columns"].clone();
        let (run, progress) = (&listed[0], &listed[0]["progress"]);
        let at = progress["epoch"].as_u64().unwrap();
        assert!(at >= epoch);
        assert_eq!((&progress["total_epochs"], &progress["seq"]), (&json!(100_000), &json!(at + 2)));
        assert_eq!(progress["loss"], columns["loss"][at as usize - 1]);
        let losses = run["loss"].as_array().unwrap();
        assert!(losses.len() <= 32 && losses.last() == Some(&progress["loss"]), "{losses:?}");
        // They are losses of the run, in the order of its epochs.
        let mut course = columns["loss"].as_array().unwrap().iter();
        assert!(losses.iter().all(|loss| course.any(|there| there == loss)), "{losses:?}");
        most = most.max(losses.len());
        if at > 150 {
            break;
        }
    }
    assert!(most > 16, "{most}");
    server.post(&format!("/experiments/{task}/cancel"), &json!({})).await;
    server.ended(&task).await;
    // What it came to stays; its curve is in its history.
    let run = server.details(&task).await;
    let columns = server.get(&format!("/experiments/{task}/history")).await.json()["columns"].clone();
    let last = |name: &str| columns[name].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        (&run["progress"]["epoch"], &run["progress"]["loss"]),
        (&json!(last("epoch").as_f64().unwrap() as u64), &last("loss"))
    );
    assert_eq!((&run["loss"], &run["results_summary"]["final_loss"]), (&json!([]), &json!(null)));
}

#[tokio::test]
async fn a_line_on_which_nothing_happens_is_alive() {
    let server = Server::idle().await;
    let mut listener = Listener::all(&server).await;
    let alive = listener.next().await.unwrap();
    assert_eq!((alive.kind.as_str(), alive.id, alive.data), ("alive", None, json!({})));
}

#[tokio::test]
async fn a_history_can_be_thin() {
    let server = Server::start().await;
    let task = server.submit(small(300)).await;
    server.ended(&task).await;
    let whole = server.get(&format!("/experiments/{task}/history")).await.json();
    let thin = server.get(&format!("/experiments/{task}/history?points=40")).await.json();
    assert_eq!((&whole["epochs"], &thin["epochs"], &whole["seq"]), (&json!(300), &json!(300), &thin["seq"]));
    let column = |history: &Value, name: &str| -> Vec<f64> {
        history["columns"][name].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
    };
    let (epochs, all) = (column(&thin, "epoch"), column(&whole, "epoch"));
    assert!((20..=40).contains(&epochs.len()) && epochs.is_sorted() && all.len() == 300, "{epochs:?}");
    assert_eq!((epochs[0], epochs[epochs.len() - 1]), (1.0, 300.0));
    for name in ["loss", "val_loss"] {
        let (few, many) = (column(&thin, name), column(&whole, name));
        let at: Vec<f64> = epochs.iter().map(|&epoch| many[epoch as usize - 1]).collect();
        assert_eq!(few, at);
        let least = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = |values: &[f64]| values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        assert_eq!((least(&few), most(&few)), (least(&many), most(&many)));
    }
    let results = async |query: &str| {
        let details = server.get(&format!("/experiments/{task}/details{query}")).await.json();
        details["results"]["history"]["loss"].as_array().unwrap().len()
    };
    assert_eq!(results("").await, 300);
    assert!((20..=40).contains(&results("?points=40").await));
    let refused = server.get(&format!("/experiments/{task}/history?points=1")).await;
    assert_eq!((refused.status, refused.code().as_str()), (422, "PARAMETER_INVALID"));
}

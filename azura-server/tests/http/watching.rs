//! Watchers: live, late, again, stuck, and of nothing.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::common::{Server, Watcher, endless, small};
use azura_queue::{Finish, Keep, NewEvent};
use futures_util::SinkExt as _;
use serde_json::{Value, json};
use tokio::{net::TcpSocket, time::sleep};
use tokio_tungstenite::{
    MaybeTlsStream, client_async,
    tungstenite::{
        Message,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

#[tokio::test]
async fn live_and_late_watchers_receive_the_same_frames() {
    let mut server = Server::idle().await;
    let task = server.submit(small(3)).await;
    let (first, second) = (server.watch(&task, "").await, server.watch(&task, "").await);
    server.work();
    let ((live, close), (also_live, _)) = tokio::join!(first.rest(), second.rest());
    let (late, late_close) = server.watch(&task, "").await.rest().await;
    assert_eq!((close, late_close), (Some(1000), Some(1000)));
    assert_eq!(live, late);
    assert_eq!(live, also_live);

    let states: Vec<_> = live.iter().map(|frame| frame["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["PENDING", "STARTED", "PROGRESS", "PROGRESS", "PROGRESS", "SUCCESS"]);
    for (i, frame) in live.iter().enumerate() {
        assert_eq!(frame["seq"], i + 1);
        assert_eq!(frame["attempt"], u8::from(i > 0));
        let keys: Vec<_> = frame.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["attempt", "details", "seq", "state"]);
    }
    assert_eq!(live[1]["details"], json!({"attempt": 1, "from_epoch": 0}));
    let epoch = &live[2]["details"];
    assert_eq!((epoch["epoch"].as_u64(), epoch["total_epochs"].as_u64()), (Some(1), Some(3)));
    assert!(epoch["loss"].is_f64() && epoch["val_loss"].is_f64() && epoch["status_text"].is_string());
    assert_eq!(epoch["pipeline_name"], "csv_forecaster");
    let validation = &epoch["validation_data"];
    assert!(validation["y_true"].as_array().unwrap().len() == validation["y_pred"].as_array().unwrap().len());
    assert!(live[5]["details"]["metrics"]["rmse"].is_f64());
}

#[tokio::test]
async fn a_watcher_that_comes_back_misses_nothing_and_sees_nothing_twice() {
    let server = Server::start().await;
    let task = server.submit(small(3)).await;
    let (all, _) = server.watch(&task, "").await.rest().await;
    for after in 0..=all.len() + 2 {
        let (rest, close) = server.watch(&task, &format!("?after={after}")).await.rest().await;
        assert_eq!(rest, all[after.min(all.len())..], "after {after}");
        assert_eq!(close, Some(1000));
    }
}

#[tokio::test]
async fn a_watcher_that_drops_out_while_it_trains_misses_nothing() {
    let server = Server::start().await;
    let task = server.submit(small(60)).await;
    let mut pieces = Vec::new();
    let close = loop {
        let after = pieces.last().map_or(0, |frame: &Value| frame["seq"].as_u64().unwrap());
        let mut watcher = server.watch(&task, &format!("?after={after}")).await;
        let mut piece = Vec::new();
        // Each time it stays for seven frames, and leaves without a word.
        let left = loop {
            match watcher.next().await {
                Ok(frame) => piece.push(frame),
                Err(code) => break Some(code),
            }
            if piece.len() == 7 {
                break None;
            }
        };
        pieces.extend(piece);
        if let Some(code) = left {
            break code;
        }
    };
    assert_eq!(close, Some(1000));
    assert_eq!(pieces, server.watch(&task, "").await.rest().await.0);
}

#[tokio::test]
async fn a_goodbye_is_answered() {
    let server = Server::idle().await;
    let task = server.submit(json!({"pipeline_name": "echo"})).await;
    let mut watcher = server.watch(&task, "").await;
    watcher.next().await.unwrap();
    let frame = CloseFrame { code: CloseCode::Away, reason: "".into() };
    watcher.0.close(Some(frame)).await.unwrap();
    assert_eq!(watcher.next().await, Err(Some(1001)));
}

#[tokio::test]
async fn batches_are_told_to_those_who_ask() {
    let server = Server::start().await;
    let task = server.submit(endless()).await;
    let mut watcher = server.watch(&task, "?level=batch").await;
    let batch = loop {
        let frame = watcher.next().await.unwrap();
        if frame.get("seq").is_none() {
            break frame;
        }
    };
    assert_eq!(batch["state"], "PROGRESS");
    assert!(batch["details"]["batch"].is_u64());
    server.post(&format!("/experiments/{task}/cancel"), &json!({})).await;
    let (frames, _) = server.watch(&task, "").await.rest().await;
    assert!(frames.iter().all(|frame| frame["seq"].is_u64()));
}

#[tokio::test]
async fn nobody_waits_for_an_unknown_task() {
    let server = Server::start().await;
    for task in ["7b0e5f6e-3c1d-4a4e-9a57-000000000000", "nonsense", "..", "%00"] {
        let (frames, close) = server.watch(task, "").await.rest().await;
        assert_eq!((frames, close), (vec![], Some(4404)), "{task}");
    }
}

#[tokio::test]
async fn the_same_socket_is_also_below_the_prefix() {
    let server = Server::start().await;
    let url = format!("ws://{}/api/v1/ws/task_status/nonsense", server.address);
    let mut socket = Watcher(tokio_tungstenite::connect_async(url).await.unwrap().0);
    assert_eq!(socket.next().await, Err(Some(4404)));
}

#[tokio::test]
async fn a_shutdown_says_goodbye() {
    let server = Server::idle().await;
    let task = server.submit(json!({"pipeline_name": "echo"})).await;
    let mut watcher = server.watch(&task, "").await;
    assert_eq!(watcher.next().await.unwrap()["state"], "PENDING");
    let (closed, _) = tokio::join!(watcher.next(), server.stop());
    assert_eq!(closed, Err(Some(1001)));
}

#[tokio::test]
async fn what_watchers_say_is_ignored_unless_it_is_too_much() {
    let server = Server::idle().await;
    let task = server.submit(json!({"pipeline_name": "echo"})).await;
    let mut watcher = server.watch(&task, "").await;
    watcher.next().await.unwrap();
    watcher.0.send(Message::text("hello?")).await.unwrap();
    watcher.0.send(Message::binary(vec![0; 60_000])).await.unwrap();
    server.post(&format!("/experiments/{task}/cancel"), &json!({})).await;
    assert_eq!(watcher.next().await.unwrap()["state"], "REVOKED");

    let task = server.submit(json!({"pipeline_name": "echo"})).await;
    let mut watcher = server.watch(&task, "").await;
    watcher.next().await.unwrap();
    // The server may hang up before all of it is sent.
    let _ = watcher.0.send(Message::binary(vec![0; 70_000])).await;
    assert!(watcher.next().await.is_err());
}

#[tokio::test]
async fn stuck_watchers_hold_up_nobody() {
    const EVENTS: usize = 100;
    // Each is sent all that the system takes, and this is a build without optimisation.
    const READERS: usize = 12;
    let server = Server::idle().await;
    let task = server.submit(json!({"pipeline_name": "echo"})).await;
    let mut stuck = Vec::new();
    for _ in 0..READERS {
        // Little room to receive, so that the log does not fit into what the system holds for it.
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let stream = socket.connect(server.address).await.unwrap();
        let url = format!("ws://{}/ws/task_status/{task}", server.address);
        stuck.push(client_async(url, MaybeTlsStream::Plain(stream)).await.unwrap().0);
    }
    let watcher = server.watch(&task, "").await;
    let begun = Instant::now();
    let queue = Arc::clone(server.app.queue());
    let working = tokio::spawn(async move {
        let hour = Duration::from_hours(1);
        let lease = queue.claim(&"tester".into(), &["celery".into()], hour, hour).await.unwrap().unwrap();
        let mut last = lease.seq;
        for n in 0..EVENTS {
            let event = NewEvent::new(Keep::All, json!({"n": n, "long": "x".repeat(100_000)}));
            last = queue.append(&lease, last, &[event]).await.unwrap();
        }
        queue.finish(&lease, Finish::Succeeded(json!({}))).await.unwrap();
    });
    let (frames, close) = watcher.rest().await;
    working.await.unwrap();
    let took = begun.elapsed();
    println!("{EVENTS} events of 100 kB past {READERS} watchers that do not read: {took:?}");
    assert_eq!((frames.len(), close), (EVENTS + 3, Some(1000)));
    assert!(took < Duration::from_secs(8), "nobody waited until the server gave up on the others");

    // They were stuck indeed: the server waits for as long as it does, and sends them away.
    sleep(Duration::from_secs(13)).await;
    for watcher in stuck {
        let (told, close) = Watcher(watcher).rest().await;
        assert!(told.len() < EVENTS && close != Some(1000), "{} frames, closed with {close:?}", told.len());
    }
}

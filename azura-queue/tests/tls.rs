//! The queue in a Redis behind TLS. Needs redis-server.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod redis_server;
mod redis_tls;

use std::{
    env,
    process::Command,
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

use azura_queue::{
    Broker as _, Entry, EventKind, EventLog as _, Keep, NewTask, QueueError, RedisQueue, State, TaskFailure,
    Worker,
};
use futures_util::StreamExt as _;
use redis_server::RedisServer;
use redis_tls::{TlsServer, free_port};
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// Where a test is told what server there is, in the process that trusts it.
const URL: &str = "AZURA_TEST_REDISS";

/// Whom a process trusts is a matter of its environment. So a test starts a server, and itself once more, in a process that trusts the server's
/// authority and no other: there this is the server's address, and here it is nothing.
fn trusting(test: &str, server: impl FnOnce() -> TlsServer) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "what this process was started with")]
    if let Ok(url) = env::var(URL) {
        return Some(url);
    }
    let server = server();
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env("SSL_CERT_FILE", server.authority())
        .env_remove("SSL_CERT_DIR")
        .env(URL, server.url("localhost"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("1 passed"), "{said}");
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_over_tls_is_a_queue() {
    if let Some(url) = trusting("a_queue_over_tls_is_a_queue", TlsServer::start) {
        use_it(&url).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_1_2_will_do() {
    let options = ["--tls-auth-clients", "no", "--tls-protocols", "TLSv1.2"];
    if let Some(url) = trusting("tls_1_2_will_do", || TlsServer::start_with(2100, &options)) {
        use_it(&url).await;
    }
}

async fn use_it(url: &str) {
    let queue = Arc::new(RedisQueue::connect(url).await.unwrap());
    let (go_on, waits) = mpsc::channel::<()>();
    let waits = Mutex::new(waits);
    let shutdown = CancellationToken::new();
    let worker = Worker::new(Arc::clone(&queue) as _).handle("count", move |task| {
        task.emitter().emit(Keep::All, &json!({"n": 1}));
        waits.lock().unwrap().recv_timeout(Duration::from_mins(1)).map_err(|_| TaskFailure::cancelled())?;
        Ok(json!({"counted": task.record().args[0]}))
    });
    let worker = tokio::spawn(worker.run(shutdown.clone()));

    let watcher = RedisQueue::connect(url).await.unwrap();
    let begun = Instant::now();
    for n in 0..4 {
        let id = watcher.submit(NewTask::new("count").arg(n)).await.unwrap();
        let mut log = watcher.follow(&id, 0).await.unwrap();
        let mut seen: Vec<Entry> = Vec::new();
        while let Some(entry) = log.next().await {
            seen.push(entry.unwrap());
            if seen.last().unwrap().kind == EventKind::Progress {
                // It is seen while the task still runs.
                assert_eq!(watcher.get(&id).await.unwrap().state, State::Started);
                go_on.send(()).unwrap();
            }
        }
        let kinds: Vec<&str> = seen.iter().map(|entry| entry.kind.as_str()).collect();
        assert_eq!(kinds, ["PENDING", "STARTED", "PROGRESS", "SUCCESS"]);
        assert_eq!(watcher.get(&id).await.unwrap().result, Some(json!({"counted": n})));
    }
    // Whoever is not told looks after five seconds, once for the progress and once for the end.
    assert!(begun.elapsed() < Duration::from_secs(15), "nobody was told: {:?}", begun.elapsed());
    shutdown.cancel();
    worker.await.unwrap();
}

/// What is said of an address that will be as wrong the next time.
async fn refused(url: &str) -> String {
    let error = RedisQueue::connect(url).await.unwrap_err();
    assert!(matches!(error, QueueError::Storage(_)) && !error.is_transient(), "{url}: {error:?}");
    let said = error.to_string();
    assert!(!said.contains("s3cret"), "{said}");
    said
}

#[tokio::test]
async fn who_is_not_trusted_or_does_not_speak_tls_is_told_of() {
    let Some(url) = trusting("who_is_not_trusted_or_does_not_speak_tls_is_told_of", TlsServer::start) else {
        return;
    };
    let stranger = TlsServer::start_for(&["127.0.0.1"], 2100, &["--tls-auth-clients", "no"]);
    let said = refused(&stranger.url("user:s3cret@127.0.0.1")).await;
    assert!(said.contains("UnknownIssuer") && said.contains("SSL_CERT_FILE"), "{said}");

    let said = refused(&url.replace("rediss://", "redis://user:s3cret@")).await;
    assert!(said.contains("speaks TLS at this port") && said.contains("rediss://"), "{said}");

    let (port, _plain) = (0..10)
        .find_map(|_| {
            let port = free_port().to_string();
            let args = ["--bind", "127.0.0.1", "--port", &port].map(str::to_owned);
            RedisServer::start_with(&args).map(|server| (port, server))
        })
        .unwrap();
    let said = refused(&format!("rediss://user:s3cret@127.0.0.1:{port}/0")).await;
    assert!(said.contains("does not speak TLS at this port") && said.contains("redis://"), "{said}");
}

#[tokio::test]
async fn a_server_that_is_not_there_yet_may_come() {
    if trusting("a_server_that_is_not_there_yet_may_come", TlsServer::start).is_none() {
        return;
    }
    for scheme in ["redis", "rediss"] {
        let url = format!("{scheme}://:s3cret@127.0.0.1:{}", free_port());
        let error = RedisQueue::connect(&url).await.unwrap_err();
        assert!(error.is_transient() && !error.to_string().contains("s3cret"), "{error:?}");
    }
    // One that is there, and hangs up or is silent, as while it is being started.
    for silent in [false, true] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                if silent {
                    held.push(stream);
                }
            }
        });
        let [plain, tls] = ["redis", "rediss"].map(|scheme| format!("{scheme}://{address}"));
        let (plain, tls) = tokio::join!(RedisQueue::connect(&plain), RedisQueue::connect(&tls));
        for answer in [plain, tls] {
            let error = answer.unwrap_err();
            assert!(error.is_transient(), "silent {silent}: {error:?}");
        }
    }
}

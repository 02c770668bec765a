//! The server inside another program, beside that program's own routes.

use std::sync::Arc;

use crate::common::Answer;
use azura_learner::{Registry, Sources};
use azura_queue::MemoryQueue;
use azura_server::{Access, App, Runs, protect, routes, serve};
use poem::{IntoEndpoint, Route, endpoint::make_sync, get};
use tokio::net::TcpListener;

/// Serves what `nest` makes of the app's routes and asks for a path.
async fn ask<E: IntoEndpoint<Endpoint: 'static>>(
    nest: impl Fn(&Arc<App>) -> E,
    path: &str,
    host: Option<&str>,
) -> Answer {
    let folder = tempfile::tempdir().unwrap();
    let queue = Arc::new(MemoryQueue::new());
    let app = Arc::new(App::new(
        Registry::builtin(),
        Sources::default(),
        queue,
        Runs::open(folder.path()).unwrap(),
    ));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let host = host.map_or_else(|| address.to_string(), str::to_owned);
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let asking = async {
        let answer = crate::common::exchange(address, request.as_bytes()).await;
        app.shutdown().cancel();
        answer
    };
    let (served, answer) = tokio::join!(serve(&app, listener, nest(&app)), asking);
    served.unwrap();
    answer
}

#[tokio::test]
async fn own_routes_live_beside_those_of_the_server() {
    let nest = |app: &Arc<App>| {
        Route::new()
            .at("/hello", get(make_sync(|_| "hello")))
            .at("/experience", get(make_sync(|_| "hello")))
            .nest("/", routes(app, Access::loopback()))
    };
    for path in ["/hello", "/experience"] {
        assert_eq!(ask(nest, path, None).await.text(), "hello");
    }
    for path in [
        "/",
        "/theme.js",
        "/healthz",
        "/experiments",
        "/api/v1/pipelines",
        "/pipelines/csv_forecaster/config",
    ] {
        assert_eq!(ask(nest, path, None).await.status, 200, "{path}");
        assert_eq!(ask(nest, path, Some("evil.test")).await.status, 421, "{path}");
    }
    assert_eq!(ask(nest, "/nothing", None).await.code(), "ROUTE_NOT_FOUND");
}

#[tokio::test]
async fn the_server_can_be_somewhere_below() {
    let nest = |app: &Arc<App>| Route::new().nest("/tools", routes(app, Access::loopback()));
    for path in
        ["/tools/", "/tools/theme.js", "/tools/healthz", "/tools/experiments", "/tools/api/v1/pipelines"]
    {
        assert_eq!(ask(nest, path, None).await.status, 200, "{path}");
    }
    let answer = ask(nest, "/tools/nothing", None).await;
    assert!(answer.text().contains("There is nothing at `/tools/nothing`."), "{}", answer.text());
}

#[tokio::test]
async fn own_routes_can_be_protected_too() {
    let nest = |_: &Arc<App>| {
        let own = Route::new()
            .at("/hello", get(make_sync(|_| "hello")))
            .at("/trip", get(make_sync(|_| -> &str { panic!("secret") })));
        protect(own, Access::loopback().allow("https://lab.example".parse().unwrap()))
    };
    assert_eq!(ask(nest, "/hello", None).await.text(), "hello");
    assert_eq!(ask(nest, "/hello", Some("lab.example")).await.text(), "hello");
    assert_eq!(ask(nest, "/hello", Some("evil.test")).await.status, 421);
    let answer = ask(nest, "/trip", None).await;
    assert_eq!((answer.status, answer.code().as_str()), (500, "INTERNAL_ERROR"));
    assert!(!answer.text().contains("secret"));
}

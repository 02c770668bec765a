//! Who gets in, with what, and what everybody is told.

use std::time::Duration;

use crate::common::{Answer, Server};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Error, client::IntoClientRequest as _},
};

const PATHS: [&str; 8] = [
    "/",
    "/theme.js",
    "/nothing",
    "/healthz",
    "/experiments",
    "/api/v1/pipelines",
    "/api/v1/openapi.json",
    "/ws/task_status/x",
];

#[tokio::test]
async fn only_requests_for_this_server_are_answered() {
    let server = Server::idle().await;
    let port = server.address.port();
    let get = async |target: &str, version: &str, hosts: &[String]| {
        let hosts: Vec<_> = hosts.iter().map(|host| format!("Host: {host}\r\n")).collect();
        let hosts = hosts.concat();
        server
            .raw(format!("GET {target} HTTP/{version}\r\n{hosts}Connection: close\r\n\r\n").as_bytes())
            .await
    };
    for own in ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"] {
        assert_eq!(get("/healthz", "1.1", &[format!("{own}:{port}")]).await.status, 200, "{own}");
    }
    let own = format!("localhost:{port}");
    assert_eq!(get(&format!("http://{own}/healthz"), "1.1", std::slice::from_ref(&own)).await.status, 200);
    for path in PATHS {
        let mut refused = vec![
            get(path, "1.0", &[]).await,
            get(&format!("http://evil.test{path}"), "1.1", std::slice::from_ref(&own)).await,
            get(&format!("http://evil.test:{port}{path}"), "1.1", &["evil.test".into()]).await,
            get(path, "1.1", &[own.clone(), "evil.test".into()]).await,
            get(path, "1.1", &["evil.test".into(), own.clone()]).await,
        ];
        for foreign in [
            "evil.test",
            &format!("evil.test:{port}"),
            &format!("127.0.0.1.nip.io:{port}"),
            &format!("localhost.evil:{port}"),
            &format!("localhost.:{port}"),
            "localhost",
            "127.0.0.1:1",
            &format!("[::2]:{port}"),
            &format!("0.0.0.0:{port}"),
        ] {
            refused.push(get(path, "1.1", &[foreign.to_owned()]).await);
        }
        for answer in refused {
            assert_eq!((answer.status, answer.code().as_str()), (421, "HOST_NOT_ALLOWED"), "{path}");
        }
    }
}

#[tokio::test]
async fn pages_of_others_may_do_nothing() {
    let server = Server::idle().await;
    let body = json!({"pipeline_name": "echo"}).to_string();
    let own = format!("Origin: http://{}", server.address);
    let port = server.address.port();
    for foreign in [
        "Origin: http://evil.test",
        "Origin: null",
        "Origin: ",
        &format!("Origin: http://localhost:{port}"),
        &format!("Origin: https://127.0.0.1:{port}"),
        "Origin: http://127.0.0.1",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
        "Origin: \u{e4}",
    ] {
        for kind in [
            "application/json",
            "text/plain",
            "multipart/form-data; boundary=x",
            "application/x-www-form-urlencoded",
        ] {
            let kind = format!("Content-Type: {kind}");
            let answer = server.send("POST", "/experiments", &[&kind, foreign], body.as_bytes()).await;
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (403, "ORIGIN_NOT_ALLOWED"),
                "{foreign} {kind}"
            );
        }
        for method in ["DELETE", "PUT", "PATCH"] {
            assert_eq!(
                server.send(method, "/experiments/x", &[foreign], b"").await.status,
                403,
                "{foreign} {method}"
            );
        }
    }
    assert_eq!(server.get("/experiments").await.json(), json!([]));

    let json = "Content-Type: application/json";
    let answer = server
        .send("POST", "/experiments", &[json, &own, "Sec-Fetch-Site: same-origin"], body.as_bytes())
        .await;
    assert_eq!(answer.status, 202);
    assert_eq!(
        server
            .send("GET", "/", &["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"], b"")
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn sockets_of_foreign_pages_are_refused_before_the_upgrade() {
    let server = Server::idle().await;
    let task = server.submit(json!({"pipeline_name": "echo"})).await;
    let url = format!("ws://{}/ws/task_status/{task}", server.address);
    let connect = async |name: &'static str, value: String| {
        let mut request = url.as_str().into_client_request().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
        match connect_async(request).await {
            Ok(_) => 101,
            Err(Error::Http(answer)) => answer.status().as_u16(),
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(connect("origin", format!("http://{}", server.address)).await, 101);
    assert_eq!(connect("origin", "http://evil.test".into()).await, 403);
    assert_eq!(connect("origin", "null".into()).await, 403);
    assert_eq!(connect("sec-fetch-site", "cross-site".into()).await, 403);
    assert_eq!(connect("host", "evil.test".into()).await, 421);
    let answer = server.get(&format!("/ws/task_status/{task}")).await;
    assert_eq!((answer.status, answer.code().as_str()), (426, "WEBSOCKET_REQUIRED"));
}

#[tokio::test]
async fn long_bodies_are_refused_however_they_come() {
    let server = Server::idle().await;
    let head = |more: &str| {
        format!(
            "POST /experiments HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n{more}\r\n\r\n",
            server.address
        )
    };
    let refused =
        |answer: Answer| assert_eq!((answer.status, answer.code().as_str()), (413, "BODY_TOO_LARGE"));

    let long = vec![b' '; 2 << 20];
    refused(server.send("POST", "/experiments", &["Content-Type: application/json"], &long).await);
    refused(server.send("POST", "/nothing", &[], &long).await);
    refused(server.send("GET", "/experiments", &[], &long).await);

    let mut chunked = head("Transfer-Encoding: chunked\r\nConnection: close").into_bytes();
    for _ in 0..48 {
        chunked.extend_from_slice(b"10000\r\n");
        chunked.extend_from_slice(&long[..0x10000]);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    refused(server.raw(&chunked).await);

    // Announced, but never sent in full.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(head("Content-Length: 1073741824").as_bytes()).await.unwrap();
    stream.write_all(&long[..10]).await.unwrap();
    let mut answer = vec![0; 64];
    let read =
        tokio::time::timeout(Duration::from_secs(10), stream.read(&mut answer)).await.unwrap().unwrap();
    assert!(answer[..read].starts_with(b"HTTP/1.1 413"), "{}", String::from_utf8_lossy(&answer));

    // Shorter than announced.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(head("Content-Length: 100").as_bytes()).await.unwrap();
    stream.write_all(b"{\"pipeline_name\": \"echo\"}").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(!answer.starts_with(b"HTTP/1.1 2"));

    let fits = [b"{\"pipeline_name\": \"echo\"}".as_slice(), &vec![b' '; 1_000_000]].concat();
    assert_eq!(
        server.send("POST", "/experiments", &["Content-Type: application/json"], &fits).await.status,
        202
    );
    assert_eq!(server.get("/experiments").await.json().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn every_refusal_has_the_one_form() {
    let server = Server::idle().await;
    let json = "Content-Type: application/json";
    let table = [
        (server.get("/nothing").await, 404, "ROUTE_NOT_FOUND"),
        (server.get("/api/v1/nothing").await, 404, "ROUTE_NOT_FOUND"),
        (server.get("/experimentsx").await, 404, "ROUTE_NOT_FOUND"),
        (server.send("DELETE", "/api/v1/experiments", &[], b"").await, 405, "METHOD_NOT_ALLOWED"),
        (server.send("POST", "/healthz", &[], b"").await, 405, "METHOD_NOT_ALLOWED"),
        (
            server.send("POST", "/experiments", &[json], b"{\"pipeline_name\":\n oops}").await,
            400,
            "BODY_MALFORMED",
        ),
        (
            server.send("POST", "/experiments", &[json], b"{\"pipeline_name\": NaN}").await,
            400,
            "BODY_MALFORMED",
        ),
        (server.send("POST", "/experiments", &[json], b"{\"a\": \"\xff\"}").await, 400, "BODY_MALFORMED"),
        (
            server.send("POST", "/experiments", &[json], "[".repeat(100_000).as_bytes()).await,
            400,
            "BODY_MALFORMED",
        ),
        (server.send("POST", "/experiments", &[json], b"").await, 422, "CONFIG_INVALID"),
        (
            server.send("POST", "/experiments", &["Content-Type: application/xml"], b"<a/>").await,
            415,
            "UNSUPPORTED_MEDIA_TYPE",
        ),
        (
            server.send("POST", "/experiments", &["Content-Type: text/plain"], b"{}").await,
            415,
            "UNSUPPORTED_MEDIA_TYPE",
        ),
        (server.send("POST", "/experiments", &[], b"{}").await, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (
            server.send("POST", "/experiments", &[json, "Content-Encoding: gzip"], b"\x1f\x8b").await,
            415,
            "UNSUPPORTED_ENCODING",
        ),
        (server.get("/experiments?limit=0").await, 422, "PARAMETER_INVALID"),
        (server.get("/experiments?fields=none").await, 422, "PARAMETER_INVALID"),
        (server.get("/experiments?limit=many").await, 422, "PARAMETER_INVALID"),
        (server.get("/experiments?limit=1001").await, 422, "PARAMETER_INVALID"),
    ];
    for (answer, status, code) in table {
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{}", answer.text());
        let message = answer.json()["detail"]["message"].as_str().unwrap().to_owned();
        assert!(message.len() > 10, "{message}");
        assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
    }
    let answer = server.send("POST", "/experiments", &[json], b"{\"pipeline_name\":\n oops}").await;
    assert!(answer.text().contains("line 2 column"), "{}", answer.text());
}

#[tokio::test]
async fn what_breaks_inside_is_told_by_a_number_only() {
    let server = Server::idle().await;
    let answer = server.post("/experiments", &json!({"pipeline_name": "trips"})).await;
    assert_eq!((answer.status, answer.code().as_str()), (500, "INTERNAL_ERROR"));
    assert!(!answer.text().contains("secret") && !answer.text().contains("panic"), "{}", answer.text());
    assert_eq!(server.get("/experiments").await.json(), json!([]));
}

#[tokio::test]
async fn odd_requests_are_answered() {
    let server = Server::idle().await;
    let host = server.address;
    for line in [
        "CONNECT evil.test:80",
        "OPTIONS *",
        "TRACE /",
        "BREW /coffee",
        "GET //",
        "GET /?x=%",
        "GET /experiments/%ff/details",
    ] {
        let answer = server
            .raw(format!("{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes())
            .await;
        assert!((400..500).contains(&answer.status) || answer.status == 200, "{line}: {}", answer.status);
    }
    assert_eq!(server.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn browsers_are_told_to_be_careful() {
    let server = Server::idle().await;
    for path in PATHS {
        let answer = server.send("GET", path, &[&format!("Origin: http://{}", server.address)], b"").await;
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"),
            "{path}: {policy}"
        );
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
        assert_eq!(answer.header("cross-origin-opener-policy"), Some("same-origin"), "{path}");
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"), "{path}");
        assert!(answer.headers.iter().all(|(name, _)| !name.starts_with("access-control-")), "{path}");
    }
    let refused = server.send("POST", "/experiments", &["Origin: http://evil.test"], b"").await;
    assert!(
        refused.header("content-security-policy").is_some()
            && refused.header("access-control-allow-origin").is_none()
    );
}

//! How the dashboard's files are served. What they do in a browser, their own tests see: `dashboard/browser/`.

use std::io::Read as _;

use crate::common::{Answer, Server};
use flate2::read::GzDecoder;

const GZIP: &str = "Accept-Encoding: gzip, deflate, br";

fn unpacked(answer: &Answer) -> Vec<u8> {
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    assert_eq!(answer.header("vary"), Some("accept-encoding"));
    let mut whole = Vec::new();
    GzDecoder::new(&answer.body[..]).read_to_end(&mut whole).unwrap();
    whole
}

/// The addresses that the page names in attributes of this kind.
fn named(page: &str, attribute: &str) -> Vec<String> {
    let start = format!(" {attribute}=\"/");
    let parts = page.split(&start).skip(1);
    parts.map(|rest| format!("/{}", rest.split('"').next().unwrap())).collect()
}

#[tokio::test]
async fn every_address_of_a_page_is_the_dashboard() {
    let server = Server::idle().await;
    let page = server.get("/").await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.text().contains("<div id=\"root\">"));
    for path in [
        "/runs",
        "/runs/",
        "/runs/a/b?tab=log",
        "/new",
        "/new/csv_forecaster",
        "/compare?runs=a,b",
        "/models",
    ] {
        assert_eq!(server.get(path).await.text(), page.text(), "{path}");
    }
    for path in
        ["/nothing", "/runsome", "/index.html/x", "/assets/nothing.js", "/api/v1/runs", "/SOURCES.sha256"]
    {
        assert_eq!(
            (server.get(path).await.status, server.get(path).await.code()),
            (404, "ROUTE_NOT_FOUND".into()),
            "{path}"
        );
    }
    assert_eq!(server.send("POST", "/runs", &[], b"").await.status, 405);
}

#[tokio::test]
async fn a_browser_is_shown_the_dashboard_where_there_is_no_page() {
    let server = Server::idle().await;
    let page = server.get("/").await;
    let browser = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    for path in ["/nothing", "/runsome?x=1", "/index.html/x", "/apiary"] {
        let shown = server.send("GET", path, &[browser], b"").await;
        assert_eq!((shown.status, shown.text()), (404, page.text()), "{path}");
        assert_eq!(shown.header("content-type"), page.header("content-type"), "{path}");
        assert_eq!((shown.header("etag"), shown.header("cache-control")), (None, Some("no-cache")), "{path}");
        assert_eq!(shown.header("content-security-policy"), page.header("content-security-policy"), "{path}");
        let tag = format!("If-None-Match: {}", page.header("etag").unwrap());
        assert_eq!(server.send("GET", path, &[browser, &tag], b"").await.status, 404, "{path}");
        let head = server.send("HEAD", path, &[browser], b"").await;
        assert_eq!((head.status, head.header("content-type")), (404, page.header("content-type")), "{path}");
    }
    let elsewhere =
        ["/api", "/api/v1/nothing", "/api/v2", "/experiments/no/where", "/pipelines/no/where/at/all"];
    for path in
        elsewhere.into_iter().chain(["/ws", "/assets/nothing.js", "/healthz/x", "/readyz/x", "/metrics/x"])
    {
        let refused = server.send("GET", path, &[browser], b"").await;
        assert_eq!((refused.status, refused.code()), (404, "ROUTE_NOT_FOUND".into()), "{path}");
    }
    for (method, kinds) in [("GET", "Accept: */*"), ("GET", "Accept: application/json"), ("POST", browser)] {
        let refused = server.send(method, "/nothing", &[kinds], b"").await;
        assert_eq!((refused.status, refused.code()), (404, "ROUTE_NOT_FOUND".into()), "{method} {kinds}");
    }
    // What is not there of what is there stays an error of its own.
    let refused = server.send("GET", "/experiments/no/details", &[browser], b"").await;
    assert_eq!((refused.status, refused.code()), (404, "EXPERIMENT_NOT_FOUND".into()));
}

#[tokio::test]
async fn the_page_is_whole_and_light_and_loads_nothing_from_elsewhere() {
    let server = Server::idle().await;
    let page = server.get("/").await.text();
    assert!(!page.contains("http") && !page.contains("style=") && !page.contains("onclick"), "{page}");
    assert_eq!(page.matches("<script").count(), page.matches("></script>").count(), "no script is inline");
    let (scripts, links) = (named(&page, "src"), named(&page, "href"));
    assert!(scripts.len() >= 2 && links.len() >= 3, "{page}");
    let mut javascript = 0;
    for path in scripts.iter().chain(&links) {
        let (plain, packed) = (server.get(path).await, server.send("GET", path, &[GZIP], b"").await);
        assert_eq!((plain.status, packed.status), (200, 200), "{path}");
        assert_eq!(plain.header("content-length"), Some(&*plain.body.len().to_string()), "{path}");
        if plain.body.len() >= 1024 {
            assert_eq!(unpacked(&packed), plain.body, "{path}");
        } else {
            assert_eq!((packed.header("content-encoding"), &packed.body), (None, &plain.body), "{path}");
        }
        let kind = plain.header("content-type").unwrap();
        let ending = path.rsplit('.').next().unwrap();
        assert!(
            kind.contains(match ending {
                "js" => "text/javascript",
                other => other,
            }),
            "{path}: {kind}"
        );
        javascript += if ending == "js" { packed.body.len() } else { 0 };
    }
    assert!((50_000..200_000).contains(&javascript), "{javascript} bytes of JavaScript to begin with");
}

#[tokio::test]
async fn what_never_changes_is_kept_and_the_rest_is_asked_for() {
    let server = Server::idle().await;
    let page = server.get("/").await.text();
    let hashed = named(&page, "src").into_iter().find(|path| path.starts_with("/assets/")).unwrap();
    assert_eq!(server.get(&hashed).await.header("cache-control"), Some("max-age=31536000, immutable"));
    for path in ["/", "/theme.js", "/runs/x", &hashed] {
        let whole = server.send("GET", path, &[GZIP], b"").await;
        if !path.starts_with("/assets/") {
            assert_eq!(whole.header("cache-control"), Some("no-cache"), "{path}");
        }
        let tag = whole.header("etag").unwrap();
        let again = server.send("GET", path, &[GZIP, &format!("If-None-Match: {tag}")], b"").await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        let other =
            server.send("GET", path, &["If-None-Match: \"0123456789abcdef0123456789abcdef\""], b"").await;
        assert_eq!(other.status, 200, "{path}");
        let head = server.send("HEAD", path, &[], b"").await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        assert_eq!(head.header("content-length"), Some(&*other.body.len().to_string()), "{path}");
        assert_eq!(head.header("content-type"), other.header("content-type"), "{path}");
    }
}

#[tokio::test]
async fn answers_of_the_api_are_compressed_too() {
    let server = Server::idle().await;
    let path = "/api/v1/openapi.json";
    let (plain, packed) = (server.get(path).await, server.send("GET", path, &[GZIP], b"").await);
    assert_eq!(plain.header("content-encoding"), None);
    assert_eq!(unpacked(&packed), plain.body);
    assert!(packed.body.len() * 4 < plain.body.len());
    for refused in ["Accept-Encoding: identity", "Accept-Encoding: gzip;q=0"] {
        assert_eq!(server.send("GET", path, &[refused], b"").await.body, plain.body, "{refused}");
    }
}

#[tokio::test]
async fn a_head_has_the_headers_of_a_get() {
    let server = Server::idle().await;
    for path in [
        "/",
        "/api/v1/openapi.json",
        "/pipelines",
        "/api/v1/experiments",
        "/healthz",
        "/experiments/no/details",
    ] {
        for reads in [GZIP, "Accept-Encoding: identity"] {
            let headers = |answer: Answer| -> Vec<_> {
                // How a body is cut up is not told where there is none.
                let said = answer
                    .headers
                    .into_iter()
                    .filter(|(name, _)| name != "date" && name != "transfer-encoding");
                said.collect()
            };
            let (get, head) = (
                server.send("GET", path, &[reads], b"").await,
                server.send("HEAD", path, &[reads], b"").await,
            );
            assert_eq!((head.status, head.body.len()), (get.status, 0), "{path} {reads}");
            let tag = get.header("etag").map(str::to_owned);
            assert_eq!(headers(head), headers(get), "{path} {reads}");
            let Some(tag) = tag else { continue };
            let known = server.send("HEAD", path, &[reads, &format!("If-None-Match: {tag}")], b"").await;
            assert_eq!((known.status, known.header("etag")), (304, Some(&*tag)), "{path} {reads}");
        }
    }
    // A stream has no end, and a HEAD of one has.
    assert_eq!(server.send("HEAD", "/api/v1/events", &[], b"").await.status, 200);
}

#[tokio::test]
async fn what_a_page_of_a_run_will_ask_for_comes_while_its_scripts_are_read() {
    let server = Server::idle().await;
    let page = server.get("/runs/csv_forecaster_20260301_120000_0a1b2c3d?tab=log").await;
    let links = page.header("link").unwrap();
    let paths: Vec<_> = links.split(", ").map(|link| &link[1..link.find('>').unwrap()]).collect();
    let run = "/api/v1/experiments/csv_forecaster_20260301_120000_0a1b2c3d";
    assert_eq!(paths, [format!("{run}/details?points=4000"), format!("{run}/history?points=4000")]);
    for path in ["/runs", "/runs/", "/runs/a%3E%20b", "/runs/..;x", "/compare", "/theme.js"] {
        assert_eq!(server.get(path).await.header("link"), None, "{path}");
    }
}

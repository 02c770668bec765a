//! The page as people see it in a browser, and what pages of others can do there.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use common::{
    Server,
    browser::Browser,
    elsewhere::{ATTACK, Elsewhere},
    endless,
};
use serde_json::json;

/// What the page says of the run that it shows: its state, where it is, how far the bar is, and how many points the curve has.
const RUN: &str = "const curve = document.querySelector('#loss .curve.a');
    const [state, step] = ['state', 'step'].map(id => document.getElementById(id).innerText);
    return [state, step, document.getElementById('bar').value, curve?.points.numberOfItems ?? 0];";

#[tokio::test]
#[ignore = "needs Chromium and chromedriver; scripts/test runs it"]
async fn a_person_trains_the_example_and_reads_its_report() {
    let server = Server::start().await;
    let browser = Browser::start().await;
    browser.open(&server.url("/")).await;
    browser.reads("#link", "connected").await;
    browser.reads("#pipelines", "CSV forecaster").await;
    browser.reads("#none", "Nothing has been trained here yet.").await;

    browser.click("#first").await;
    let mut seen: Vec<(String, String, f64, usize)> = Vec::new();
    while seen.last().is_none_or(|(state, ..)| state != "finished") {
        let last = seen.last().cloned();
        seen.push(browser.until(RUN, |now| last.as_ref() != Some(now)).await);
    }
    let live: Vec<_> = seen.iter().filter(|(state, ..)| state == "training").collect();
    assert!(live.is_sorted_by_key(|(_, _, bar, points)| (*bar, *points)), "{live:?}");
    let distinct = |mut all: Vec<String>| {
        all.dedup();
        all.len()
    };
    assert!(distinct(live.iter().map(|(_, step, ..)| step.clone()).collect()) > 5, "{live:?}");
    assert!(distinct(live.iter().map(|(.., points)| points.to_string()).collect()) > 5, "{live:?}");

    let runs = server.get("/experiments").await.json();
    let [run] = runs.as_array().unwrap().as_slice() else { panic!("{runs}") };
    let rmse = run["results"]["metrics"]["rmse"].as_f64().unwrap();
    let figure = "return parseFloat(document.querySelector('#figures dd')?.innerText);";
    browser
        .until(figure, |shown: &Option<f64>| shown.is_some_and(|shown| (shown - rmse).abs() < 0.001))
        .await;
    browser.reads("#runs", "finished").await;
    browser.reads("#part", "Forecast of the test part").await;
    // Who comes later sees the same.
    browser.open(&server.url("/")).await;
    browser
        .until(RUN, |(state, _, _, points): &(String, String, f64, usize)| {
            state == "finished" && *points == 40
        })
        .await;
    assert_eq!(browser.complaints().await, [""; 0]);

    browser.click("#report").await;
    browser.other_window().await;
    browser.reads("h1", "Forecast of temp_max").await;
    let widths = "return [...document.images].map(image => image.complete ? image.naturalWidth : 0);";
    let widths = browser.until(widths, |widths: &Vec<u32>| widths.iter().all(|width| *width > 0)).await;
    assert!(!widths.is_empty());
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[tokio::test]
#[ignore = "needs Chromium and chromedriver; scripts/test runs it"]
async fn a_person_sees_how_a_run_ends_without_a_result() {
    let server = Server::start().await;
    let browser = Browser::start().await;
    let task = server.submit(endless()).await;
    browser.open(&server.url("/")).await;
    browser.reads("#step", "of 100000").await;
    browser.click("#cancel").await;
    browser.reads("#state", "cancelled").await;
    browser.hides("#cancel").await;
    browser.hides("#report").await;
    browser.reads("#runs", "cancelled").await;
    assert_eq!(server.details(&task).await["status"], "REVOKED");

    let task = server.submit(json!({"pipeline_name": "fails", "text": "the roof leaks"})).await;
    browser.open(&server.url(&format!("/#{task}"))).await;
    browser.reads("#state", "failed").await;
    browser.reads("#failure", "the roof leaks").await;
    browser.hides("#cancel").await;
    browser.hides("#notice").await;
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[tokio::test]
#[ignore = "needs Chromium and chromedriver; scripts/test runs it"]
async fn a_person_sees_that_the_server_is_gone_and_that_it_is_back() {
    let server = Server::start().await;
    let browser = Browser::start().await;
    let ended = server.submit(json!({"pipeline_name": "echo"})).await;
    server.ended(&ended).await;
    server.submit(json!({"pipeline_name": "waits"})).await;
    browser.open(&server.url("/")).await;
    browser.reads("#state", "training").await;

    let address = server.address;
    let folder = server.stop().await;
    browser.reads("#link", "not connected").await;
    browser.reads("#notice", "The server cannot be reached.").await;

    // What was training when it went has failed, and what had ended is still there.
    let server = Server::again(folder, address).await;
    browser
        .until("return document.getElementById('link').innerText;", |link: &String| link == "connected")
        .await;
    browser.reads("#state", "failed").await;
    browser.reads("#why", "the process that trained it ended before it did").await;
    browser.click(&format!("#runs a[data-task='{ended}']")).await;
    browser.reads("#state", "finished").await;
    browser.hides("#notice").await;
    drop(server);
}

#[tokio::test]
#[ignore = "needs Chromium and chromedriver; scripts/test runs it"]
async fn what_was_written_as_markup_is_shown_as_text() {
    const MARKUP: &str = "<img src=x onerror=alert(1)><b class=evil>&amp;";
    const INJECTED: &str = "return document.querySelectorAll('[src=x], .evil, [onerror]').length;";
    let server = Server::start().await;
    let browser = Browser::start().await;
    let injected = async || assert_eq!(browser.run::<u32>(INJECTED).await, 0);

    let failed = server.submit(json!({"pipeline_name": "fails", "text": MARKUP, "batch_name": MARKUP})).await;
    browser.open(&server.url(&format!("/#{failed}"))).await;
    browser.reads("#why", MARKUP).await;
    browser.click("summary").await;
    browser.reads("#config", &format!("\"batch_name\": \"{MARKUP}\"")).await;
    injected().await;
    // A link may also lead to the page.
    browser.open(&server.url("/")).await;
    browser.open(&server.url(&format!("/#{MARKUP}"))).await;
    browser.reads("#notice", "This run is not known here.").await;
    injected().await;
    assert_eq!(browser.complaints().await, [""; 0]);

    let report = server.submit(json!({"pipeline_name": "echo", "text": format!("*Says:* {MARKUP}")})).await;
    server.ended(&report).await;
    browser.open(&server.url(&format!("/experiments/{report}/report/html"))).await;
    browser.reads("main", &format!("Says: {}", MARKUP.replace("&amp;", "&"))).await;
    injected().await;
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[tokio::test]
#[ignore = "needs Chromium and chromedriver; scripts/test runs it"]
async fn pages_of_other_sites_can_neither_look_nor_touch() {
    let (browser, elsewhere) = (Browser::start().await, Elsewhere::start().await);
    let server = Server::idle().await;
    let task = server.submit(json!({"pipeline_name": "waits"})).await;
    let port = elsewhere.port;
    for page in [
        format!("http://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://127.0.0.1:{port}/sandboxed"),
        format!("http://127.0.0.1:{port}/framed"),
    ] {
        for host in ["127.0.0.1", "localhost"] {
            let target = format!("http://{host}:{}", server.address.port());
            browser.open(&page).await;
            if page.ends_with("framed") {
                browser.enter_frame().await;
            }
            for (deed, came) in attack(&browser, &target, &task).await {
                assert_eq!(came, "nothing", "{deed} from {page} to {target}");
            }
            if page.ends_with("framed") {
                continue;
            }
            for (kind, path) in FORMS {
                browser.open(&page).await;
                let action = format!("{target}/api/v1/experiments{}", path.replace("TASK", &task));
                browser.run_with::<()>(FORM, json!([action, kind])).await;
                browser.reads("body", "ORIGIN_NOT_ALLOWED").await;
            }
        }
    }
    let runs = server.get("/experiments").await.json();
    let runs = runs.as_array().unwrap();
    assert_eq!((runs.len(), &runs[0]["status"]), (1, &json!("PENDING")), "{runs:?}");
}

/// How a form says what it holds, and where below the experiments it goes.
const FORMS: [(&str, &str); 4] = [
    ("text/plain", ""),
    ("multipart/form-data", ""),
    ("application/x-www-form-urlencoded", ""),
    ("application/x-www-form-urlencoded", "/TASK/cancel"),
];

/// Sends a form that is JSON if it is sent as text.
const FORM: &str = r#"
    const form = document.createElement("form");
    [form.action, form.enctype, form.method] = [...arguments, "post"];
    const input = document.createElement("input");
    [input.name, input.value] = ['{"pipeline_name": "echo", "text": "', '"}'];
    form.append(input);
    document.documentElement.append(form);
    form.submit();"#;

async fn attack(browser: &Browser, target: &str, task: &str) -> Vec<(String, String)> {
    let came = browser.run_async(ATTACK, json!([target, task])).await;
    serde_json::from_value(came).unwrap()
}

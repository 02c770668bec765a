//! The page as people see it in a browser, and what pages of others can do there.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use azura_server::Access;
use common::{
    Server,
    browser::Browser,
    elsewhere::{ATTACK, Elsewhere},
    endless,
};
use serde_json::{Value, json};

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

    browser.shoot("welcome").await; // TEMP
    browser.click("#first").await;
    let mut seen: Vec<(String, String, f64, usize)> = Vec::new();
    while seen.last().is_none_or(|(state, ..)| state != "finished") {
        let last = seen.last().cloned();
        seen.push(browser.until(RUN, |now| last.as_ref() != Some(now)).await);
        if seen.len() == 12 { browser.shoot("live").await; } // TEMP
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
    browser.reads("#figures", &rmse.to_string()[..5]).await;
    browser.reads("#runs", "finished").await;
    browser.reads("#part", "Forecast of the test part").await;
    browser.shoot("done").await; println!("{seen:?}"); // TEMP
    // Who comes later sees the same.
    browser.open(&server.url("/")).await;
    browser.until(RUN, |(state, _, _, points): &(String, String, f64, usize)| {
        state == "finished" && *points == 40
    }).await;
    assert_eq!(browser.complaints().await, [""; 0]);

    browser.click("#report").await;
    browser.other_window().await;
    browser.reads("h1", "csv_forecaster").await;
    browser.shoot("report").await; // TEMP
    let widths = "return [...document.images].map(image => image.complete ? image.naturalWidth : 0);";
    let widths = browser.until(widths, |widths: &Vec<u32>| widths.iter().all(|width| *width > 0)).await;
    assert!(!widths.is_empty());
    assert_eq!(browser.complaints().await, [""; 0]);
}

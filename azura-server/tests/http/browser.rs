//! What neither reports nor pages of others can do in a browser. The dashboard has tests of its own, in its folder.

use crate::common::{
    Server,
    browser::Browser,
    elsewhere::{ATTACK, Elsewhere},
};
use serde_json::json;

#[tokio::test]
#[ignore = "needs Chromium and chromedriver; scripts/test runs it"]
async fn what_a_report_has_as_markup_is_shown_as_text() {
    const MARKUP: &str = "<img src=x onerror=alert(1)><b class=evil>&amp;";
    const INJECTED: &str = "return document.querySelectorAll('[src=x], .evil, [onerror]').length;";
    let server = Server::start().await;
    let browser = Browser::start().await;
    let report = server.submit(json!({"pipeline_name": "echo", "text": format!("*Says:* {MARKUP}")})).await;
    server.ended(&report).await;
    browser.open(&server.url(&format!("/experiments/{report}/report/html"))).await;
    browser.reads("main", &format!("Says: {}", MARKUP.replace("&amp;", "&"))).await;
    assert_eq!(browser.run::<u32>(INJECTED).await, 0);
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

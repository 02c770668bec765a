//! Chromium, driven over `WebDriver`.

use std::{
    fmt::Debug,
    io::{self, BufRead, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    sync::{Mutex, MutexGuard},
    task::spawn_blocking,
    time::{Instant, sleep},
};

/// How long the browser, or what it shows, is waited for.
const PATIENCE: Duration = Duration::from_mins(1);

/// Browsers take their turns: a few at once and nothing on the machine is live any more.
static TURN: Mutex<()> = Mutex::const_new(());

const CHROMIUM: [&str; 11] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-breakpad",
    "--window-size=1280,1100",
];

/// A browser with one empty window and a profile of its own. It ends with this value.
pub(crate) struct Browser {
    driver: Child,
    address: SocketAddr,
    session: Option<String>,
    _said: BufReader<ChildStdout>,
    _profile: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Browser {
    pub(crate) async fn start() -> Self {
        let turn = TURN.lock().await;
        let profile = tempfile::tempdir().unwrap();
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "chromedriver cannot be started ({error}); these tests need it and Chromium, in Debian the packages \
                     chromium and chromium-driver"
                )
            });
        let mut said = BufReader::new(driver.stdout.take().unwrap());
        let port = port(&mut said);
        let place = format!("--user-data-dir={}", profile.path().display());
        let flags: Vec<&str> = CHROMIUM.into_iter().chain([place.as_str()]).collect();
        let mut browser = Self {
            driver,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            session: None,
            _said: said,
            _profile: profile,
            _turn: turn,
        };
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": flags},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let session = browser.send("POST", "/session", &wanted).await;
        let session = session.unwrap_or_else(|error| panic!("Chromium cannot be started: {error}"));
        browser.session = Some(session["sessionId"].as_str().unwrap().to_owned());
        browser
    }

    /// Goes to an address and waits until it is loaded.
    pub(crate) async fn open(&self, url: &str) {
        self.post("url", json!({"url": url})).await;
    }

    /// Presses what a person can see and press, or panics.
    pub(crate) async fn click(&self, selector: &str) {
        let found = self.post("element", json!({"using": "css selector", "value": selector})).await;
        let element = found.as_object().and_then(|found| found.values().next()).unwrap().as_str().unwrap();
        self.post(&format!("element/{element}/click"), json!({})).await;
    }

    /// Runs the body of a function in the page.
    pub(crate) async fn run<T: DeserializeOwned>(&self, script: &str) -> T {
        self.run_with(script, json!([])).await
    }

    /// The same, with `arguments`.
    pub(crate) async fn run_with<T: DeserializeOwned>(&self, script: &str, arguments: Value) -> T {
        let value = self.post("execute/sync", json!({"script": script, "args": arguments})).await;
        serde_json::from_value(value).unwrap_or_else(|error| panic!("{error}: {script}"))
    }

    /// Runs the body of a function that calls its last argument with its answer.
    pub(crate) async fn run_async(&self, script: &str, arguments: Value) -> Value {
        self.post("execute/async", json!({"script": script, "args": arguments})).await
    }

    /// Runs it again and again until its answer is right.
    pub(crate) async fn until<T: DeserializeOwned + Debug>(
        &self,
        script: &str,
        right: impl Fn(&T) -> bool,
    ) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            let answer = self.run(script).await;
            if right(&answer) {
                return answer;
            }
            assert!(Instant::now() < end, "still {answer:?}: {script}\n{:#?}", self.complaints().await);
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// What a person reads at the first element of this kind that is not hidden.
    pub(crate) async fn reads(&self, selector: &str, text: &str) {
        let script = format!(
            "const shown = [...document.querySelectorAll({selector:?})].find(element => element.checkVisibility());\n\
             return shown?.innerText ?? null;"
        );
        self.until(&script, |shown: &Option<String>| {
            shown.as_ref().is_some_and(|shown| shown.contains(text))
        })
        .await;
    }

    /// Waits until there is nothing of this kind to be seen.
    pub(crate) async fn hides(&self, selector: &str) {
        let script = format!(
            "return [...document.querySelectorAll({selector:?})].some(element => element.checkVisibility());"
        );
        self.until(&script, |shown: &bool| !shown).await;
    }

    /// Goes to the other of two windows, once it is there.
    pub(crate) async fn other_window(&self) {
        let end = Instant::now() + PATIENCE;
        let this = self.command("GET", "window", &Value::Null).await;
        let other = loop {
            let all = self.command("GET", "window/handles", &Value::Null).await;
            if let Some(other) = all.as_array().unwrap().iter().find(|handle| **handle != this) {
                break other.clone();
            }
            assert!(Instant::now() < end, "no other window opens");
            sleep(Duration::from_millis(20)).await;
        };
        self.post("window", json!({"handle": other})).await;
    }

    /// Goes into the page's only frame.
    pub(crate) async fn enter_frame(&self) {
        self.post("frame", json!({"id": 0})).await;
    }

    /// What the console says since it was last asked: errors, and what a content security policy has forbidden.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.post("se/log", json!({"type": "browser"})).await;
        log.as_array().unwrap().iter().map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }

    async fn post(&self, command: &str, body: Value) -> Value {
        self.command("POST", command, &body).await
    }

    async fn command(&self, method: &str, command: &str, body: &Value) -> Value {
        let session = self.session.as_deref().unwrap();
        let answer = self.send(method, &format!("/session/{session}/{command}"), body).await;
        answer.unwrap_or_else(|error| panic!("{command} {body}: {error}"))
    }

    async fn send(&self, method: &str, path: &str, body: &Value) -> Result<Value, Value> {
        let (address, body) = (self.address, if body.is_null() { String::new() } else { body.to_string() });
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut answer = spawn_blocking(move || exchange(address, &request)).await.unwrap().unwrap();
        let value = answer["value"].take();
        if value["error"].is_string() { Err(value) } else { Ok(value) }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends its browser and then itself.
        let request = format!("GET /shutdown HTTP/1.1\r\nHost: {}\r\n\r\n", self.address);
        if exchange(self.address, &request).is_err() {
            let _ = self.driver.kill();
        }
        let _ = self.driver.wait();
    }
}

/// Asks the driver, which does not hang up after its answer.
fn exchange(address: SocketAddr, request: &str) -> io::Result<Value> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().to_ascii_lowercase().split_once(':') {
            Some(("content-length", value)) => length = value.trim().parse().map_err(io::Error::other)?,
            None if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(serde_json::from_slice(&body)?)
}

/// Reads where the driver listens.
fn port(said: &mut impl BufRead) -> u16 {
    let mut all = String::new();
    loop {
        let start = all.len();
        assert_ne!(said.read_line(&mut all).unwrap(), 0, "chromedriver says no port: {all}");
        if let Some((_, port)) = all[start..].split_once("started successfully on port ") {
            return port.trim_end_matches(['.', '\n']).parse().unwrap();
        }
    }
}

//! A site of somebody else, which the user's browser has open.

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

/// What a page there tries.
pub(crate) const ATTACK: &str = include_str!("attack.js");

/// Three pages on another port: a plain one at `/`, one without an origin at `/sandboxed`, and one at `/framed` with `/` in a sandboxed frame.
/// It is served until the test ends.
pub(crate) struct Elsewhere {
    pub(crate) port: u16,
}

impl Elsewhere {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream));
            }
        });
        Self { port }
    }
}

async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut lines = BufReader::new(reader).lines();
    let first = lines.next_line().await?.unwrap_or_default();
    while lines.next_line().await?.is_some_and(|line| !line.is_empty()) {}
    let (header, body) = match first.split(' ').nth(1) {
        Some("/sandboxed") => ("Content-Security-Policy: sandbox allow-scripts allow-forms\r\n", ""),
        Some("/framed") => ("", "<iframe sandbox=\"allow-scripts allow-forms\" src=\"/\"></iframe>"),
        _ => ("", ""),
    };
    let page = format!("<!doctype html><title>elsewhere</title><link rel=\"icon\" href=\"data:,\">{body}");
    let length = page.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n{header}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    writer.write_all((head + &page).as_bytes()).await
}

//! Where a Redis is, how that is written, and whether it is written wrongly.

use std::time::Duration;

use ::redis::{Client, ConnectionAddr, RedisError};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::error;
use crate::{QueueError, Result};

/// The forms that are understood.
const FORMS: &str = "expected redis://[[user]:password@]host[:port][/db], the same with rediss:// for TLS, or unix:///path[?db=..]; \
                     in a password % is written as %25, @ as %40, / as %2F, ? as %3F and # as %23";
/// How long a server may take to show what it speaks.
const SHOWN: Duration = Duration::from_secs(1);

/// The client for an address. There may be a password in it, so that no error repeats any of it.
pub(super) fn client(url: &str) -> Result<Client> {
    let scheme = url.split_once(':').map_or_else(String::new, |(scheme, _)| scheme.to_ascii_lowercase());
    let wrong = |what: &str| QueueError::Storage(format!("{what}: {FORMS}"));
    if url.contains('#') && !scheme.ends_with("unix") {
        // The rest of a password, or `#insecure`, which some clients take for leave not to look at certificates.
        return Err(wrong("the address of a Redis has no part after a #"));
    }
    if ["rediss", "valkeys"].contains(&scheme.as_str()) {
        #[cfg(feature = "tls")]
        super::tls::prepare()?;
        #[cfg(not(feature = "tls"))]
        return Err(QueueError::Storage("rediss:// needs the feature `tls` of azura-queue".to_owned()));
    }
    Client::open(url)
        .map_err(|error| wrong(&format!("this is not the address of a Redis ({})", first(&error))))
}

/// What an error says without its details, which may be a part of the address.
fn first(error: &RedisError) -> String {
    let text = error.to_string();
    text.split(" - ").next().unwrap_or_default().to_owned()
}

/// Why a connection was not made. A server that does not speak what the address says hangs up or is silent, as one does that is just being
/// started: here it is asked.
pub(super) async fn unconnected(client: &Client, why: RedisError) -> QueueError {
    let error = error(why);
    if !error.is_transient() {
        return error;
    }
    // A greeting of TLS that offers one cipher. An alert (21) is an answer too.
    let hello = [&[22, 3, 1, 0, 45, 1, 0, 0, 41, 3, 3][..], &[0; 32], &[0, 0, 2, 19, 1, 1, 0]].concat();
    let (host, port, greeting, answers, told) = match client.get_connection_info().addr() {
        ConnectionAddr::Tcp(host, port) => {
            let told = "the server speaks TLS at this port; such an address begins with rediss://";
            (host, *port, &hello[..], [21, 22], told)
        }
        ConnectionAddr::TcpTls { host, port, .. } => {
            let told = "the server does not speak TLS at this port; such an address begins with redis://";
            (host, *port, &b"PING\r\n"[..], *b"+-", told)
        }
        _ => return error,
    };
    match first_byte(host, port, greeting).await {
        Some(byte) if answers.contains(&byte) => QueueError::Storage(told.to_owned()),
        _ => error,
    }
}

/// What a server answers first, if it does.
async fn first_byte(host: &str, port: u16, greeting: &[u8]) -> Option<u8> {
    let asking = async {
        let mut stream = TcpStream::connect((host, port)).await?;
        stream.write_all(greeting).await?;
        stream.read_u8().await
    };
    timeout(SHOWN, asking).await.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_told_in_words_and_without_its_password() {
        for (url, why) in [
            ("", "did not parse"),
            ("sqlite", "did not parse"),
            ("http://:s3cret@host", "did not parse"),
            ("redis://:s3cret@", "did not parse"),
            ("redis://:s3cret@host:port", "did not parse"),
            ("redis://:s3cret@host/nothing", "Invalid database number"),
            ("redis://:s3cret@0.0.0.0", "wildcard address"),
            ("redis://host?protocol=s3cret", "Invalid protocol version"),
            ("redis://user:12#s3cret@host", "no part after a #"),
            ("REDISS://:s3cret@host#insecure", "no part after a #"),
        ] {
            let error = client(url).unwrap_err();
            assert!(!error.is_transient(), "{url}: {error}");
            let text = error.to_string();
            assert!(text.contains(why) && text.contains("expected redis://"), "{url}: {text}");
            assert!(!text.contains("s3cret"), "{url}: {text}");
        }
        for url in
            ["redis://host", "redis://u:p%40ss@host:1/2", "unix:///a/b?db=1", "unix:///a#b", "redis://[::1]/"]
        {
            assert!(client(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn tls_is_a_feature() {
        for url in ["rediss://host", "Rediss://:s3cret@host:1/2", "valkeys://host"] {
            let said = client(url).err().map_or_else(String::new, |error| error.to_string());
            assert_eq!(said.contains("needs the feature `tls`"), !cfg!(feature = "tls"), "{url}: {said}");
            assert!(!said.contains("s3cret"), "{said}");
        }
    }
}

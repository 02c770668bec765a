//! Ctrl-C and its relatives.

use std::{io, process};

use tokio_util::sync::CancellationToken;

/// A token that the first signal to end cancels. The second one ends the program at once.
pub(crate) fn token() -> io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let (first, mut signals) = (token.clone(), Signals::new()?);
    tokio::spawn(async move {
        signals.next().await;
        first.cancel();
        signals.next().await;
        process::exit(130);
    });
    Ok(token)
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals(());

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self(()))
    }

    async fn next(&mut self) {
        // Where it cannot be listened for, nothing ever comes.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

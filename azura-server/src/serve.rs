//! Listening.

use std::{io, time::Duration};

use poem::{
    IntoEndpoint, Server,
    http::uri::Scheme,
    listener::{Acceptor, TcpAcceptor},
    web::{LocalAddr, RemoteAddr},
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};

use crate::App;

/// How long requests under way may take to end.
const GRACE: Duration = Duration::from_secs(5);
/// How long to wait when connections cannot be accepted, as when there are too many.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves an endpoint until [`App::shutdown`] is cancelled, the requests under way have ended, and all watchers were told.
///
/// # Errors
/// If the listener cannot be used.
pub async fn serve(
    app: &App,
    listener: TcpListener,
    endpoint: impl IntoEndpoint<Endpoint: 'static>,
) -> io::Result<()> {
    let acceptor = Prompt(TcpAcceptor::from_tokio(listener)?);
    Server::new_with_acceptor(acceptor)
        .run_with_graceful_shutdown(endpoint, app.shutdown().cancelled(), Some(GRACE))
        .await?;
    app.watchers().close();
    app.watchers().wait().await;
    Ok(())
}

/// Sends small frames at once instead of waiting for more.
struct Prompt(TcpAcceptor);

impl Acceptor for Prompt {
    type Io = TcpStream;

    fn local_addr(&self) -> Vec<LocalAddr> {
        self.0.local_addr()
    }

    async fn accept(&mut self) -> io::Result<(TcpStream, LocalAddr, RemoteAddr, Scheme)> {
        loop {
            match self.0.accept().await {
                Ok(accepted) => {
                    // Without it the connection is slower, and works.
                    let _ = accepted.0.set_nodelay(true);
                    return Ok(accepted);
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

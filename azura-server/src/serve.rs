//! Listening.

use std::{io, sync::Arc, time::Duration};

use poem::{
    IntoEndpoint, Server,
    http::uri::Scheme,
    listener::{Acceptor, TcpAcceptor},
    web::{LocalAddr, RemoteAddr},
};
use tokio::{net::TcpListener, time::sleep};

use crate::{
    App,
    clients::{Client, Clients},
};

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
    let acceptor = Prompt(TcpAcceptor::from_tokio(listener)?, Arc::clone(app.clients()));
    Server::new_with_acceptor(acceptor)
        .run_with_graceful_shutdown(endpoint, app.shutdown().cancelled(), Some(GRACE))
        .await?;
    app.watchers().close();
    app.watchers().wait().await;
    Ok(())
}

/// Sends small frames at once instead of waiting for more, and notices when a client leaves.
struct Prompt(TcpAcceptor, Arc<Clients>);

impl Acceptor for Prompt {
    type Io = Client;

    fn local_addr(&self) -> Vec<LocalAddr> {
        self.0.local_addr()
    }

    async fn accept(&mut self) -> io::Result<(Client, LocalAddr, RemoteAddr, Scheme)> {
        loop {
            match self.0.accept().await {
                Ok((stream, local, remote, scheme)) => {
                    // Without it the connection is slower, and works.
                    let _ = stream.set_nodelay(true);
                    // One that is gone already has no address any more.
                    if let Ok(client) = Client::new(stream, &self.1) {
                        return Ok((client, local, remote, scheme));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

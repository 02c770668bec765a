//! Clients that leave before they are answered: the HTTP library goes on with their requests, and tells nobody.

use std::{
    collections::HashMap,
    future, io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;

/// Those who are connected, by address. A token is cancelled when its client has nothing more to say.
#[derive(Debug, Default)]
pub(crate) struct Clients(Mutex<HashMap<SocketAddr, CancellationToken>>);

impl Clients {
    /// Waits until the client at an address has closed its side; for ever if it did not come through [`serve`](crate::serve()).
    pub(crate) async fn left(&self, address: Option<&SocketAddr>) {
        let token = address.and_then(|address| self.all(|all| all.get(address).cloned()));
        match token {
            Some(token) => token.cancelled().await,
            None => future::pending().await,
        }
    }

    fn all<T>(&self, look: impl FnOnce(&mut HashMap<SocketAddr, CancellationToken>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The connection of a client, which is known for as long as it lasts.
pub(crate) struct Client {
    stream: TcpStream,
    address: SocketAddr,
    left: CancellationToken,
    clients: Arc<Clients>,
}

impl Client {
    pub(crate) fn new(stream: TcpStream, clients: &Arc<Clients>) -> io::Result<Self> {
        let (address, left) = (stream.peer_addr()?, CancellationToken::new());
        clients.all(|all| all.insert(address, left.clone()));
        Ok(Self { stream, address, left, clients: Arc::clone(clients) })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.clients.all(|all| all.remove(&self.address));
    }
}

impl AsyncRead for Client {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.remaining();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        if read.is_err() || (before > 0 && buffer.remaining() == before) {
            self.left.cancel();
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Client {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

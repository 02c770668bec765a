//! Clients that leave before they are answered: the HTTP library goes on with their requests, and tells nobody. And clients that stay and read
//! nothing, for whom it would wait for ever.

use std::{
    collections::HashMap,
    future, io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};
use tokio_util::sync::CancellationToken;

/// How long a client may take in nothing of what it is sent.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many bytes wait for a client at most, of which the system uses twice as much. It says that there is room again only when a third is taken:
/// of the megabytes that it would keep by itself, somebody who reads slowly does not take that much in time.
const WAITING: usize = 128 << 10;

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
    patience: Duration,
    /// While it takes in nothing, until that has lasted too long.
    stuck: Option<Pin<Box<Sleep>>>,
}

impl Client {
    pub(crate) fn new(stream: TcpStream, clients: &Arc<Clients>) -> io::Result<Self> {
        let (address, left) = (stream.peer_addr()?, CancellationToken::new());
        SockRef::from(&stream).set_send_buffer_size(WAITING)?;
        clients.all(|all| all.insert(address, left.clone()));
        Ok(Self { stream, address, left, clients: Arc::clone(clients), patience: PATIENCE, stuck: None })
    }

    /// What became of a write; one that has waited for too long fails, and with it the connection.
    fn in_time(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stuck = None;
            return written;
        }
        let patience = self.patience;
        ready!(self.stuck.get_or_insert_with(|| Box::pin(sleep(patience))).as_mut().poll(cx));
        self.left.cancel();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
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
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.in_time(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.in_time(cx, written)
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

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
        time::Instant,
    };

    use super::*;

    /// A client that is written to, and its own end of the connection.
    async fn connected(clients: &Arc<Clients>, patience: Duration) -> (Client, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let end = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut client = Client::new(listener.accept().await.unwrap().0, clients).unwrap();
        client.patience = patience;
        (client, end)
    }

    #[tokio::test]
    async fn who_reads_nothing_is_given_up_and_who_reads_slowly_is_not() {
        const MUCH: usize = 48 << 20;
        const SOME: usize = 5 << 20;
        let (clients, patience) = (Arc::<Clients>::default(), Duration::from_millis(600));
        let (mut client, _end) = connected(&clients, patience).await;
        let address = client.address;
        let begun = Instant::now();
        let error = client.write_all(&vec![0; MUCH]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() >= patience, "{:?}", begun.elapsed());
        // Whoever makes its answers hears of it, and nothing is kept of it.
        clients.left(Some(&address)).await;
        drop(client);
        assert!(clients.0.lock().unwrap().is_empty());

        // A trickle of 1.3 MB a second, for several times as long as nothing at all may last.
        let (mut client, mut end) = connected(&clients, patience).await;
        let reading = tokio::spawn(async move {
            let (mut read, mut bytes) = (0, vec![0; 64 << 10]);
            while read < SOME {
                sleep(patience / 12).await;
                read += end.read(&mut bytes).await.unwrap();
            }
        });
        let begun = Instant::now();
        client.write_all(&vec![0; SOME]).await.unwrap();
        reading.await.unwrap();
        assert!(begun.elapsed() > 3 * patience, "{:?}", begun.elapsed());
    }
}

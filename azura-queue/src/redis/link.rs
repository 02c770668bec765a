//! The connection for verbs.

use std::sync::{Arc, Mutex, PoisonError};

use ::redis::{
    Client, Cmd, Pipeline, RedisFuture, RedisResult, Value,
    aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig},
};

/// A connection that is made again when it breaks, and also when an answer does not come in time: then its far end may be gone without a
/// word, and nothing would ever come through it again. Clones are the same connection.
#[derive(Clone)]
pub(super) struct Link(Arc<Shared>);

struct Shared {
    client: Client,
    config: ConnectionManagerConfig,
    /// The connection, and the how many-th it is.
    current: Mutex<(u64, ConnectionManager)>,
}

impl Link {
    pub(super) async fn connect(client: Client, config: ConnectionManagerConfig) -> RedisResult<Self> {
        let manager = ConnectionManager::new_with_config(client.clone(), config.clone()).await?;
        Ok(Self(Arc::new(Shared { client, config, current: Mutex::new((0, manager)) })))
    }

    fn current(&self) -> (u64, ConnectionManager) {
        self.0.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gives up the connection that did not answer, unless somebody has done so already.
    fn judge<T>(&self, nth: u64, answer: RedisResult<T>) -> RedisResult<T> {
        if answer.as_ref().is_err_and(|error| error.is_timeout() || super::is_cut(error)) {
            let (client, config) = (self.0.client.clone(), self.0.config.clone());
            let mut current = self.0.current.lock().unwrap_or_else(PoisonError::into_inner);
            if current.0 == nth {
                *current = (nth + 1, ConnectionManager::new_lazy_with_config(client, config)?);
            }
        }
        answer
    }
}

impl ConnectionLike for Link {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async {
            let (nth, mut manager) = self.current();
            self.judge(nth, manager.req_packed_command(command).await)
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let (nth, mut manager) = self.current();
            self.judge(nth, manager.req_packed_commands(commands, offset, count).await)
        })
    }

    fn get_db(&self) -> i64 {
        self.current().1.get_db()
    }
}

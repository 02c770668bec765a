//! The queue in Redis does what every queue must do. Needs redis-server.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod redis_server;

use std::sync::Arc;

use azura_queue::{Queue, RedisQueue, conformance_suite};
use redis_server::RedisServer;

/// An empty queue: a database of its own in a server of its own.
async fn make() -> (RedisServer, Arc<dyn Queue>) {
    let server = RedisServer::start();
    let queue = RedisQueue::connect(server.as_ref()).await.unwrap();
    (server, Arc::new(queue))
}

conformance_suite!(redis, make);

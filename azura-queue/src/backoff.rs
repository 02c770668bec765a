//! Trying again while the queue cannot be reached.

use std::time::Duration;

use tokio::time::sleep;

use crate::Result;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

/// Repeats `call`, with growing pauses, for as long as its failure may pass.
pub(crate) async fn persist<T, F>(mut call: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let mut pause = FIRST;
    loop {
        match call().await {
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, ?pause, "trying again");
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST);
            }
            answer => return answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::QueueError;

    #[tokio::test(start_paused = true)]
    async fn passing_failures_are_waited_out_and_others_are_not() {
        let mut calls = 0;
        let answer = persist(|| {
            calls += 1;
            let answer = if calls < 9 { Err(QueueError::Unavailable("away".into())) } else { Ok(calls) };
            async move { answer }
        });
        assert_eq!(answer.await, Ok(9));

        let storage = QueueError::Storage("broken".into());
        assert_eq!(persist(|| async { Err::<(), _>(storage.clone()) }).await, Err(storage));
    }
}

//! The memory in which batches are unpacked: a few kilobytes of a client may unfold to megabytes, so
//! few may do so at the same time. The others wait by turn.

use std::sync::Arc;

use millrace_core::limits;
use tokio::sync::Semaphore;

use crate::blocking::Blocking;

/// Room for batches that are unpacked at the same time. Clones share it.
#[derive(Clone, Debug)]
pub struct Unpacking {
    room: Arc<Semaphore>,
}

impl Default for Unpacking {
    fn default() -> Unpacking {
        Unpacking { room: Arc::new(Semaphore::new(limits::UNPACKING_BYTES_MAX)) }
    }
}

impl Unpacking {
    /// Runs work that may take so many bytes, as soon as there is room, where work may block. Once
    /// started, it keeps its room to its end even if the caller stops waiting.
    pub async fn run<T, F>(&self, blocking: Blocking, bytes_max: usize, work: F) -> T
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let bytes = u32::try_from(bytes_max.min(limits::UNPACKING_BYTES_MAX)).unwrap_or(u32::MAX);
        // The semaphore is never closed; without room the work would still be right.
        let room = Arc::clone(&self.room).acquire_many_owned(bytes).await.ok();
        let run = move || {
            let result = work();
            drop(room);
            result
        };
        blocking.run(run).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use millrace_core::limits;
    use tokio::time::timeout;

    use super::Unpacking;
    use crate::blocking::Blocking;

    const SHORT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn few_batches_are_unpacked_at_the_same_time() {
        let unpacking = Unpacking::default();
        for (bytes_max, together) in [
            (limits::UNPACKED_BYTES_MIN, 4),
            (limits::UNPACKED_BYTES_MIN + 1, 3),
            (limits::UNPACKED_BYTES_MAX, 1),
        ] {
            let (gates, works): (Vec<_>, Vec<_>) = (0..together)
                .map(|_| {
                    let (gate, closed) = mpsc::channel::<()>();
                    let unpacking = unpacking.clone();
                    let work = move || closed.recv().is_err();
                    let run = async move { unpacking.run(Blocking::Pool, bytes_max, work).await };
                    (gate, tokio::spawn(run))
                })
                .unzip();
            tokio::task::yield_now().await;
            let one_more = unpacking.run(Blocking::Pool, bytes_max, || ());
            assert!(timeout(SHORT, one_more).await.is_err(), "{together} of {bytes_max}");
            // Nobody waits for one of them any more, and it still has its room.
            works[0].abort();
            let one_more = unpacking.run(Blocking::Pool, bytes_max, || ());
            assert!(timeout(SHORT, one_more).await.is_err(), "{together} of {bytes_max}");
            drop(gates);
            unpacking.run(Blocking::Pool, bytes_max, || ()).await;
        }
    }
}

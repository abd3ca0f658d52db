//! Where work goes that may block: reads of cold pages, syncs, opening and compacting logs.

/// How blocking work is run.
#[derive(Clone, Copy, Debug)]
pub enum Blocking {
    /// On tokio's pool of blocking threads.
    Pool,
    /// At once on the caller's thread: in the simulator there is only one, and its disk never waits.
    Inline,
}

impl Blocking {
    /// Runs `work` and returns what it returned. Once started, the work runs to its end even if the
    /// caller stops waiting.
    ///
    /// # Panics
    /// Passes on the panic of `work`.
    pub async fn run<T, F>(self, work: F) -> T
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        match self {
            Blocking::Inline => work(),
            Blocking::Pool => match tokio::task::spawn_blocking(work).await {
                Ok(value) => value,
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    // Only a runtime that is being torn down cancels blocking work; nobody is left
                    // who could take the answer.
                    Err(_) => std::future::pending().await,
                },
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Blocking;

    #[tokio::test]
    async fn both_ways_return_what_the_work_returned() {
        for blocking in [Blocking::Pool, Blocking::Inline] {
            assert_eq!(blocking.run(|| 6 * 7).await, 42);
        }
    }
}

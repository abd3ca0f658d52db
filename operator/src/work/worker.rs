//! One worker: looks at one cluster and its topics whenever it is woken, and from time to time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::{Bell, Cause, Shop};
use crate::cluster::reconcile::{Look, reconcile};
use crate::context::Reach;
use crate::error::{Error, chain};
use crate::resource::Key;
use crate::topic::sync::{Listed, sync};
use crate::topic::wanted::WantedTopic;

/// How long a worker waits for what comes together with what it was woken by.
const GATHERS: Duration = Duration::from_millis(20);
/// The first wait after a failed look; each further one is twice as long.
const RETRY_FIRST: Duration = Duration::from_millis(200);
/// The longest wait after a failed look.
const RETRY_LAST: Duration = Duration::from_secs(30);
/// The longest wait for something that is asked for again and again: nine lists and a question to
/// each broker every time, which is much if a hundred clusters are not ready.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a worker has seen last, to spare it looks at the cluster when only topics changed.
struct Memory {
    look: Option<Look>,
    looked_at: Instant,
    failures: u32,
    /// How many looks at the cluster in a row nobody has woken us to.
    unwoken: u32,
}

/// Works until the operator stops, or nobody names the cluster any more.
pub(super) async fn run<C: Reach>(shop: Arc<Shop<C>>, key: Key, bell: Arc<Bell>) {
    let mut memory = Memory { look: None, looked_at: Instant::now(), failures: 0, unwoken: 0 };
    let mut next = Instant::now();
    loop {
        tokio::select! { biased;
            () = shop.stop.cancelled() => return,
            () = bell.notify.notified() => tokio::time::sleep(GATHERS).await,
            () = tokio::time::sleep_until(next) => {}
        }
        let outcome = tokio::select! { biased;
            () = shop.stop.cancelled() => return,
            outcome = look(&shop, &key, &bell, &mut memory) => outcome,
        };
        let wait = match outcome {
            Ok(wait) => {
                memory.failures = 0;
                wait
            }
            Err(error) => {
                memory.look = None;
                memory.failures = memory.failures.saturating_add(1);
                let wait = RETRY_FIRST.saturating_mul(1 << (memory.failures - 1).min(10));
                tracing::warn!(cluster = %key, error = chain(&error), "look failed, again later");
                wait.min(RETRY_LAST)
            }
        };
        if matches!(memory.look, Some(Look::Absent)) && shop.dismiss(&key) {
            return;
        }
        next = Instant::now() + wait;
    }
}

/// One look; when to look again though nobody woke us.
async fn look<C: Reach>(
    shop: &Shop<C>,
    key: &Key,
    bell: &Bell,
    memory: &mut Memory,
) -> Result<Duration, Error> {
    let context = &shop.context;
    let resync = context.options.resync;
    let is_due = |memory: &Memory| memory.looked_at + wait_of(memory, resync) <= Instant::now();
    let is_called = bell.is_for_cluster.load(Ordering::SeqCst);
    if is_called || memory.look.is_none() || is_due(memory) {
        let mut turn = context.turns.take().await;
        // Who called while we waited for the turn is answered by this look.
        let is_for_cluster = bell.is_for_cluster.swap(false, Ordering::SeqCst);
        let started = Instant::now();
        let looked = reconcile(context, key, &mut turn).await;
        drop(turn);
        context.metrics.looked("cluster", looked.is_ok(), started.elapsed().as_secs_f64());
        memory.look = Some(looked?);
        memory.looked_at = Instant::now();
        memory.unwoken = if is_for_cluster { 0 } else { memory.unwoken.saturating_add(1) };
    }
    let Some(look) = &memory.look else { return Ok(RETRY_FIRST) };
    // In this order: what is complete now is complete when it is read.
    let is_complete = shop.index.is_complete();
    let topics = shop.index.topics_of(key);
    let is_listed = |namespace: &str| shop.index.is_listed(namespace);
    let note = |topic: WantedTopic| {
        // The answer to a write may tell of a change before the watch does.
        if shop.index.note_again(topic) {
            shop.wake(key, Cause::Topics);
        }
    };
    let topics = Listed { topics: &topics, is_complete, is_listed: &is_listed, note: &note };
    let started = Instant::now();
    let synced = sync(context, key, look, topics).await;
    context.metrics.looked("topics", synced.is_ok(), started.elapsed().as_secs_f64());
    let synced = synced?;
    if synced.has_foreign_configs {
        // The next look is at the cluster, too. It comes no sooner: brokers may refuse.
        bell.is_for_cluster.store(true, Ordering::SeqCst);
    }
    let left =
        (memory.looked_at + wait_of(memory, resync)).saturating_duration_since(Instant::now());
    Ok(synced.again.map_or(left, |again| again.min(left)))
}

/// How long a look at the cluster holds.
fn wait_of(memory: &Memory, resync: Duration) -> Duration {
    match &memory.look {
        Some(Look::Sound(sound)) => {
            let again = sound.again.map(|again| patient(again, memory.unwoken));
            again.map_or(resync, |again| again.min(resync))
        }
        Some(Look::Absent | Look::Refused(_)) => resync,
        None => Duration::ZERO,
    }
}

/// A wait that is twice as long each time that it has passed in vain. What changes at the API wakes
/// us all the same, so only what no watch tells of is seen later.
fn patient(again: Duration, in_vain: u32) -> Duration {
    let longer = again.saturating_mul(1 << in_vain.min(10));
    longer.min(PATIENCE.max(again))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::patient;

    #[test]
    fn waits_double_up_to_ten_seconds_and_longer_ones_stay() {
        let waits = |first: u64| {
            (0..6).map(|in_vain| patient(Duration::from_secs(first), in_vain).as_secs()).collect()
        };
        let rows: [(u64, [u64; 6]); 3] =
            [(1, [1, 2, 4, 8, 10, 10]), (5, [5, 10, 10, 10, 10, 10]), (30, [30; 6])];
        for (first, expected) in rows {
            let found: Vec<u64> = waits(first);
            assert_eq!(found, expected, "{first}");
        }
        assert_eq!(patient(Duration::from_secs(1), u32::MAX), Duration::from_secs(10));
    }
}

//! The memory that all requests in flight may take together, so that no frame waits for ever for
//! others that never end.
//!
//! The first few kilobytes of a frame are always let in. A longer frame then takes room for its whole
//! length, in one of four lanes, and keeps it until its request is done:
//!
//! ```text
//!   frame of                              room of all frames in the lane
//!   up to FRAME_SMALL_BYTES_MAX           1/4 of the budget
//!   up to FRAME_USUAL_BYTES_MAX           1/2
//!   up to FRAME_LARGE_BYTES_MAX           1/4, or one frame
//!   longer                                one frame
//! ```
//! Each lane lets frames in by their turn. Small frames never wait for large ones, and no two frames
//! wait for each other: who is in needs nothing more. Memory is taken as bytes come, but room by the
//! length that a frame claims, so claims must not be worth anything by themselves: while somebody
//! waits for a lane, every frame in it that stands still or is too slow gives way
//! ([`Charge::crowded_out`]), all of them at once. While nobody waits a frame may take its time.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use millrace_core::limits;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

use crate::refusal::Refusal;

/// The budget of one broker, in bytes.
#[derive(Debug)]
pub struct Budget {
    limit_bytes: usize,
    received_bytes: AtomicUsize,
    /// By the length of their frames; the last takes any.
    lanes: [Arc<Lane>; 4],
}

/// The room of frames of like length.
struct Lane {
    frame_bytes_max: usize,
    room_bytes: u32,
    room: Arc<Semaphore>,
    /// Frames that wait to be let in.
    waiting: AtomicUsize,
    /// Is told when the first begins to wait.
    awaited: Notify,
}

impl Budget {
    /// A budget of `limit_bytes`.
    pub fn new(limit_bytes: usize) -> Arc<Budget> {
        let (quarter, half) = (limit_bytes / 4, limit_bytes / 2);
        Arc::new(Budget {
            limit_bytes,
            received_bytes: AtomicUsize::new(0),
            lanes: [
                Lane::new(limits::FRAME_SMALL_BYTES_MAX, quarter),
                Lane::new(limits::FRAME_USUAL_BYTES_MAX, half),
                Lane::new(limits::FRAME_LARGE_BYTES_MAX, quarter),
                // No frame takes more than all.
                Lane::new(usize::MAX, 1),
            ],
        })
    }

    /// The limit, in bytes.
    pub fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }

    /// What was received of all requests in flight, in bytes. Above the limit by the starts of frames
    /// and one that is larger than its lane.
    pub fn received_bytes(&self) -> usize {
        self.received_bytes.load(Ordering::Relaxed)
    }

    fn lane_of(&self, size_bytes: usize) -> &Arc<Lane> {
        let [lanes @ .., last] = &self.lanes;
        lanes.iter().find(|lane| size_bytes <= lane.frame_bytes_max).unwrap_or(last)
    }
}

impl Lane {
    fn new(frame_bytes_max: usize, room_bytes: usize) -> Arc<Lane> {
        let room_bytes = u32::try_from(room_bytes).unwrap_or(u32::MAX).max(1);
        Arc::new(Lane {
            frame_bytes_max,
            room_bytes,
            room: Arc::new(Semaphore::new(usize::try_from(room_bytes).unwrap_or(1))),
            waiting: AtomicUsize::new(0),
            awaited: Notify::new(),
        })
    }

    /// Takes room by turn. Dropping the future gives the turn up.
    async fn enter(&self, size_bytes: usize) -> Option<OwnedSemaphorePermit> {
        let size_bytes = u32::try_from(size_bytes).unwrap_or(u32::MAX).min(self.room_bytes);
        if let Ok(permit) = Arc::clone(&self.room).try_acquire_many_owned(size_bytes) {
            return Some(permit);
        }
        let _waiting = Waiting::new(self);
        // The semaphore is never closed.
        Arc::clone(&self.room).acquire_many_owned(size_bytes).await.ok()
    }

    fn is_awaited(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// Waits until somebody waits to be let in.
    async fn awaited(&self) {
        loop {
            let awaited = self.awaited.notified();
            if self.is_awaited() {
                return;
            }
            awaited.await;
        }
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane")
            .field("room_bytes", &self.room_bytes)
            .field("free_bytes", &self.room.available_permits())
            .field("waiting", &self.waiting)
            .finish_non_exhaustive()
    }
}

/// One frame that waits, as long as this lives.
struct Waiting<'a>(&'a Lane);

impl<'a> Waiting<'a> {
    fn new(lane: &'a Lane) -> Waiting<'a> {
        if lane.waiting.fetch_add(1, Ordering::SeqCst) == 0 {
            lane.awaited.notify_waiters();
        }
        Waiting(lane)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What one frame has of the budget, given back when dropped.
#[derive(Debug)]
pub struct Charge {
    budget: Arc<Budget>,
    received_bytes: usize,
    place: Option<Place>,
}

/// The room of a frame that is longer than its start.
#[derive(Debug)]
struct Place {
    lane: Arc<Lane>,
    _permit: OwnedSemaphorePermit,
    size_bytes: usize,
    since: Instant,
    /// When the frame last moved on, and how far it was then.
    moved_at: Instant,
    moved_to_bytes: usize,
}

impl Charge {
    /// A charge of nothing.
    pub fn none(budget: &Arc<Budget>) -> Charge {
        Charge { budget: Arc::clone(budget), received_bytes: 0, place: None }
    }

    /// What was received, in bytes.
    pub fn received_bytes(&self) -> usize {
        self.received_bytes
    }

    /// Takes room for a whole frame, unless it has some. Dropping the future takes none.
    pub async fn enter(&mut self, size_bytes: usize) {
        if self.place.is_some() {
            return;
        }
        let lane = Arc::clone(self.budget.lane_of(size_bytes));
        let Some(permit) = lane.enter(size_bytes).await else { return };
        let now = Instant::now();
        self.place = Some(Place {
            lane,
            _permit: permit,
            size_bytes,
            since: now,
            moved_at: now,
            moved_to_bytes: self.received_bytes,
        });
    }

    /// Books that more was received.
    pub fn receive(&mut self, bytes: usize) {
        self.budget.received_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.received_bytes = self.received_bytes.saturating_add(bytes);
        let Some(place) = &mut self.place else { return };
        let moved_bytes = self.received_bytes.saturating_sub(place.moved_to_bytes);
        if moved_bytes >= limits::FRAME_PROGRESS_BYTES_MIN
            || self.received_bytes >= place.size_bytes
        {
            (place.moved_at, place.moved_to_bytes) = (Instant::now(), self.received_bytes);
        }
    }

    /// Waits until the frame must give way: others wait for its room, and it has had it for too long
    /// without moving on or for too long in all. Says so as the reason to close the connection.
    pub async fn crowded_out(&self) -> Refusal {
        let Some(place) = &self.place else { return std::future::pending().await };
        loop {
            place.lane.awaited().await;
            sleep_until(place.deadline()).await;
            if place.lane.is_awaited() {
                return Refusal::Starving {
                    size_bytes: place.size_bytes,
                    received_bytes: self.received_bytes,
                    budget_bytes: self.budget.limit_bytes,
                    held: place.since.elapsed(),
                };
            }
        }
    }

    /// Moves the front frame's part into a charge of its own, which also inherits the room.
    #[must_use]
    pub fn split(&mut self, bytes: usize) -> Charge {
        let received_bytes = bytes.min(self.received_bytes);
        self.received_bytes = self.received_bytes.saturating_sub(received_bytes);
        Charge { budget: Arc::clone(&self.budget), received_bytes, place: self.place.take() }
    }
}

impl Place {
    fn deadline(&self) -> Instant {
        let of_length = u64::try_from(self.size_bytes).unwrap_or(u64::MAX);
        let of_length_ms = of_length / limits::FRAME_BYTES_PER_MS_MIN;
        let in_all = limits::FRAME_HOLDS_UP_OTHERS_MS_MAX.saturating_add(of_length_ms);
        let after = |since: Instant, wait_ms| since.checked_add(Duration::from_millis(wait_ms));
        let ends = after(self.since, in_all).unwrap_or(self.since);
        after(self.moved_at, limits::FRAME_PAUSE_MS_MAX).map_or(ends, |pause| pause.min(ends))
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.received_bytes.fetch_sub(self.received_bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;

//! Who is let in, who waits, and who gives way, in virtual time.

use std::sync::Arc;
use std::time::Duration;

use millrace_core::limits;
use tokio::time::{Instant, timeout};

use super::{Budget, Charge};
use crate::refusal::Refusal;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const SHORT: Duration = Duration::from_millis(10);
const PAUSE: Duration = Duration::from_millis(limits::FRAME_PAUSE_MS_MAX);

/// A frame of this length, if it is let in at once.
async fn enter(budget: &Arc<Budget>, size_bytes: usize) -> Option<Charge> {
    let mut charge = Charge::none(budget);
    timeout(SHORT, charge.enter(size_bytes)).await.ok()?;
    Some(charge)
}

/// Lets somebody wait for room for a frame of this length.
fn wait(budget: &Arc<Budget>, size_bytes: usize) -> tokio::task::JoinHandle<Charge> {
    let mut charge = Charge::none(budget);
    tokio::spawn(async move {
        charge.enter(size_bytes).await;
        charge
    })
}

#[tokio::test(start_paused = true)]
async fn each_lane_is_full_by_itself() {
    let rows = [
        (8 * KIB, MIB / 4 / (8 * KIB)),
        (64 * KIB, 4),
        (128 * KIB, 4),
        (512 * KIB, 1),
        // Larger than the whole lane: alone.
        (MIB, 1),
        (2 * MIB, 1),
        (100 * MIB, 1),
    ];
    for (size_bytes, together) in rows {
        let budget = Budget::new(MIB);
        let mut holders = Vec::new();
        while let Some(charge) = enter(&budget, size_bytes).await {
            holders.push(charge);
        }
        assert_eq!(holders.len(), together, "frames of {size_bytes} bytes");
        let others = [KIB * 8, KIB * 128, 2 * MIB, 100 * MIB];
        let lane = |size_bytes| Arc::as_ptr(budget.lane_of(size_bytes));
        for other in others.into_iter().filter(|other| lane(*other) != lane(size_bytes)) {
            assert!(enter(&budget, other).await.is_some(), "{other} beside {size_bytes}");
        }
        holders.pop();
        assert!(enter(&budget, size_bytes).await.is_some(), "room came back");
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_let_in_by_turn() {
    let budget = Budget::new(MIB);
    let holder = enter(&budget, 64 * KIB).await.expect("room");
    let rest = [(); 3].map(|()| wait(&budget, 64 * KIB));
    let large = wait(&budget, 50 * KIB);
    tokio::time::sleep(SHORT).await;
    let small = wait(&budget, 5 * KIB);
    tokio::time::sleep(SHORT).await;
    assert!(!large.is_finished() && !small.is_finished());
    drop(holder);
    timeout(SHORT, large).await.expect("let in").expect("no panic");
    timeout(SHORT, small).await.expect("let in").expect("no panic");
    drop(rest);
}

/// How long a frame that received so much may stand still once somebody waits for its lane.
#[tokio::test(start_paused = true)]
async fn who_stands_still_gives_way_only_to_somebody() {
    let budget = Budget::new(MIB);
    let mut still = enter(&budget, MIB).await.expect("room");
    still.receive(100 * KIB);
    assert!(timeout(Duration::from_hours(1), still.crowded_out()).await.is_err());
    let waiting = wait(&budget, MIB);
    // It has stood still for longer than it may.
    let refusal = timeout(SHORT, still.crowded_out()).await.expect("at once");
    let Refusal::Starving { size_bytes, received_bytes, .. } = refusal else { panic!() };
    assert_eq!((size_bytes, received_bytes), (MIB, 100 * KIB));
    drop(still);
    let mut moving = waiting.await.expect("let in");

    let waiting = wait(&budget, MIB);
    let began = Instant::now();
    for _ in 0..5 {
        assert!(timeout(PAUSE * 4 / 5, moving.crowded_out()).await.is_err());
        moving.receive(limits::FRAME_PROGRESS_BYTES_MIN);
    }
    timeout(PAUSE + SHORT, moving.crowded_out()).await.expect("stands still now");
    // Drops of bytes are no progress.
    moving.receive(limits::FRAME_PROGRESS_BYTES_MIN);
    moving.receive(1);
    timeout(PAUSE + SHORT, moving.crowded_out()).await.expect("too slow");
    // Nor does slow progress last for ever.
    while began.elapsed() < Duration::from_millis(limits::FRAME_HOLDS_UP_OTHERS_MS_MAX + 1_024) {
        moving.receive(limits::FRAME_PROGRESS_BYTES_MIN);
        tokio::time::sleep(PAUSE / 5).await;
    }
    moving.receive(limits::FRAME_PROGRESS_BYTES_MIN);
    timeout(SHORT, moving.crowded_out()).await.expect("too long in all");
    waiting.abort();
    let _ = waiting.await;
    assert!(timeout(Duration::from_hours(1), moving.crowded_out()).await.is_err(), "no one waits");
}

#[test]
fn a_split_charge_is_given_back_once() {
    let budget = Budget::new(10);
    let mut whole = Charge::none(&budget);
    whole.receive(8);
    let part = whole.split(5);
    assert_eq!((whole.received_bytes(), part.received_bytes()), (3, 5));
    drop(whole);
    assert_eq!(budget.received_bytes(), 5);
    drop(part);
    assert_eq!(budget.received_bytes(), 0);
}

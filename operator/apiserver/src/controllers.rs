//! What runs beside a real API server: the garbage collector, the namespace controller, and a
//! kubelet with its StatefulSet controller. Each is a step over the world that says whether it
//! changed anything; one task repeats them after each change.

pub mod budgets;
pub mod claims;
pub mod garbage;
pub mod kubelet;
pub mod namespaces;
pub mod stateful_sets;
pub mod system;

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::shared::Shared;
use crate::world::World;

/// The time from a change until the controllers have seen it.
const PAUSE: Duration = Duration::from_millis(20);
/// Rounds after which controllers that undo each other's work are told so.
const ROUNDS_MAX: usize = 10_000;

/// One round of all controllers; says whether anything changed.
pub(crate) fn step(world: &mut World) -> bool {
    let before = world.store.revision();
    garbage::step(world);
    namespaces::step(world);
    stateful_sets::step(world);
    kubelet::step(world);
    claims::step(world);
    budgets::step(world);
    world.store.revision() != before
}

/// Rounds until nothing changes.
///
/// # Panics
/// If there is no end to it.
pub(crate) fn settle(world: &mut World) {
    for _ in 0..ROUNDS_MAX {
        if !step(world) {
            return;
        }
    }
    panic!("the controllers do not settle in {ROUNDS_MAX} rounds");
}

/// Runs the controllers until the server is dropped or the task aborted. A pod's grace runs in
/// tokio's time.
pub(crate) fn spawn(shared: &Arc<Shared>) -> JoinHandle<()> {
    let mut changed = shared.world().store.subscribe();
    let shared: Weak<Shared> = Arc::downgrade(shared);
    tokio::spawn(async move {
        loop {
            let Some(server) = shared.upgrade() else { return };
            changed.mark_unchanged();
            let wakes_at = {
                let mut world = server.world();
                step(&mut world);
                kubelet::next_end(&world)
            };
            drop(server);
            let timer = async {
                match wakes_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                more = changed.changed() => {
                    if more.is_err() {
                        return;
                    }
                    sleep(PAUSE).await;
                }
                () = timer => {}
            }
        }
    })
}

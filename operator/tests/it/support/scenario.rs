//! A change that is made once in peace to count the operator's writes, and then again with an
//! operator that dies before and after each of them and one after it that remembers nothing.

use std::time::Duration;

use futures::future::BoxFuture;
use millrace_operator::context::Options;
use serde_json::Value;

use super::end_state::{differences, end_state};
use super::history::{Allowed, forbidden, repeated_events};
use super::network::Crash;
use super::operator::{Harm, Operator};
use super::world::World;

/// How often a cluster may come to be ready: at first, and after a change and a crash.
const READY_MAX: usize = 3;

/// Something that a user does.
pub type Act = for<'a> fn(&'a World) -> BoxFuture<'a, ()>;

/// A change and what it may lead to.
pub struct Scenario {
    /// What there is before.
    pub before: Act,
    /// Whether that is done.
    pub is_before: fn(&World) -> bool,
    /// What the user does.
    pub change: Act,
    /// Whether that is done.
    pub is_done: fn(&World) -> bool,
    /// What may happen on the way.
    pub allowed: Allowed,
}

/// What one run came to.
struct Outcome {
    state: Value,
    writes: (usize, usize),
    wrong: Vec<String>,
}

/// Runs a test on a thread's own runtime with virtual time.
pub fn on_virtual_time<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without IO");
    runtime.block_on(test)
}

/// Tries a scenario with a crash at each write.
///
/// # Panics
/// If an end state is another than in peace, or something happened that must not.
pub fn survives_crashes(scenario: &Scenario) {
    let calm = on_virtual_time(run(scenario, Harm::default()));
    assert!(calm.wrong.is_empty(), "in peace: {}", calm.wrong.join("\n"));
    let (api, brokers) = calm.writes;
    let mut wrong = Vec::new();
    let mut check = |harm: Harm, what: String| {
        let outcome = on_virtual_time(run(scenario, harm));
        let all = differences(&calm.state, &outcome.state).into_iter().chain(outcome.wrong);
        wrong.extend(all.map(|it| format!("{what}: {it}")));
    };
    for at_write in 1..=api {
        for is_after in [false, true] {
            let crash = Crash { at_write, is_after };
            let harm = Harm { api_crash: Some(crash), ..Harm::default() };
            check(harm, format!("crash at API write {at_write} of {api}, after: {is_after}"));
        }
    }
    for at_write in 1..=brokers {
        for is_after in [false, true] {
            let crash = Crash { at_write, is_after };
            let harm = Harm { broker_crash: Some(crash), ..Harm::default() };
            check(
                harm,
                format!("crash at broker write {at_write} of {brokers}, after: {is_after}"),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn run(scenario: &Scenario, harm: Harm) -> Outcome {
    let world = World::new(1).await;
    let operator = Operator::start(&world);
    (scenario.before)(&world).await;
    world.until("before", scenario.is_before).await;
    world.settle().await;
    operator.stop().await;
    let begins = world.server.revision();
    let mut operator = Operator::start_with(&world, harm, Options::default());
    (scenario.change)(&world).await;
    if harm.api_crash.is_some() || harm.broker_crash.is_some() {
        let crashed = operator.faults.crashed();
        let in_time = tokio::time::timeout(Duration::from_secs(1_200), crashed).await;
        assert!(in_time.is_ok(), "{harm:?} was not reached\n{}", world.story());
        operator.has_ended().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        operator = Operator::start(&world);
    }
    world.until("the end", scenario.is_done).await;
    world.settle().await;
    let mut wrong = forbidden(&world, begins, scenario.allowed);
    wrong.extend(repeated_events(&world, READY_MAX));
    let outcome = Outcome { state: end_state(&world), writes: operator.writes(), wrong };
    operator.stop().await;
    outcome
}

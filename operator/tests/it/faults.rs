//! Whatever goes wrong between operator, API and brokers, and however often the operator dies: once
//! that is over, all is as if nothing had gone wrong, and nothing happened on the way that must not.
//!
//! `MILLRACE_SEEDS=100` tries more worlds, `MILLRACE_SEED=7` only that one.

use std::time::Duration;

use millrace_apiserver::Rates;
use millrace_operator::context::Options;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::end_state::{differences, end_state};
use crate::support::history::{Allowed, forbidden, line, repeated_events};
use crate::support::operator::Harm;
use crate::support::scenario::on_virtual_time;
use crate::support::{Operator, World, cluster, topic};

/// How many worlds are tried unless the environment says otherwise.
const SEEDS: u64 = 24;

/// What a user does, one after the other; what the world comes to does not depend on when.
async fn act(world: &World, step: usize) -> bool {
    let short = "20s";
    let with = |name: &str, partitions: i32| {
        topic(name, "c", json!({ "partitions": partitions, "deletionGracePeriod": short }))
    };
    match step {
        0 => {
            world.apply(&cluster("c", json!({ "image": "millrace-broker:1" }))).await;
            world.apply(&with("a", 1)).await;
            world.apply(&with("b", 2)).await;
        }
        1 => {
            let config = json!({ "log.retention.ms": 60_000, "num.partitions": 2 });
            world.patch("Cluster", "default", "c", &json!({ "spec": { "config": config } })).await;
        }
        2 => {
            world.apply(&with("a", 3)).await;
            world.apply(&with("d", 1)).await;
            world.delete("Topic", "default", "b").await;
        }
        3 => {
            let size = json!({ "spec": { "storage": { "size": "20Gi" } } });
            world.patch("Cluster", "default", "c", &size).await;
        }
        4 => {
            if world.object("Service", "default", "c-bootstrap").is_some() {
                world.delete("Service", "default", "c-bootstrap").await;
            }
            let image = json!({ "spec": { "image": "millrace-broker:2" } });
            world.patch("Cluster", "default", "c", &image).await;
        }
        5 => {
            let config = json!({ "spec": { "config": { "log.retention.ms": null } } });
            world.patch("Cluster", "default", "c", &config).await;
            world.apply(&with("e", 4)).await;
        }
        _ => return false,
    }
    true
}

fn is_done(world: &World) -> bool {
    let claim = world.object("PersistentVolumeClaim", "default", "data-c-0");
    world.are_ready("c", &["a", "d", "e"])
        && claim.is_some_and(|it| it["status"]["capacity"]["storage"] == "20Gi")
        && world.broker("c-0").is_some_and(|it| it.image().topic("b").is_none())
}

const ALLOWED: Allowed = Allowed { restarts: 3, volumes_go: false, topics: &["b"] };

fn harm(seed: u64, chance: &mut ChaCha8Rng) -> Harm {
    let mut some = |most: f64| most * chance.random::<f64>();
    let rates = Rates {
        error: some(0.1),
        unreachable: some(0.1),
        lost_answer: some(0.1),
        conflict: some(0.1),
        watch_drop: some(0.05),
        watch_repeat: some(0.2),
        watch_cut: some(0.1),
        watch_gone: some(0.1),
        delay_max: Duration::from_millis(300),
    };
    Harm { seed, rates, loss: some(0.1), ..Harm::default() }
}

fn options() -> Options {
    Options { relist: Duration::from_secs(120), ..Options::default() }
}

async fn calm() -> Value {
    let world = World::new(1).await;
    let operator = Operator::start(&world);
    let mut step = 0;
    while act(&world, step).await {
        sleep(Duration::from_secs(60)).await;
        step += 1;
    }
    world.until("done", is_done).await;
    world.settle().await;
    operator.stop().await;
    end_state(&world)
}

async fn stormy(seed: u64, expected: &Value) -> Vec<String> {
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let world = World::new(1).await;
    world.server.set_cache_lag(Duration::from_millis(chance.random_range(0..2_000)));
    let mut operator = Operator::start_with(&world, harm(seed, &mut chance), options());
    let mut step = 0;
    while act(&world, step).await {
        step += 1;
        for _ in 0..chance.random_range(1..4) {
            sleep(Duration::from_millis(chance.random_range(0..30_000))).await;
            if chance.random_bool(0.4) {
                operator.faults.crash();
                operator.has_ended().await;
                let harm = harm(seed + 1_000 * u64::from(chance.random::<u16>()), &mut chance);
                operator = Operator::start_with(&world, harm, options());
            }
        }
    }
    operator.heal();
    world.server.set_cache_lag(Duration::ZERO);
    world.until("done", is_done).await;
    world.settle().await;
    let revision = world.server.revision();
    sleep(Duration::from_secs(600)).await;
    let mut wrong = differences(expected, &end_state(&world));
    for change in world.server.changes_after(revision) {
        let (before, after) = (change.before.as_deref(), change.after.as_deref());
        let [before, after] = [before, after].map(|it| it.cloned().unwrap_or_default());
        let what = differences(&before, &after).join("\n");
        wrong.push(format!("changed after all: {}\n{what}", line(&change, world.origin)));
    }
    wrong.extend(forbidden(&world, 0, ALLOWED));
    wrong.extend(repeated_events(&world, 12));
    operator.stop().await;
    wrong
}

fn seeds() -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("MILLRACE_SEED") {
        Some(seed) => vec![seed],
        None => (1..=number("MILLRACE_SEEDS").unwrap_or(SEEDS)).collect(),
    }
}

#[test]
fn faults_change_the_way_and_not_the_end() {
    let expected = on_virtual_time(calm());
    let mut wrong = Vec::new();
    for seed in seeds() {
        let outcome = on_virtual_time(stormy(seed, &expected));
        wrong.extend(outcome.into_iter().map(|it| format!("seed {seed}: {it}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

//! Measures the operator: its binary as a process of its own, on an API server in memory that is
//! served over HTTP here, with production brokers on the loopback network in place of pods.
//!
//! `cargo xtask bench operator`; `--write` puts the table into `docs/benchmarks.md`, and `one`,
//! `1000`, `10000` or `many` take a part of it.

mod api;
mod machines;
mod process;
mod table;

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::api::Api;
use crate::process::Operator;
use crate::table::Table;

/// How often a short run is made; the median counts.
const ROUNDS: usize = 5;
/// How long an operator that has nothing to do is watched.
const IDLE: Duration = Duration::from_secs(60);
/// How long resources may stay as they are before an operator counts as idle.
const SETTLES: Duration = Duration::from_secs(10);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime").block_on(measure());
}

async fn measure() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_wanted = |name: &str| {
        let mut named = arguments.iter().filter(|it| !it.starts_with('-')).peekable();
        named.peek().is_none() || named.any(|it| it == name)
    };
    let mut table = Table::new("operator");
    if is_wanted("one") {
        ready(&mut table).await;
        one_topic(&mut table).await;
    }
    for count in [1_000, 10_000] {
        if is_wanted(&count.to_string()) {
            topics(&mut table, count).await;
        }
    }
    if is_wanted("many") {
        many_clusters(&mut table).await;
    }
    if arguments.iter().any(|it| it == "--write") {
        table.write();
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// A Cluster resource to Ready.
async fn ready(table: &mut Table) {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let api = Api::start().await;
        let _operator = Operator::start(&api).await;
        let begins = Instant::now();
        api.make_cluster("c").await;
        api.wait_for_clusters(1).await;
        times.push(begins.elapsed());
    }
    table.row("Cluster to Ready", &seconds(median(times)));
}

/// A Topic resource to usable, while nothing else happens.
async fn one_topic(table: &mut Table) {
    let api = Api::start().await;
    let operator = Operator::start(&api).await;
    api.make_cluster("c").await;
    api.wait_for_clusters(1).await;
    let mut times = Vec::new();
    for number in 0..20 {
        sleep(Duration::from_millis(500)).await;
        let begins = Instant::now();
        api.make_topics("c", number..number + 1).await;
        api.wait_for_topics(number + 1).await;
        times.push(begins.elapsed());
    }
    table.row("Topic to Ready", &seconds(median(times)));
    idle(table, &api, &operator, "1 cluster, 20 topics").await;
}

/// Many Topic resources to Ready, and what they cost an operator that starts anew.
async fn topics(table: &mut Table, count: usize) {
    let api = Api::start().await;
    let operator = Operator::start(&api).await;
    api.make_cluster("c").await;
    api.wait_for_clusters(1).await;
    let begins = Instant::now();
    api.make_topics("c", 0..count).await;
    let made = begins.elapsed();
    api.wait_for_topics(count).await;
    let what = format!("{count} Topics to Ready, from the first that is made");
    let how = format!("{} (made in {})", seconds(begins.elapsed()), seconds(made));
    table.row(&what, &how);
    drop(operator);
    let begins = Instant::now();
    let operator = Operator::start(&api).await;
    operator.wait_until_known(1, count).await;
    table.row(&format!("start of an operator to {count} Topics known"), &seconds(begins.elapsed()));
    idle(table, &api, &operator, &format!("1 cluster, {count} topics")).await;
}

/// 100 clusters with 100 topics each.
async fn many_clusters(table: &mut Table) {
    let api = Api::start().await;
    let operator = Operator::start(&api).await;
    let begins = Instant::now();
    for number in 0..100 {
        api.make_cluster(&format!("c{number}")).await;
    }
    api.wait_for_clusters(100).await;
    table.row("100 Clusters to Ready", &seconds(begins.elapsed()));
    for number in 0..100 {
        api.make_topics(&format!("c{number}"), number * 100..number * 100 + 100).await;
    }
    api.wait_for_topics(10_000).await;
    table.row("100 Clusters and 10000 Topics to Ready", &seconds(begins.elapsed()));
    idle(table, &api, &operator, "100 clusters, 10000 topics").await;
}

/// Memory, processor time and writes of an operator that has nothing to do.
async fn idle(table: &mut Table, api: &Api, operator: &Operator, what: &str) {
    let mut revision = 0;
    while revision != api.server.revision() {
        revision = api.server.revision();
        sleep(SETTLES).await;
    }
    let (writes, before) = (api.writes(), operator.processor());
    sleep(IDLE).await;
    let spent = operator.processor().saturating_sub(before);
    let (now, most) = operator.memory();
    table.row(&format!("resident memory, {what}"), &format!("{now:.1} MiB ({most:.1} at most)"));
    let spent = format!("{:.2} s a minute", spent.as_secs_f64());
    table.row(&format!("processor time, idle, {what}"), &spent);
    let writes = api.writes() - writes;
    table.row(&format!("writes in a minute, idle, {what}"), &writes.to_string());
}

//! Consumer groups of every foreign client: one owner for each partition, whatever members do.

use std::thread;

use anyhow::{Result, ensure};
use millrace_e2e::broker::Broker;
use millrace_e2e::client::Client;
use millrace_e2e::matrix::{self, Outcomes};
use millrace_e2e::scenario;

/// How many scenarios of a client play at the same time, each with up to six processes.
const AT_ONCE: usize = 4;

fn check(client: Client) -> Result<()> {
    if !client.toolchain().is_here_for(&format!("groups of {}", client.name())) {
        return Ok(());
    }
    let broker = Broker::start_with(&[("num.partitions", &scenario::PARTITIONS.to_string())])?;
    let bootstrap = broker.bootstrap();
    let place = scenario::Place { bootstrap: &bootstrap, suffix: "" };
    let asked: Vec<_> = scenario::ALL.iter().filter(|(feature, _)| client.has(feature)).collect();
    let mut outcomes = Outcomes::new();
    // Side by side: each has its own topic and group, and all mostly wait for sessions to end.
    for some in asked.chunks(AT_ONCE) {
        thread::scope(|scope| {
            let running: Vec<_> = some
                .iter()
                .map(|(feature, scenario)| (feature, scope.spawn(|| scenario(client, place))))
                .collect();
            for (feature, thread) in running {
                let outcome = match thread.join() {
                    Ok(outcome) => outcome.map_err(|error| format!("{error:#}")),
                    Err(_) => Err("panicked".to_owned()),
                };
                outcomes.insert((*feature).to_owned(), outcome);
            }
        });
    }
    matrix::note(client, "groups", &outcomes)?;
    let failed: Vec<_> = outcomes.iter().filter(|(_, outcome)| outcome.is_err()).collect();
    ensure!(failed.is_empty(), "{}: {failed:#?}", client.name());
    Ok(())
}

#[test]
fn groups_of_confluent_kafka() -> Result<()> {
    check(Client::ConfluentKafka)
}

#[test]
fn groups_of_java() -> Result<()> {
    check(Client::Java)
}

#[test]
fn groups_of_franz_go() -> Result<()> {
    check(Client::FranzGo)
}

#[test]
fn groups_of_kafkajs() -> Result<()> {
    check(Client::Kafkajs)
}

#[test]
fn groups_of_aiokafka() -> Result<()> {
    check(Client::Aiokafka)
}

#[test]
fn groups_of_kafka_python() -> Result<()> {
    check(Client::KafkaPython)
}

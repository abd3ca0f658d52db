//! Consumer groups of every foreign client: one owner for each partition, whatever members do.

use std::thread;

use anyhow::{Result, ensure};
use millrace_e2e::broker::Broker;
use millrace_e2e::client::Client;
use millrace_e2e::matrix::{self, Outcomes};
use millrace_e2e::scenario;

fn check(client: Client) -> Result<()> {
    if !client.toolchain().is_here_for(&format!("groups of {}", client.name())) {
        return Ok(());
    }
    let broker = Broker::start_with(&[("num.partitions", &scenario::PARTITIONS.to_string())])?;
    let bootstrap = broker.bootstrap();
    let place = scenario::Place { bootstrap: &bootstrap, suffix: "" };
    let asked = scenario::ALL.iter().filter(|(feature, _)| client.has(feature));
    // Side by side: each has its own topic and group, and all mostly wait for sessions to end.
    let outcomes: Outcomes = thread::scope(|scope| {
        let running: Vec<_> = asked
            .map(|(feature, scenario)| (feature, scope.spawn(|| scenario(client, place))))
            .collect();
        running
            .into_iter()
            .map(|(feature, thread)| {
                let outcome = match thread.join() {
                    Ok(outcome) => outcome.map_err(|error| format!("{error:#}")),
                    Err(_) => Err("panicked".to_owned()),
                };
                ((*feature).to_owned(), outcome)
            })
            .collect()
    });
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

//! Every foreign client against one broker: what its own program checks, feature by feature.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use millrace_e2e::broker::Broker;
use millrace_e2e::client::Client;
use millrace_e2e::program::Program;
use millrace_e2e::{matrix, stored};

/// How long a client may take for all of its features.
const SUITE_MAX: Duration = Duration::from_secs(300);

fn check(client: Client) -> Result<()> {
    if !client.toolchain().is_here_for(&format!("features of {}", client.name())) {
        return Ok(());
    }
    let broker = Broker::start()?;
    let features: Vec<_> =
        client.suite().into_iter().filter(|feature| *feature != "reads-others").collect();
    let mut outcomes = run(client, &broker, &features)?;
    for (at, codec) in ["none", "gzip", "snappy", "lz4", "zstd"].iter().enumerate() {
        let feature = format!("codec-{codec}");
        if outcomes.get(&feature).is_some_and(Result::is_ok)
            && let Err(error) = stored_with(client, &broker, codec, at)
        {
            outcomes.insert(feature, Err(format!("{error:#}")));
        }
    }
    matrix::note(client, "suite", &outcomes)?;
    fail_if_any(client, &outcomes)
}

fn run(client: Client, broker: &Broker, features: &[&str]) -> Result<matrix::Outcomes> {
    let mut command = client.suite_command()?;
    command.arg(broker.bootstrap()).args(features);
    let lines = Program::start(client.name(), &mut command)?.hear_all(SUITE_MAX)?;
    matrix::parse(&lines, features)
}

fn fail_if_any(client: Client, outcomes: &matrix::Outcomes) -> Result<()> {
    let failed: Vec<_> = outcomes.iter().filter(|(_, outcome)| outcome.is_err()).collect();
    ensure!(failed.is_empty(), "{}: {failed:#?}", client.name());
    Ok(())
}

/// A client that quietly does not compress would pass its own checks: look at the files.
fn stored_with(client: Client, broker: &Broker, codec: &str, number: usize) -> Result<()> {
    let topic = format!("{}-codec-{codec}", client.name());
    let path = stored::last_segment(broker.log_dir(), &topic, 0)?;
    let batches = stored::batches(&path)?;
    let records: i32 = batches.iter().map(|batch| batch.records).sum();
    ensure!(records == 300, "{topic} holds {records} records in {} batches", batches.len());
    // A batch that compression would not make smaller may stay as it is: one of few records, of which
    // a client sends some when it has to wait.
    let is_compressed = |batch: &&stored::StoredBatch| usize::from(batch.codec) == number;
    let compressed: i32 = batches.iter().filter(is_compressed).map(|batch| batch.records).sum();
    if compressed * 2 <= records {
        bail!("{topic}: only {compressed} of {records} records are stored with codec {number}");
    }
    Ok(())
}

#[test]
fn features_of_confluent_kafka() -> Result<()> {
    check(Client::ConfluentKafka)
}

#[test]
fn features_of_java() -> Result<()> {
    check(Client::Java)
}

#[test]
fn features_of_franz_go() -> Result<()> {
    check(Client::FranzGo)
}

#[test]
fn features_of_kafkajs() -> Result<()> {
    check(Client::Kafkajs)
}

#[test]
fn features_of_aiokafka() -> Result<()> {
    check(Client::Aiokafka)
}

#[test]
fn features_of_kafka_python() -> Result<()> {
    check(Client::KafkaPython)
}

#[test]
fn each_client_reads_what_every_other_one_wrote() -> Result<()> {
    let here = |client: &Client| client.toolchain().probe().is_ok();
    let clients: Vec<Client> = Client::ALL.into_iter().filter(here).collect();
    let broker = Broker::start()?;
    for client in &clients {
        let codecs: Vec<_> =
            client.suite().into_iter().filter(|name| name.starts_with("codec-")).collect();
        fail_if_any(*client, &run(*client, &broker, &codecs)?)?;
    }
    let mut failed = Vec::new();
    for client in &clients {
        let outcomes = run(*client, &broker, &["reads-others"])?;
        matrix::note(*client, "others", &outcomes)?;
        failed.extend(fail_if_any(*client, &outcomes).err());
    }
    ensure!(failed.is_empty(), "{failed:#?}");
    Ok(())
}

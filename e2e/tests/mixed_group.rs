//! Clients of different languages share one group: whoever leads it, each partition has one owner.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use millrace_e2e::broker::Broker;
use millrace_e2e::client::Client;
use millrace_e2e::group::{Feeder, Member, settle, wait_until};
use millrace_peers::toolchain::leave_out;

const TOPIC: &str = "mixed";

#[test]
fn clients_of_different_languages_share_one_group() -> Result<()> {
    // kafkajs has a protocol of its own and cannot be in a group with others.
    let clients = [Client::ConfluentKafka, Client::Java, Client::FranzGo, Client::KafkaPython];
    if let Some(missing) = clients.iter().find(|client| client.toolchain().probe().is_err()) {
        leave_out("mixed group", &format!("{} cannot run", missing.name()));
        return Ok(());
    }
    let broker = Broker::start_with(&[("num.partitions", "4")])?;
    let bootstrap = broker.bootstrap();
    let mut feeder = Feeder::start(Client::ConfluentKafka, &bootstrap, TOPIC, &[])?;
    feeder.send(0, "value-0")?;
    feeder.settle(Duration::from_secs(20))?;
    // Each of them leads once: the first member of an empty group is its leader.
    for leader in 0..clients.len() {
        let group = format!("mixed-{leader}");
        let mut members = Vec::new();
        for at in 0..clients.len() {
            let client = clients[(leader + at) % clients.len()];
            let name = format!("name={}", client.name());
            members.push(Member::join(client, &bootstrap, &group, TOPIC, &[&name])?);
            if at == 0 {
                settle(&mut [&mut members[0]], 4, &[4])?;
            }
        }
        let mut all: Vec<&mut Member> = members.iter_mut().collect();
        settle(&mut all, 4, &[1, 1, 1, 1])?;
        for number in 0..40 {
            feeder.send(number % 4, &format!("value-{leader}-{number}"))?;
        }
        feeder.settle(Duration::from_secs(20))?;
        let acked: BTreeSet<_> = feeder.acked.iter().cloned().collect();
        wait_until("all records seen", &mut all, |members| {
            let seen: BTreeSet<_> =
                members.iter().flat_map(|member| member.records.iter().cloned()).collect();
            seen == acked
        })?;
        // The leader goes: one of the others, of another language, takes over.
        all[0].leave()?;
        settle(&mut all[1..], 4, &[2, 1, 1])?;
        for member in &all {
            ensure!(member.commit_failures.is_empty(), "{}: {:?}", member.name, member.errors);
        }
    }
    Ok(())
}

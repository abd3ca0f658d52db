//! Killed at any moment under load and started again, a broker has lost nothing that it had
//! acknowledged, doubled nothing, kept the order, and knows how far each group had come.

use std::time::Duration;

use anyhow::Result;
use millrace_e2e::broker::{Broker, Target};
use millrace_e2e::load::{Chance, Load, PARTITIONS, producers};
use millrace_peers::toolchain::Toolchain;

#[test]
fn a_killed_broker_has_lost_nothing_that_it_acknowledged() -> Result<()> {
    if !Toolchain::Python.is_here_for("kill -9 under load") {
        return Ok(());
    }
    let mut broker = Broker::start_with(&[("num.partitions", &PARTITIONS.to_string())])?;
    let mut chance = Chance::new();
    let mut load = Load::start(&broker.bootstrap(), &producers(), 10, 200)?;
    load.consume()?;
    // Apache Kafka takes seconds to come back.
    let kills = if broker.target() == Target::Kafka { 3 } else { 12 };
    for _ in 0..kills {
        load.run(Duration::from_millis(chance.between(20, 2500)))?;
        broker.kill()?;
        load.run(Duration::from_millis(chance.between(1, 400)))?;
        broker.restart()?;
    }
    load.run(Duration::from_secs(1))?;
    load.check()?;
    load.check_group()
}

#[test]
fn a_broker_told_to_stop_loses_nothing_either_and_marks_its_disk_clean() -> Result<()> {
    if !Toolchain::Python.is_here_for("SIGTERM under load") {
        return Ok(());
    }
    let mut broker = Broker::start_with(&[("num.partitions", &PARTITIONS.to_string())])?;
    let mut load = Load::start(&broker.bootstrap(), &producers(), 10, 200)?;
    load.consume()?;
    for _ in 0..3 {
        load.run(Duration::from_secs(1))?;
        broker.stop()?;
        let mark = broker.log_dir().join(".kafka_cleanshutdown");
        anyhow::ensure!(mark.exists(), "no {}", mark.display());
        broker.restart()?;
    }
    load.run(Duration::from_secs(1))?;
    load.check()?;
    load.check_group()
}

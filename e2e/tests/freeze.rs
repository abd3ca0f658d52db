//! A broker that stands still for longer than its clients wait has lost and doubled nothing when it
//! goes on: requests that were given up and sent again count once.

use std::thread;
use std::time::Duration;

use anyhow::Result;
use millrace_e2e::broker::Broker;
use millrace_e2e::load::{Chance, Load, PARTITIONS, producers};
use millrace_peers::toolchain::Toolchain;
use rustix::process::Signal;

#[test]
fn a_broker_that_stood_still_has_lost_and_doubled_nothing() -> Result<()> {
    if !Toolchain::Python.is_here_for("SIGSTOP under load") {
        return Ok(());
    }
    let broker = Broker::start_with(&[("num.partitions", &PARTITIONS.to_string())])?;
    let mut chance = Chance::new();
    let mut load = Load::start(&broker.bootstrap(), &producers(), 10, 200)?;
    load.consume()?;
    // The feeders' requests time out after 3 s.
    for still_ms in [200, 4500, 10, 1500, 5000] {
        load.run(Duration::from_millis(chance.between(100, 1000)))?;
        broker.signal(Signal::STOP)?;
        thread::sleep(Duration::from_millis(still_ms));
        broker.signal(Signal::CONT)?;
    }
    load.run(Duration::from_secs(1))?;
    load.check()?;
    load.check_group()
}

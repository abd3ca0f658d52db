//! A full disk stops writing, not reading: what was acknowledged stays readable, the process lives,
//! and once there is room again everything goes on with nothing lost or doubled.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use millrace_e2e::broker::{Broker, Target};
use millrace_e2e::client::Client;
use millrace_e2e::disk::SmallDisk;
use millrace_e2e::dump::Dump;
use millrace_e2e::load::{Load, PARTITIONS};
use millrace_peers::toolchain::{Toolchain, leave_out};

/// The size of the disk; Apache Kafka needs a part of it before it starts.
const DISK_MIB: u64 = 96;
/// What is taken away, to be given back later.
const BALLAST_MIB: usize = 32;
/// How long no acknowledgement may come until the disk counts as full.
const QUIET: Duration = Duration::from_secs(3);

#[test]
fn a_full_disk_stops_writing_only() -> Result<()> {
    if !Toolchain::Python.is_here_for("full disk") {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let mount = dir.path().join("disk");
    std::fs::create_dir(&mount)?;
    let disk = match SmallDisk::mount(&mount, DISK_MIB) {
        Ok(disk) => disk,
        Err(reason) => {
            leave_out("full disk", &reason);
            return Ok(());
        }
    };
    let ballast = disk.ballast(BALLAST_MIB)?;
    let partitions = PARTITIONS.to_string();
    let properties = [("num.partitions", partitions.as_str())];
    let mut broker = Broker::prepare(dir.path(), &mount.join("data"), &properties)?;
    broker.restart()?;

    let bootstrap = broker.bootstrap();
    let mut load = Load::start(&bootstrap, &[Client::ConfluentKafka], 10, 10_000)?;
    fill(&mut load)?;
    let before: Vec<_> = load.streams[0].feeder.acked.clone();
    ensure!(before.len() > 500, "only {} records fitted", before.len());

    if broker.target() == Target::Millrace {
        ensure!(broker.ended()?.is_none(), "the broker ended: {}", broker.output_tail());
        let dump = Dump::read(&bootstrap, &load.streams[0].topic, PARTITIONS)?;
        dump.check(&before)?;
        std::fs::remove_file(&ballast)?;
    } else {
        // Apache Kafka halts when its only log directory fails.
        std::fs::remove_file(&ballast)?;
        broker.kill()?;
        broker.restart()?;
    }
    load.run(Duration::from_millis(500))?;
    load.check()?;
    ensure!(load.streams[0].feeder.acked.len() > before.len(), "nothing more was acknowledged");

    // The same holds for what a crash on the full disk leaves behind.
    let ballast = disk.ballast(BALLAST_MIB / 2)?;
    fill(&mut load)?;
    broker.kill()?;
    std::fs::remove_file(&ballast)?;
    broker.restart()?;
    load.check()
}

/// Produces until the disk is full: until nothing is acknowledged for a while.
fn fill(load: &mut Load) -> Result<()> {
    let start = Instant::now();
    let (mut count, mut since) = (load.streams[0].feeder.acked.len(), Instant::now());
    while since.elapsed() < QUIET {
        ensure!(start.elapsed() < Duration::from_secs(120), "the disk does not get full");
        let feeder = &load.streams[0].feeder;
        if feeder.sent - feeder.acked.len() < 300 {
            load.run(Duration::from_millis(20))?;
        } else {
            load.streams[0].feeder.pump(Duration::from_millis(50))?;
        }
        let now = load.streams[0].feeder.acked.len();
        if now > count {
            (count, since) = (now, Instant::now());
        }
    }
    Ok(())
}

//! Starting, restarting, memory, and what partitions cost.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use millrace_wire::messages::create_topics;
use millrace_wire::record::Codec;

use crate::figures::{cpu_seconds, resident_mib};
use crate::peer::{Load, Peer, check_produced};
use crate::produce::fill;
use crate::server::{Maker, Server};

/// The load of a single record.
const ONE_RECORD: Load = Load { value_bytes: 100, batch_bytes: 1, codec: Codec::None, acks: -1 };

/// Seconds from starting the process on an empty folder to the first acknowledged record.
pub fn first_record(maker: Maker, dir: &Path) -> Result<f64> {
    let start = Instant::now();
    let server = Server::start(maker, dir)?;
    let mut peer = Peer::connect(&server.address())?;
    peer.create_topic("first", 1)?;
    write_one(&mut peer, "first")?;
    Ok(start.elapsed().as_secs_f64())
}

/// Partitions that are written to before the kill.
const KILLED_PARTITIONS: i32 = 5;

/// Bytes of values in each of them: less than a segment, so that no roll has flushed any of it.
const KILLED_PARTITION_BYTES: u64 = 1_000_000_000;

/// Seconds from starting the process after kill -9 with 5 GB of log to the next acknowledged
/// record.
pub fn after_kill(maker: Maker, dir: &Path) -> Result<f64> {
    let load = Load { value_bytes: 1024, batch_bytes: 900_000, codec: Codec::None, acks: -1 };
    let server = Server::start(maker, dir)?;
    Peer::connect(&server.address())?.create_topic("big", KILLED_PARTITIONS)?;
    for partition in 0..KILLED_PARTITIONS {
        fill(&server, "big", partition, load, KILLED_PARTITION_BYTES)?;
    }
    server.kill()?;
    let start = Instant::now();
    let server = Server::start(maker, dir)?;
    // The port may be open before the partition is.
    while start.elapsed() < Duration::from_secs(120) {
        let mut peer = Peer::connect(&server.address())?;
        if write_one(&mut peer, "big").is_ok() {
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(start.elapsed().as_secs_f64())
}

fn write_one(peer: &mut Peer, topic: &str) -> Result<()> {
    peer.stream.write_all(&ONE_RECORD.request(topic, 0)?)?;
    check_produced(&peer.answer()?)
}

/// What partitions cost.
#[derive(Clone, Copy, Debug)]
pub struct Partitions {
    /// Memory before, in MiB.
    pub idle_mib: f64,
    /// Seconds to make them, one topic a request in batches of 100.
    pub create_s: f64,
    /// Memory after, in MiB.
    pub resident_mib: f64,
    /// Processor seconds a minute while nothing happens.
    pub idle_cpu_s_per_min: f64,
}

/// Makes so many topics of one partition on a new broker.
pub fn partitions(maker: Maker, dir: &Path, count: usize) -> Result<Partitions> {
    let server = Server::start(maker, dir)?;
    std::thread::sleep(Duration::from_secs(2));
    let idle_mib = resident_mib(server.id())?;
    let mut peer = Peer::connect(&server.address())?;
    let start = Instant::now();
    let names: Vec<String> = (0..count).map(|number| format!("idle-{number}")).collect();
    for names in names.chunks(100) {
        let topic = |name: &String| create_topics::RequestTopic {
            name: name.clone().into(),
            num_partitions: 1,
            replication_factor: 1,
            ..Default::default()
        };
        peer.create_topics(names.iter().map(topic).collect())?;
    }
    if let Some(last) = names.last() {
        peer.wait_until_led(last, 1)?;
    }
    let create_s = start.elapsed().as_secs_f64();
    std::thread::sleep(Duration::from_secs(3));
    let cpu_before = cpu_seconds(server.id())?;
    std::thread::sleep(Duration::from_secs(10));
    let idle_cpu_s_per_min = (cpu_seconds(server.id())? - cpu_before) * 6.0;
    let resident_mib = resident_mib(server.id())?;
    Ok(Partitions { idle_mib, create_s, resident_mib, idle_cpu_s_per_min })
}

//! Throughput of produce: full batches, five requests in flight on each connection.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::figures::cpu_seconds;
use crate::peer::{Load, Peer, check_produced};
use crate::server::Server;

/// Requests that a connection sends ahead of their answers, as Kafka's own producer does.
const IN_FLIGHT_MAX: usize = 5;

/// Bytes of batches after which a run ends: less than what makes the disk write back.
const RUN_BYTES_MAX: u64 = 1 << 30;

/// How long before what is measured.
const WARM_UP: Duration = Duration::from_millis(300);

/// How long a run takes at most.
const RUN_MAX: Duration = Duration::from_secs(2);

/// How long a broker takes at most to remove the files of a topic that is gone.
pub const DELETION_WAIT: Duration = Duration::from_millis(1_500);

/// One run's result.
#[derive(Clone, Copy, Debug)]
pub struct Throughput {
    /// Megabytes (10^6) of values a second.
    pub mb_per_s: f64,
    /// Processor seconds of the broker per gigabyte (10^9) of values.
    pub cpu_s_per_gb: f64,
}

impl Throughput {
    /// From what was counted.
    pub fn of(bytes: u64, elapsed: Duration, cpu_s: f64) -> Throughput {
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let bytes = bytes as f64;
        Throughput {
            mb_per_s: bytes / 1e6 / elapsed.as_secs_f64(),
            cpu_s_per_gb: cpu_s / (bytes / 1e9),
        }
    }
}

/// Produces with so many connections to a topic of its own and deletes it again.
pub fn run(server: &Server, load: Load, producers: usize) -> Result<Throughput> {
    let topic = format!(
        "produce-{}-{producers}-{}-{}",
        load.value_bytes,
        load.acks,
        load.codec.compression().name()
    );
    let partitions = 6;
    let mut admin = Peer::connect(&server.address())?;
    admin.create_topic(&topic, partitions)?;
    let acked = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let value_bytes = load.batch_value_bytes() as u64;
    let bytes_max = RUN_BYTES_MAX * value_bytes / load.batch()?.len() as u64;
    let throughput = thread::scope(|scope| {
        let mut workers = Vec::new();
        for number in 0..producers {
            // One producer takes turns with all partitions, or the segment of the only one would be
            // rolled and flushed within the run.
            let first = i32::try_from(number)? % partitions;
            let requests: Vec<Vec<u8>> = (first..partitions)
                .step_by(producers)
                .map(|partition| load.request(&topic, partition))
                .collect::<Result<_>>()?;
            let peer = Peer::connect(&server.address())?;
            let (acked, stop) = (&acked, &stop);
            workers.push(scope.spawn(move || pump(peer, &requests, value_bytes, acked, stop)));
        }
        thread::sleep(WARM_UP);
        let (before, cpu_before, start) =
            (acked.load(Ordering::Relaxed), cpu_seconds(server.id())?, Instant::now());
        let run_bytes = || acked.load(Ordering::Relaxed) - before;
        while start.elapsed() < RUN_MAX && run_bytes() < bytes_max {
            thread::sleep(Duration::from_millis(10));
        }
        let bytes = run_bytes();
        let throughput =
            Throughput::of(bytes, start.elapsed(), cpu_seconds(server.id())? - cpu_before);
        stop.store(true, Ordering::Relaxed);
        for worker in workers {
            worker.join().map_err(|_| anyhow!("a producer panicked"))??;
        }
        Ok::<_, anyhow::Error>(throughput)
    })?;
    admin.delete_topic(&topic)?;
    // Its files go a little later, at the cost of the broker.
    thread::sleep(DELETION_WAIT);
    Ok(throughput)
}

fn pump(
    mut peer: Peer,
    requests: &[Vec<u8>],
    bytes: u64,
    acked: &AtomicU64,
    stop: &AtomicBool,
) -> Result<()> {
    let mut requests = requests.iter().cycle();
    let mut open = 0;
    loop {
        let is_stopping = stop.load(Ordering::Relaxed);
        if is_stopping && open == 0 {
            return Ok(());
        }
        if !is_stopping
            && open < IN_FLIGHT_MAX
            && let Some(request) = requests.next()
        {
            peer.stream.write_all(request)?;
            open += 1;
            continue;
        }
        check_produced(&peer.answer()?)?;
        open -= 1;
        acked.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Writes so many bytes of values to one partition, for others to read.
pub fn fill(server: &Server, topic: &str, partition: i32, load: Load, bytes: u64) -> Result<u64> {
    let mut peer = Peer::connect(&server.address())?;
    let request = load.request(topic, partition)?;
    let batch_bytes = load.batch_value_bytes() as u64;
    let batches = bytes.div_ceil(batch_bytes);
    let mut open = 0;
    for _ in 0..batches {
        peer.stream.write_all(&request)?;
        open += 1;
        if open == IN_FLIGHT_MAX {
            check_produced(&peer.answer()?)?;
            open -= 1;
        }
    }
    for _ in 0..open {
        check_produced(&peer.answer()?)?;
    }
    Ok(batches)
}

//! Throughput of fetch from the page cache: whole partitions, read from their start again and again.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use rustix::net::{RecvFlags, recv};

use crate::figures::cpu_seconds;
use crate::peer::{Load, Peer, accept, fetch_frame};
use crate::produce::{DELETION_WAIT, Throughput, fill};
use crate::server::Server;

/// Bytes of values in each partition.
const PARTITION_BYTES: u64 = 256 << 20;

/// How long a run takes.
const RUN: Duration = Duration::from_secs(3);

/// Where the fields of a Fetch answer of version 11 stand behind the topic's name.
const CODE_AT: usize = 4 + 4;
const RECORDS_LENGTH_AT: usize = CODE_AT + 2 + 8 + 8 + 8 + 4 + 4;

/// A topic with a full partition for each fetcher.
pub struct Filled {
    topic: String,
    fetchers: usize,
    batch_bytes: u64,
    records: u64,
    batches: u64,
}

/// Makes and fills the topic.
pub fn prepare(server: &Server, load: Load, fetchers: usize) -> Result<Filled> {
    let topic = format!("fetch-{}-{fetchers}", load.value_bytes);
    let partitions = i32::try_from(fetchers)?;
    Peer::connect(&server.address())?.create_topic(&topic, partitions)?;
    let mut batches = 0;
    for partition in 0..partitions {
        batches = fill(server, &topic, partition, load, PARTITION_BYTES)?;
    }
    let batch_bytes = load.batch()?.len() as u64;
    Ok(Filled { topic, fetchers, batch_bytes, records: load.records() as u64, batches })
}

/// Removes the topic: the next one needs the memory that its files are in.
pub fn clear(server: &Server, filled: &Filled) -> Result<()> {
    Peer::connect(&server.address())?.delete_topic(&filled.topic)?;
    thread::sleep(DELETION_WAIT);
    Ok(())
}

/// Reads with one connection for each partition; counts bytes of batches.
pub fn run(server: &Server, filled: &Filled) -> Result<Throughput> {
    let read = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let mut workers = Vec::new();
        for partition in 0..i32::try_from(filled.fetchers)? {
            let peer = Peer::connect(&server.address())?;
            let (read, stop) = (&read, &stop);
            workers.push(scope.spawn(move || pump(peer, filled, partition, read, stop)));
        }
        thread::sleep(Duration::from_millis(500));
        let (before, cpu_before, start) =
            (read.load(Ordering::Relaxed), cpu_seconds(server.id())?, Instant::now());
        thread::sleep(RUN);
        let bytes = read.load(Ordering::Relaxed) - before;
        let throughput =
            Throughput::of(bytes, start.elapsed(), cpu_seconds(server.id())? - cpu_before);
        stop.store(true, Ordering::Relaxed);
        for worker in workers {
            worker.join().map_err(|_| anyhow!("a fetcher panicked"))??;
        }
        Ok(throughput)
    })
}

fn pump(
    mut peer: Peer,
    filled: &Filled,
    partition: i32,
    read: &AtomicU64,
    stop: &AtomicBool,
) -> Result<()> {
    let mut batch = 0;
    while !stop.load(Ordering::Relaxed) {
        let offset = i64::try_from(batch * filled.records)?;
        peer.stream.write_all(&fetch_frame(&filled.topic, partition, offset)?)?;
        let bytes = skim(&mut peer, filled.topic.len())?;
        read.fetch_add(bytes, Ordering::Relaxed);
        let batches = bytes / filled.batch_bytes;
        if batches == 0 {
            bail!(
                "{bytes} bytes from offset {offset}, less than a batch of {}",
                filled.batch_bytes
            );
        }
        batch = if batch + batches >= filled.batches { 0 } else { batch + batches };
    }
    Ok(())
}

/// Reads an answer and throws its records away without copying them; tells how many bytes they had.
pub fn skim(peer: &mut Peer, topic_bytes: usize) -> Result<u64> {
    // Length, correlation id, throttle time, error, session, topic count, topic, partition count.
    let before = 4 + 4 + 4 + 2 + 4 + 4 + 2 + topic_bytes;
    let mut head = vec![0; before + RECORDS_LENGTH_AT + 4];
    peer.stream.read_exact(&mut head)?;
    let field = |at: usize| -> Result<[u8; 4]> {
        head.get(at..).and_then(|rest| rest.first_chunk::<4>()).copied().context("short answer")
    };
    let code = field(before + CODE_AT)?;
    accept(millrace_wire::ApiKey::Fetch, i16::from_be_bytes([code[0], code[1]]))?;
    let frame_bytes = u64::from(u32::from_be_bytes(field(0)?)) + 4;
    let records_bytes = u64::from(u32::from_be_bytes(field(before + RECORDS_LENGTH_AT)?));
    skip(peer, usize::try_from(frame_bytes)? - head.len())?;
    Ok(records_bytes)
}

/// Lets the kernel drop received bytes.
pub fn skip(peer: &mut Peer, mut bytes: usize) -> Result<()> {
    let mut nowhere = vec![std::mem::MaybeUninit::<u8>::uninit(); 1 << 20];
    while bytes > 0 {
        let length = nowhere.len().min(bytes);
        let part = nowhere.get_mut(..length).unwrap_or_default();
        let (_, dropped) = recv(&peer.stream, part, RecvFlags::TRUNC)?;
        if dropped == 0 {
            bail!("the broker closed the connection in the middle of an answer");
        }
        bytes -= dropped.min(bytes);
    }
    Ok(())
}

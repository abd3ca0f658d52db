//! Latency at a fixed rate: from sending to the acknowledgement, and to the consumer.
//!
//! The load is open: records go out when they are due, whether or not the broker keeps up, and each
//! is timed from the moment it was due, so that a stall counts for all that it delays.

use std::io::Write;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use hdrhistogram::Histogram;
use millrace_types::{Offset, TimestampMs};
use millrace_wire::record::{BatchBuilder, Batches, NewRecord};

use crate::peer::{Peer, check_produced, fetch_frame, now_ms, produce_frame};
use crate::server::Server;

/// Bytes of each record's value.
const VALUE_BYTES: usize = 1024;

/// How long before what is measured, and how long that takes.
const WARM_UP: Duration = Duration::from_secs(2);
const RUN: Duration = Duration::from_secs(8);

/// Percentiles in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Latency {
    /// Half of the records.
    pub p50: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1,000.
    pub p999: f64,
}

impl Latency {
    fn of(histogram: &Histogram<u64>) -> Latency {
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
        Latency { p50: at(0.5), p99: at(0.99), p999: at(0.999) }
    }
}

/// What one run shows: produce with `acks=all`, and end to end.
#[derive(Clone, Copy, Debug)]
pub struct Latencies {
    /// To the acknowledgement.
    pub ack: Latency,
    /// To the consumer.
    pub end_to_end: Latency,
}

/// Sends `rate` records a second, in one request each millisecond at most.
pub fn run(server: &Server, rate: u64) -> Result<Latencies> {
    let topic = format!("latency-{rate}-{}", now_ms());
    let mut admin = Peer::connect(&server.address())?;
    admin.create_topic(&topic, 1)?;
    let requests_per_s = rate.min(1_000);
    let records = usize::try_from(rate / requests_per_s)?;
    let interval = Duration::from_secs(1) / u32::try_from(requests_per_s)?;
    let start = Instant::now() + Duration::from_millis(50);
    let producer = Peer::connect(&server.address())?;
    let consumer = Peer::connect(&server.address())?;
    let latencies = thread::scope(|scope| {
        let consumed = scope.spawn(|| consume(consumer, &topic, start));
        let acked = produce(producer, &topic, start, interval, records);
        let consumed = consumed.join().map_err(|_| anyhow!("the consumer panicked"))?;
        Ok::<_, anyhow::Error>(Latencies { ack: acked?, end_to_end: consumed? })
    })?;
    admin.delete_topic(&topic)?;
    Ok(latencies)
}

fn produce(
    mut peer: Peer,
    topic: &str,
    start: Instant,
    interval: Duration,
    records: usize,
) -> Result<Latency> {
    let mut answers = Peer { stream: peer.stream.try_clone()? };
    let (sent, due) = mpsc::channel::<Instant>();
    thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let mut histogram = Histogram::<u64>::new(3)?;
            for due in due {
                check_produced(&answers.answer()?)?;
                note(&mut histogram, start, due)?;
            }
            Ok::<_, anyhow::Error>(Latency::of(&histogram))
        });
        let mut due = start;
        while due < start + WARM_UP + RUN {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let request = produce_frame(topic, 0, -1, &batch(micros(due - start)?, records)?)?;
            peer.stream.write_all(&request)?;
            sent.send(due).context("nobody reads the answers")?;
            due += interval;
        }
        let request = produce_frame(topic, 0, -1, &batch(END, 1)?)?;
        peer.stream.write_all(&request)?;
        drop(sent);
        reader.join().map_err(|_| anyhow!("the reader of answers panicked"))?
    })
}

/// Tells the consumer in place of the microseconds that nothing follows.
const END: u64 = u64::MAX;

fn micros(duration: Duration) -> Result<u64> {
    Ok(u64::try_from(duration.as_micros())?)
}

/// Each value starts with the microseconds after the run's start at which it was due.
fn batch(micros: u64, records: usize) -> Result<Vec<u8>> {
    let mut value = vec![0x5a; VALUE_BYTES];
    value.splice(..8, micros.to_be_bytes());
    let mut builder = BatchBuilder::new(Offset::ZERO);
    for _ in 0..records {
        let timestamp = Some(TimestampMs::new(now_ms()));
        builder.push(&NewRecord { timestamp, value: Some(&value), ..Default::default() })?;
    }
    Ok(builder.build()?)
}

fn consume(mut peer: Peer, topic: &str, start: Instant) -> Result<Latency> {
    let mut histogram = Histogram::<u64>::new(3)?;
    let mut offset = 0;
    loop {
        peer.stream.write_all(&fetch_frame(topic, 0, offset)?)?;
        let answer = peer.answer()?;
        // Everything but the records has a fixed width in this version; see `fetch`.
        let records_at = 4 + 4 + 2 + 4 + 4 + 2 + topic.len() + 4 + 4 + 2 + 8 + 8 + 8 + 4 + 4 + 4;
        let batches = Batches::new(answer.get(records_at..).unwrap_or_default());
        for (place, batch) in batches.enumerate() {
            let batch = match batch {
                // An answer may end within a batch, but never within its first.
                Err(_) if place > 0 => break,
                batch => batch?,
            };
            offset = batch.header().next_offset().to_wire();
            for record in batch.open(1 << 20)?.records() {
                let value = record?.value.unwrap_or_default();
                let micros = value.first_chunk::<8>().context("a foreign record")?;
                let micros = u64::from_be_bytes(*micros);
                if micros == END {
                    return Ok(Latency::of(&histogram));
                }
                note(&mut histogram, start, start + Duration::from_micros(micros))?;
            }
        }
    }
}

fn note(histogram: &mut Histogram<u64>, start: Instant, due: Instant) -> Result<()> {
    if due >= start + WARM_UP {
        histogram.record(micros(due.elapsed())?.max(1))?;
    }
    Ok(())
}

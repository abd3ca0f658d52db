//! Reads a log of Millrace's as a consumer would see it, in lines that the Java program prints too.

use std::collections::{BTreeMap, BTreeSet};

use millrace_log::disk::Patience;
use millrace_log::{LogReader, ReadRequest};
use millrace_types::{LeaderEpoch, Offset, ProducerId, TimestampMs};
use millrace_wire::record::{Batch, Batches, ControlRecord};

/// Which records a consumer sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// All.
    ReadUncommitted,
    /// Those of committed transactions, up to the last stable offset.
    ReadCommitted,
}

impl Isolation {
    pub const ALL: [Isolation; 2] = [Isolation::ReadUncommitted, Isolation::ReadCommitted];

    pub const fn level(self) -> &'static str {
        match self {
            Isolation::ReadUncommitted => "read_uncommitted",
            Isolation::ReadCommitted => "read_committed",
        }
    }
}

/// Calls `take` with each batch from the log's start on, below `end`.
pub fn each_batch(reader: &LogReader, end: Offset, mut take: impl FnMut(&Batch<'_>)) {
    let mut at = reader.start_offset();
    let request = |offset| ReadRequest {
        offset,
        bytes_max: 50_000,
        upper_bound: end,
        needs_one_batch: true,
        patience: Patience::Waits,
    };
    while let Some(slice) = reader.read(&request(at)).unwrap() {
        let mut bytes = vec![0; slice.length];
        slice.file.read_exact_at(&mut bytes, slice.position).unwrap();
        for batch in Batches::new(&bytes) {
            let batch = batch.unwrap();
            batch.verify_crc().unwrap();
            take(&batch);
        }
        at = slice.next_offset;
    }
}

/// A line for each record, and one for the end.
pub fn lines(reader: &LogReader, isolation: Isolation) -> Vec<String> {
    let end = match isolation {
        Isolation::ReadUncommitted => reader.high_watermark(),
        Isolation::ReadCommitted => reader.last_stable_offset(),
    };
    let start = reader.start_offset();
    let mut aborted: BTreeMap<ProducerId, BTreeSet<Offset>> = BTreeMap::new();
    if isolation == Isolation::ReadCommitted {
        for one in reader.aborted_transactions(start, end).unwrap() {
            aborted.entry(one.producer_id).or_default().insert(one.first_offset);
        }
    }
    let mut void: BTreeSet<ProducerId> = BTreeSet::new();
    let mut lines = Vec::new();
    each_batch(reader, end, |batch| {
        if !is_void(batch, &mut aborted, &mut void) {
            take(batch, start, &mut lines);
        }
    });
    lines.push(format!("end {end}"));
    lines
}

/// What a consumer does with the aborted transactions of a Fetch response.
fn is_void(
    batch: &Batch<'_>,
    aborted: &mut BTreeMap<ProducerId, BTreeSet<Offset>>,
    void: &mut BTreeSet<ProducerId>,
) -> bool {
    let header = batch.header();
    let Some(producer) = header.producer else { return false };
    let firsts = aborted.entry(producer.id).or_default();
    while firsts.first().is_some_and(|first| *first <= header.last_offset()) {
        firsts.pop_first();
        void.insert(producer.id);
    }
    if header.attributes.is_control() {
        let open = batch.open(1 << 20).unwrap();
        if let Some(record) = open.records().next()
            && let Ok(ControlRecord::EndTxn(marker)) = ControlRecord::parse(&record.unwrap())
            && !marker.is_commit
        {
            void.remove(&producer.id);
        }
    }
    header.attributes.is_transactional() && void.contains(&producer.id)
}

fn take(batch: &Batch<'_>, start: Offset, lines: &mut Vec<String>) {
    let header = batch.header();
    if header.attributes.is_control() {
        return;
    }
    let epoch = header.leader_epoch.map_or("-".to_owned(), |epoch: LeaderEpoch| epoch.to_string());
    let open = batch.open(1 << 24).unwrap();
    for record in open.records() {
        let record = record.unwrap();
        if record.offset < start {
            continue;
        }
        let timestamp = record.timestamp.map_or(-1, TimestampMs::to_wire);
        let (key, value) = (text(record.key), text(record.value));
        let mut line = format!("{} {timestamp} {epoch} {key} {value}", record.offset);
        for header in record.headers.iter() {
            line.push_str(&format!(" {}={}", text(Some(header.key)), text(header.value)));
        }
        lines.push(line);
    }
}

fn text(bytes: Option<&[u8]>) -> String {
    bytes.map_or_else(|| "null".to_owned(), |bytes| format!("'{}'", base64(bytes)))
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for position in 0..4 {
            let six = usize::try_from(bits >> (18 - 6 * position) & 0x3f).unwrap();
            text.push(if position > chunk.len() { '=' } else { char::from(ALPHABET[six]) });
        }
    }
    text
}

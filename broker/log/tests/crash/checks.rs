//! What must hold of a log that was opened after a crash.

use std::collections::BTreeMap;

use millrace_log::disk::Patience;
use millrace_log::producer_state::BATCHES_REMEMBERED_MAX;
use millrace_log::{LogReader, ReadRequest};
use millrace_types::{Offset, ProducerId, TimestampMs};
use millrace_wire::record::Batches;

use crate::scan::{self, Content, Stored};
use crate::world::World;

/// Everything.
pub fn all(world: &mut World) {
    let reader = world.log().reader();
    let batches = read_files(world, &reader);
    offsets(world, &reader, &batches);
    nothing_invented(world, &batches);
    nothing_lost(world, &batches);
    reads(&reader, &batches);
    epochs(world, &reader, &batches);
    times(&reader, &batches);
    producers(world, &reader, &batches);
    aborted(world, &reader, &batches);
}

/// The batches in the files, and the indexes held against them.
fn read_files(world: &World, reader: &LogReader) -> Vec<Stored> {
    let mut all: Vec<Stored> = Vec::new();
    for segment in scan::segments(&world.disk, World::dir()) {
        let batches = scan::batches(&segment);
        let ends: BTreeMap<u64, u64> =
            batches.iter().map(|(position, stored)| (*position, stored.last)).collect();
        for entry in segment.index.chunks(8) {
            let (relative, position) = (scan::number(&entry[..4]), scan::number(&entry[4..]));
            let last = ends.get(&position);
            assert_eq!(last, Some(&(segment.base + relative)), "index of segment {}", segment.base);
        }
        let mut before = (i64::MIN, u64::MAX);
        for entry in segment.time_index.chunks(12) {
            let timestamp = i64::from_be_bytes(entry[..8].try_into().unwrap());
            let last = segment.base + scan::number(&entry[8..]);
            assert!(timestamp > before.0, "time index of segment {} goes back", segment.base);
            let until = batches.iter().filter(|(_, stored)| stored.last <= last);
            let largest =
                until.filter_map(|(_, stored)| stored.batch().header().max_timestamp).max();
            let at = ends.values().any(|&end| end == last);
            assert!(
                at && largest.is_some_and(|largest| largest.to_wire() == timestamp),
                "time index of segment {}: {timestamp} at {last}, largest is {largest:?}",
                segment.base
            );
            before = (timestamp, last);
        }
        let first = batches.first().map(|(_, stored)| stored.base);
        assert!(first.is_none_or(|first| first >= segment.base));
        all.extend(batches.into_iter().map(|(_, stored)| stored));
    }
    let end = all.last().map(|stored| stored.last + 1);
    assert!(end.is_none_or(|end| end <= reader.end_offset().get()), "bytes behind the end");
    all
}

/// Offsets ascend, without a gap unless compaction or a leader that compacted left one.
fn offsets(world: &World, reader: &LogReader, batches: &[Stored]) {
    let model = &world.model;
    let (start, end) = (reader.start_offset().get(), reader.end_offset().get());
    assert!(end >= model.flushed_end, "log ends at {end}, flushed to {}", model.flushed_end);
    assert!(
        (model.durable_start..=model.start.max(end)).contains(&start),
        "log starts at {start}, not in {}..={}",
        model.durable_start,
        model.start
    );
    let may_have_gaps = world.config.cleanup.compacts;
    let mut next = None;
    for stored in batches {
        if let Some(next) = next {
            let is_removed = stored.base <= model.start;
            assert!(
                stored.base == next || (stored.base > next && (may_have_gaps || is_removed)),
                "batch at {} behind {next}",
                stored.base
            );
        }
        next = Some(stored.last + 1);
    }
    if let Some(next) = next.filter(|_| !may_have_gaps) {
        assert_eq!(next, end, "the last batch is not at the end");
    }
}

/// Each batch, or what compaction left of it, was once written there.
fn nothing_invented(world: &World, batches: &[Stored]) {
    for stored in batches {
        let versions = world.model.written.get(&stored.base).map_or(&[][..], Vec::as_slice);
        if versions.contains(stored) {
            continue;
        }
        assert!(world.model.is_compacted, "batch at {} was never written", stored.base);
        for record in stored.records() {
            let known = world.records_at(record.offset);
            assert!(known.contains(&record), "{record:?} was never written, but {known:?}");
        }
    }
}

/// What was flushed is there, but for what retention and compaction may have removed.
fn nothing_lost(world: &World, batches: &[Stored]) {
    let model = &world.model;
    let must_be = model
        .live
        .values()
        .filter(|stored| stored.base >= model.start && stored.last < model.flushed_end);
    if !model.is_compacted {
        let found: BTreeMap<u64, &Stored> =
            batches.iter().map(|stored| (stored.base, stored)).collect();
        for stored in must_be {
            assert_eq!(found.get(&stored.base), Some(&stored), "flushed batch is lost");
        }
        return;
    }
    let mut latest: BTreeMap<Option<Vec<u8>>, Content> = BTreeMap::new();
    for record in must_be.flat_map(Stored::records) {
        latest.insert(record.key.clone(), record);
    }
    let mut found: BTreeMap<Option<Vec<u8>>, Content> = BTreeMap::new();
    for record in batches.iter().flat_map(Stored::records) {
        found.insert(record.key.clone(), record);
    }
    for (key, wanted) in latest {
        match found.get(&key) {
            Some(there) if there.offset == wanted.offset => assert_eq!(*there, wanted),
            // Superseded by a record that was not flushed, or an older one behind a lost tombstone.
            Some(there) => assert!(there.offset > wanted.offset, "{there:?} instead of {wanted:?}"),
            None => assert_eq!(wanted.value, None, "the last record of its key is lost"),
        }
    }
}

/// Reading from any offset gives the batch that holds it, and reading on gives all of the log.
fn reads(reader: &LogReader, batches: &[Stored]) {
    let (start, end) = (reader.start_offset(), reader.end_offset());
    let request = |offset| ReadRequest {
        offset,
        bytes_max: 700,
        upper_bound: end,
        needs_one_batch: true,
        patience: Patience::Waits,
    };
    let visible: Vec<&Stored> = batches.iter().filter(|at| at.last >= start.get()).collect();
    let mut at = start;
    let mut read = Vec::new();
    while let Some(slice) = reader.read(&request(at)).unwrap() {
        let mut bytes = vec![0; slice.length];
        slice.file.read_exact_at(&mut bytes, slice.position).unwrap();
        read.extend(Batches::new(&bytes).map(|batch| Stored::new(&batch.unwrap())));
        assert!(slice.next_offset > at);
        at = slice.next_offset;
    }
    if !read.iter().eq(visible.iter().copied()) {
        let bases = |at: &[&Stored]| -> Vec<u64> { at.iter().map(|stored| stored.base).collect() };
        let read: Vec<&Stored> = read.iter().collect();
        panic!("reading on from {start} gives {:?}, not {:?}", bases(&read), bases(&visible));
    }
    for offset in start.get()..end.get() {
        let expected = visible.iter().find(|stored| stored.last >= offset).map(|at| at.base);
        let found = reader.read(&request(Offset::new(offset))).unwrap();
        assert_eq!(found.map(|slice| slice.base_offset.get()), expected, "offset {offset}");
    }
}

/// Below the highest start that the log ever had, the epochs may be forgotten.
fn epochs(world: &World, reader: &LogReader, batches: &[Stored]) {
    let start = world.model.start.max(reader.start_offset().get());
    for stored in batches.iter().filter(|stored| stored.last >= start) {
        let epoch = stored.batch().header().leader_epoch;
        let at = Offset::new(stored.base.max(start));
        assert_eq!(reader.epoch_at(at), epoch, "epoch of the batch at {}", stored.base);
    }
}

/// Look-ups by time agree with a look at each record.
fn times(reader: &LogReader, batches: &[Stored]) {
    let start = reader.start_offset().get();
    let records: Vec<Content> =
        batches.iter().flat_map(Stored::records).filter(|record| record.offset >= start).collect();
    let end = reader.end_offset();
    for record in &records {
        let found = reader.offset_by_timestamp(TimestampMs::new(record.timestamp), end).unwrap();
        let expected = records.iter().find(|other| other.timestamp >= record.timestamp);
        let (found, expected) = (found.map(|at| at.offset.get()), expected.map(|at| at.offset));
        assert_eq!(found, expected, "first record at or after {}", record.timestamp);
    }
    let largest = records.iter().map(|record| record.timestamp).max();
    let expected = records.iter().find(|record| Some(record.timestamp) == largest);
    let found = reader.max_timestamp(end).unwrap();
    if batches.iter().all(|stored| stored.base >= start) && !batches.is_empty() {
        let is_emptied = batches.iter().any(|stored| stored.records().is_empty());
        if !is_emptied {
            assert_eq!(found.map(|at| at.offset.get()), expected.map(|at| at.offset));
        }
    }
}

/// The producers' state is what the batches say.
fn producers(world: &mut World, reader: &LogReader, batches: &[Stored]) {
    let start = reader.start_offset().get();
    let is_compacted = world.model.is_compacted;
    let mut by_producer: BTreeMap<ProducerId, Vec<(i32, u64)>> = BTreeMap::new();
    for stored in batches.iter().filter(|stored| stored.base >= start) {
        let batch = stored.batch();
        if let (Some(producer), Some(last)) =
            (batch.header().producer, batch.header().last_sequence())
        {
            by_producer.entry(producer.id).or_default().push((last.to_wire(), stored.last));
        }
    }
    for (id, expected) in by_producer {
        let entry = world.log().producers().get(id).unwrap_or_else(|| panic!("{id} is forgotten"));
        let known: Vec<(i32, u64)> = entry
            .batches()
            .filter_map(|batch| Some((batch.last_sequence?.to_wire(), batch.last_offset.get())))
            .collect();
        let count = if is_compacted { 1 } else { expected.len().min(BATCHES_REMEMBERED_MAX) };
        let wanted = &expected[expected.len() - count..];
        assert!(known.ends_with(wanted), "producer {id}: {known:?}, the log says {wanted:?}");
    }
}

/// The index of aborted transactions is what the markers say, and open ones hold the stable offset.
fn aborted(world: &mut World, reader: &LogReader, batches: &[Stored]) {
    if world.config.cleanup.compacts || reader.start_offset() > Offset::ZERO {
        return;
    }
    let mut open: BTreeMap<ProducerId, u64> = BTreeMap::new();
    let mut expected = Vec::new();
    for stored in batches {
        let batch = stored.batch();
        let header = batch.header();
        let Some(producer) = header.producer.filter(|_| header.attributes.is_transactional())
        else {
            continue;
        };
        if !header.attributes.is_control() {
            open.entry(producer.id).or_insert(stored.base);
            continue;
        }
        let is_abort = stored.records()[0].key.as_ref().unwrap()[3] == 0;
        if let Some(first) = open.remove(&producer.id).filter(|_| is_abort) {
            expected.push((first, stored.base, producer.id));
        }
    }
    expected.sort_unstable();
    let found = reader.aborted_transactions(Offset::ZERO, reader.end_offset()).unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|one| (one.first_offset.get(), one.last_offset.get(), one.producer_id))
        .collect();
    assert_eq!(found, expected, "aborted transactions");
    let first_open = world.log().producers().first_open_offset().map(Offset::get);
    assert_eq!(first_open, open.values().min().copied(), "open transactions");
}

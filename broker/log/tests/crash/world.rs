//! A log, a disk that crashes, and what is known of both.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use millrace_log::checkpoint::{self, CheckpointError};
use millrace_log::compaction::{Cleaning, CompactionError, CompactionOptions, Plan};
use millrace_log::disk::{Disk, FaultyDisk, Loss, OpenMode};
use millrace_log::producer_state::Verdict;
use millrace_log::{FilePool, Log, LogConfig, LogError, LogOptions, NewBatch};
use millrace_types::{LeaderEpoch, Offset, PartitionIndex, TimestampMs, TopicName, TopicPartition};
use millrace_wire::record::Batch;

use crate::history::{Draft, Op, PRODUCERS};
use crate::making;
use crate::scan::{Content, Stored};

/// The log directory.
pub const ROOT: &str = "/data";
const DIR: &str = "/data/t-0";
/// When a history begins.
pub const START: TimestampMs = TimestampMs::new(1_700_000_000_000);

/// What must be true of the log whatever happens to it.
#[derive(Debug, Default)]
pub struct Model {
    /// All batches that were ever handed to the log, by base offset: whatever it holds is one of them.
    pub written: BTreeMap<u64, Vec<Stored>>,
    /// Those that it has taken and that nobody removed.
    pub live: BTreeMap<u64, Stored>,
    /// What is below was flushed.
    pub flushed_end: u64,
    /// The highest start that the log ever had.
    pub start: u64,
    /// The start that was written down, or that a removed segment implies.
    pub durable_start: u64,
    /// Whether compaction ran.
    pub is_compacted: bool,
    /// Up to where it did: what is compacted is committed, and so never cut off.
    pub compacted_end: u64,
}

/// The log under test. `None` while the process is down.
pub struct World {
    pub disk: FaultyDisk,
    pub log: Option<Log>,
    pub config: LogConfig,
    pub model: Model,
    pub now: TimestampMs,
    /// Of the leader that writes now.
    pub epoch: i32,
    /// Counts the records.
    pub counter: u64,
    next_sequences: [i32; PRODUCERS],
    cleaned_to: Option<Offset>,
}

/// Why a step ended early.
#[derive(Debug)]
pub enum Stop {
    /// The disk halted the process, or the log failed for good.
    Down,
    /// The disk refused something; the log goes on.
    Refused,
}

impl World {
    pub fn new(seed: u64, config: LogConfig) -> World {
        let disk = FaultyDisk::new(seed);
        // The directory is there before anything may go wrong.
        disk.create_dir_all(Path::new(DIR)).unwrap();
        for dir in ["/", ROOT, DIR] {
            disk.sync_dir(Path::new(dir)).unwrap();
        }
        let mut world = World {
            disk,
            log: None,
            config,
            model: Model::default(),
            now: START,
            epoch: 0,
            counter: 0,
            next_sequences: [0; PRODUCERS],
            cleaned_to: None,
        };
        world.open().unwrap();
        world
    }

    pub fn dir() -> &'static Path {
        Path::new(DIR)
    }

    pub fn log(&mut self) -> &mut Log {
        self.log.as_mut().unwrap()
    }

    /// Ends the process; what the next one finds depends on `loss`.
    pub fn crash(&mut self, loss: Loss) {
        self.log = None;
        self.disk = self.disk.crash(loss);
        self.cleaned_to = None;
    }

    /// Starts the process: opens the log as a log directory does.
    pub fn open(&mut self) -> Result<(), LogError> {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let read = |name| {
            let found = checkpoint::read_offsets(&*disk, &Path::new(ROOT).join(name))?;
            Ok::<_, LogError>(found.get(&partition()).copied().unwrap_or_default())
        };
        let mark = Path::new(ROOT).join(".kafka_cleanshutdown");
        let io = |source| LogError::Io { action: "mark", path: mark.clone(), source };
        let was_closed = disk.exists(&mark).map_err(io)?;
        if was_closed {
            disk.remove_file(&mark).map_err(io)?;
            disk.sync_dir(Path::new(ROOT)).map_err(io)?;
        }
        let options = LogOptions {
            pool: Arc::new(FilePool::new(Arc::clone(&disk), 4)),
            dir: PathBuf::from(DIR),
            config: self.config.clone(),
            start_offset: read("log-start-offset-checkpoint")?,
            recovery_point: read("recovery-point-offset-checkpoint")?,
            high_watermark: read("replication-offset-checkpoint")?,
            was_closed,
            producer_id_expiration_ms: i64::MAX,
            now: self.now,
        };
        let mut log = Log::open(options, &mut |_| {})?;
        let end = log.reader().end_offset();
        log.set_high_watermark(end);
        self.log = Some(log);
        Ok(())
    }

    /// Does one step. What the log answers is noted in the model.
    pub fn step(&mut self, op: &Op) -> Result<(), Stop> {
        let result = match op {
            Op::Append(drafts) => self.append(drafts),
            Op::Flush => self.flush(&[]),
            Op::FlushBeside(drafts) => self.flush(drafts),
            Op::BeginEpoch => {
                self.epoch += 1;
                let epoch = LeaderEpoch::from_wire(self.epoch).unwrap();
                self.log().begin_epoch(epoch);
                Ok(())
            }
            Op::Roll => {
                let now = self.now;
                self.log().roll(now)
            }
            Op::Truncate(percent) => self.truncate(*percent),
            Op::AdvanceStart(percent) => self.advance_start(*percent),
            Op::Retain => self.retain(),
            Op::Compact => self.compact(),
            Op::WriteCheckpoints => self.write_checkpoints(),
            Op::Reopen => self.reopen(),
            Op::Wait(ms) => {
                self.now = self.now.plus_ms(*ms);
                self.disk.set_now_ms(self.now.to_wire());
                Ok(())
            }
        };
        match result {
            Ok(()) => Ok(()),
            Err(_) if self.disk.is_halted() => Err(Stop::Down),
            Err(_) if self.log.as_ref().is_none_or(|log| log.failure().is_some()) => {
                Err(Stop::Down)
            }
            Err(
                LogError::Io { source, .. }
                | LogError::Checkpoint(CheckpointError::Disk { source, .. }),
            ) if source.raw_os_error() == Some(5) => Err(Stop::Refused),
            Err(error) => panic!("{op:?}: {error:?}"),
        }
    }

    fn append(&mut self, drafts: &[Draft]) -> Result<(), LogError> {
        let mut next = self.log().reader().end_offset().get();
        let mut made = Vec::new();
        let mut sequences = self.next_sequences;
        for draft in drafts {
            next += draft.skip;
            let stored = making::make(self, draft, next, &mut sequences);
            next = stored.last + 1;
            made.push(stored);
        }
        for stored in &made {
            self.model.written.entry(stored.base).or_default().push(stored.clone());
        }
        let now = self.now;
        let mut rest = made.as_slice();
        while !rest.is_empty() {
            let batches: Vec<Batch<'_>> = rest.iter().map(Stored::batch).collect();
            let new: Vec<NewBatch<'_>> = batches.iter().map(NewBatch::stored).collect();
            for batch in new.iter().filter_map(NewBatch::producer_batch).take(1) {
                if batch.first_sequence.is_some() {
                    let verdict = self.log().producers().check(&batch);
                    assert_eq!(verdict, Ok(Verdict::New), "{batch:?}");
                }
            }
            let info = self.log().append(&new, now)?;
            assert_eq!(info.base_offset.get(), rest[0].base);
            let (taken, left) = rest.split_at(info.batches_count);
            assert_eq!(info.next_offset.get(), taken.last().unwrap().last + 1);
            for stored in taken {
                self.note_sequence(stored);
                self.model.live.insert(stored.base, stored.clone());
            }
            rest = left;
            let end = self.log().reader().end_offset();
            self.log().set_high_watermark(end);
        }
        Ok(())
    }

    fn note_sequence(&mut self, stored: &Stored) {
        let header = *stored.batch().header();
        if let Some(last) = header.last_sequence() {
            let producer = usize::try_from(header.producer.unwrap().id.to_wire()).unwrap();
            self.next_sequences[producer] = last.plus(1).to_wire();
        }
    }

    fn flush(&mut self, beside: &[Draft]) -> Result<(), LogError> {
        let Some(job) = self.log().prepare_flush()? else {
            let end = self.log().reader().end_offset().get();
            self.model.flushed_end = self.model.flushed_end.max(end);
            return self.append(beside);
        };
        let appended = self.append(beside);
        let outcome = job.run();
        self.log().flushed(&job, outcome)?;
        self.model.flushed_end = self.model.flushed_end.max(job.upto().get());
        appended
    }

    fn truncate(&mut self, percent: u64) -> Result<(), LogError> {
        let reader = self.log().reader();
        let (start, end) = (reader.start_offset().get(), reader.end_offset().get());
        let to = start + (end - start) * percent / 100;
        let to = Offset::new(to.max(self.model.compacted_end));
        // Whole batches go. From now on either state is right after a crash, until a flush.
        let model = &mut self.model;
        let is_cut = model.live.values().any(|stored| stored.last >= to.get());
        model.live.retain(|_, stored| stored.last < to.get());
        if is_cut {
            let end = model.live.values().next_back().map_or(0, |stored| stored.last + 1);
            model.flushed_end = model.flushed_end.min(end);
        }
        let now = self.now;
        let deletion = self.log().truncate_to(to, now)?;
        let end = self.log().reader().end_offset().get();
        let last = self.model.live.values().next_back().map(|stored| stored.last);
        assert!(end <= to.get() && last < Some(end), "cut to {to}: ends at {end} behind {last:?}");
        self.cleaned_to = self.cleaned_to.map(|cleaned| cleaned.min(Offset::new(end)));
        self.resume_sequences();
        if let Some(deletion) = deletion {
            // What is not removed now is at the next start.
            let _ = deletion.run(&self.disk);
        }
        // Without them nothing may be appended: so try again.
        self.write_checkpoints().or_else(|_| self.write_checkpoints())
    }

    /// Producers go on where the log says that they are.
    pub fn resume_sequences(&mut self) {
        for producer in 0..PRODUCERS {
            let last = self
                .log()
                .producers()
                .get(making::producer_id(producer))
                .and_then(|entry| entry.last_sequence());
            self.next_sequences[producer] = last.map_or(0, |last| last.plus(1).to_wire());
        }
    }

    fn advance_start(&mut self, percent: u64) -> Result<(), LogError> {
        let reader = self.log().reader();
        let (start, end) = (reader.start_offset().get(), reader.end_offset().get());
        let to = Offset::new(start + (end - start) * percent / 100);
        self.log().advance_start(to)?;
        self.model.start = self.model.start.max(to.get());
        self.write_checkpoints()
    }

    fn retain(&mut self) -> Result<(), LogError> {
        let now = self.now;
        let retained = self.log().retain(now);
        let start = self.log().reader().start_offset().get();
        self.model.start = self.model.start.max(start);
        if let Some(deletion) = retained? {
            deletion.run(&self.disk)?;
        }
        Ok(())
    }

    fn compact(&mut self) -> Result<(), LogError> {
        self.flush(&[])?;
        let source = self.log().compaction_source();
        let Some(plan) = Plan::new(source, self.cleaned_to, self.now)? else {
            return Ok(());
        };
        let never = AtomicBool::new(false);
        // Room for a few keys only: several passes.
        let options = CompactionOptions {
            dedupe_bytes_max: 24 * 6,
            batch_bytes_max: 1 << 20,
            is_cancelled: &never,
        };
        self.model.is_compacted = true;
        let active = self.log().reader().end_offset().get();
        self.model.compacted_end = self.model.compacted_end.max(active);
        let log_error = |error| match error {
            CompactionError::Log(error) => error,
            CompactionError::Cancelled => panic!("nobody cancels"),
            CompactionError::Batch { .. } => panic!("what is written can be read: {error}"),
        };
        let mut cleaning = Cleaning::begin(plan, &options, self.now).map_err(log_error)?;
        while let Some(cleaned) = cleaning.next_segment().map_err(log_error)? {
            let now = self.now;
            let deletion = self.log().replace(&cleaned, now)?.expect("the log is the same");
            deletion.run(&self.disk)?;
        }
        self.cleaned_to = Some(cleaning.end_offset());
        Ok(())
    }

    pub fn write_checkpoints(&mut self) -> Result<(), LogError> {
        let log = self.log.as_ref().unwrap();
        let reader = log.reader();
        let start = reader.start_offset();
        for (name, offset) in [
            ("recovery-point-offset-checkpoint", log.recovery_point()),
            ("log-start-offset-checkpoint", start),
            ("replication-offset-checkpoint", reader.high_watermark()),
        ] {
            let offsets = BTreeMap::from([(partition(), offset)]);
            checkpoint::write_offsets(&self.disk, &Path::new(ROOT).join(name), &offsets)?;
        }
        self.model.durable_start = self.model.durable_start.max(start.get());
        Ok(())
    }

    /// A clean stop and start.
    pub fn reopen(&mut self) -> Result<(), LogError> {
        let closed = self.log().close();
        let end = self.log().reader().end_offset().get();
        if closed.is_ok() {
            self.model.flushed_end = self.model.flushed_end.max(end);
            self.write_checkpoints()?;
            let mark = || {
                let path = Path::new(ROOT).join(".kafka_cleanshutdown");
                self.disk.open(&path, OpenMode::Create)?.sync()?;
                self.disk.sync_dir(Path::new(ROOT))
            };
            let marked: io::Result<()> = mark();
            marked.map_err(|source| LogError::Io {
                action: "mark",
                path: PathBuf::from(ROOT),
                source,
            })?;
        }
        closed?;
        self.log = None;
        self.open()?;
        assert_eq!(self.log().reader().end_offset().get(), end, "a clean stop lost something");
        Ok(())
    }

    /// All records ever written at an offset.
    pub fn records_at(&self, offset: u64) -> Vec<Content> {
        let batches = self.model.written.range(..=offset).rev().take(8);
        batches
            .flat_map(|(_, versions)| versions)
            .filter(|stored| stored.last >= offset)
            .flat_map(Stored::records)
            .filter(|record| record.offset == offset)
            .collect()
    }
}

fn partition() -> TopicPartition {
    TopicPartition {
        topic: TopicName::parse("t").unwrap(),
        partition: PartitionIndex::from_wire(0).unwrap(),
    }
}

//! Making the log durable: `flush.messages` before the answer, `flush.ms` some time, both with one
//! fsync for all that was written until it began, on a thread that may wait for the disk. What no
//! config asks for is flushed when there is much of it, so that no crash leaves much to be read.

use std::sync::Arc;
use std::time::Duration;

use millrace_log::{FlushError, FlushJob, Log, LogError};
use millrace_types::Offset;
use tokio::time::sleep;

use super::{Partition, PartitionError, Writer};

/// How far the flushing of a log is.
#[derive(Debug, Default)]
pub(super) struct Flushing {
    is_running: bool,
    /// Someone wants all that is there to be durable, whatever the topic says.
    pub(super) is_wanted: bool,
    /// A flush will be wanted when `flush.ms` has passed.
    is_timed: bool,
    /// The disk has refused the last flush.
    pub(super) is_owed: bool,
}

impl Flushing {
    pub(super) const fn is_running(&self) -> bool {
        self.is_running
    }

    fn is_due(&self, log: &Log) -> bool {
        // A log that has failed is opened again first: that flushes it, too.
        let is_wanted = self.is_wanted || log.unflushed_records() >= log.config().flush_messages;
        is_wanted && log.failure().is_none()
    }
}

/// How far records may be answered and read: to the log's end, or only as far as they are durable
/// while `flush.messages` or more are not.
pub(super) fn ready_end(log: &Log, end: Offset) -> Offset {
    if end.since(log.recovery_point()) >= log.config().flush_messages {
        log.recovery_point()
    } else {
        end
    }
}

impl Partition {
    /// Makes the log durable if a start after a crash would have much of it to read.
    pub async fn bound_recovery(self: Arc<Self>) {
        if self.takes_up_flushing() {
            self.flush().await;
        }
    }

    fn takes_up_flushing(&self) -> bool {
        match self.lock_writer().as_mut() {
            Some(writer) if writer.log.is_snapshot_due() && !writer.flushing.is_running => {
                (writer.flushing.is_wanted, writer.flushing.is_running) = (true, true);
                true
            }
            Some(_) | None => false,
        }
    }

    fn flush_time_is_up(self: &Arc<Self>) {
        if let Some(writer) = self.lock_writer().as_mut() {
            writer.flushing.is_timed = false;
            writer.flushing.is_wanted = true;
            writer.start_flush(self);
        }
    }

    /// Flushes as long as there is need, and the disk does not refuse.
    async fn flush(self: Arc<Self>) {
        while let Some(job) = self.next_job() {
            let (job, outcome) = self
                .env
                .blocking
                .run(move || {
                    let outcome = job.run();
                    (job, outcome)
                })
                .await;
            if !self.flushed(&job, outcome) {
                return;
            }
        }
    }

    fn next_job(&self) -> Option<FlushJob> {
        let mut guard = self.lock_writer();
        let writer = guard.as_mut()?;
        if writer.flushing.is_due(&writer.log) {
            writer.flushing.is_wanted = false;
            match writer.log.prepare_flush() {
                Ok(Some(job)) => return Some(job),
                Ok(None) => writer.flushing.is_owed = false,
                Err(error) => writer.flush_failed(self, error),
            }
        }
        writer.flushing.is_running = false;
        None
    }

    /// Returns whether to go on.
    fn flushed(&self, job: &FlushJob, outcome: Result<(), FlushError>) -> bool {
        let terms = self.terms();
        let mut guard = self.lock_writer();
        let Some(writer) = guard.as_mut() else { return false };
        let flushed = writer.log.flushed(job, outcome);
        let is_done = flushed.is_ok();
        match flushed {
            Ok(()) => writer.flushing.is_owed = false,
            Err(error) => {
                writer.flushing.is_running = false;
                writer.flush_failed(self, error);
            }
        }
        let moved = writer.settle(self, &terms);
        drop(guard);
        if let Some(bytes) = moved {
            self.waiters.tell(bytes);
        }
        is_done
    }
}

impl Writer {
    /// Starts flushing, if there is need and nobody does it, or the wait for it.
    pub(super) fn start_flush(&mut self, partition: &Arc<Partition>) {
        self.start_timer(partition);
        if self.flushing.is_running || !self.flushing.is_due(&self.log) {
            return;
        }
        self.flushing.is_running = true;
        partition.env.tasks.spawn("flush", Arc::clone(partition).flush());
    }

    /// A log with `flush.ms` has a timer as long as it holds what is not durable.
    fn start_timer(&mut self, partition: &Arc<Partition>) {
        let Some(flush_ms) = self.log.config().flush_ms else { return };
        if self.flushing.is_timed || self.log.unflushed_records() == 0 {
            return;
        }
        self.flushing.is_timed = true;
        let wait = Duration::from_millis(flush_ms.unsigned_abs());
        let partition = Arc::clone(partition);
        let stopping = partition.env.tasks.stopping().clone();
        partition.env.tasks.clone().spawn("flush", async move {
            tokio::select! { biased;
                () = stopping.cancelled() => {}
                () = sleep(wait) => partition.flush_time_is_up(),
            }
        });
    }

    /// Starts the flush that the disk has refused before; returns whether there is one.
    pub(super) fn flush_what_is_owed(&mut self, partition: &Arc<Partition>) -> bool {
        if self.flushing.is_owed {
            self.flushing.is_wanted = true;
            self.start_flush(partition);
        }
        self.flushing.is_owed
    }

    fn flush_failed(&mut self, partition: &Partition, error: LogError) {
        partition.report_flush(&error);
        self.flushing.is_owed = true;
        let error = PartitionError::from(error);
        tracing::error!(partition = %partition.id, %error, "flush failed");
        self.refuse_unsettled(&error);
    }
}

//! Getting over what the disk has refused, once the disk does its work again.
//!
//! An append that was refused leaves nothing behind: the next one tries anew. A flush that was
//! refused is owed. A log that has failed, because a sync did or because what a write left could not
//! be cut, takes nothing until it was opened again with recovery.

use std::sync::{Arc, MutexGuard, PoisonError};

use millrace_log::LogError;

use super::{Partition, Writer, text_of};

impl Partition {
    /// Gets over what the disk has refused, if it can by now. Returns whether all is well; if not,
    /// it is to be asked again. Waits for the disk.
    ///
    /// # Errors
    /// The disk refuses still.
    pub fn heal(self: &Arc<Self>) -> Result<bool, LogError> {
        let _alone = self.lock_healing();
        let job = {
            let mut guard = self.lock_writer();
            let Some(writer) = guard.as_mut() else { return Ok(true) };
            if writer.flushing.is_running() {
                return Ok(false);
            }
            match writer.log.prepare_reopen(self.env.clock.now()) {
                Some(job) => job,
                None => return Ok(!writer.flush_what_is_owed(self)),
            }
        };
        // Without the writer's lock: whoever comes is refused meanwhile, and at once.
        let outcome = job.run();
        let terms = self.terms();
        let mut guard = self.lock_writer();
        let Some(writer) = guard.as_mut() else { return Ok(true) };
        writer.log.reopened(outcome)?;
        writer.flushing.is_owed = false;
        let moved = writer.settle(self, &terms);
        drop(guard);
        if let Some(bytes) = moved {
            self.waiters.tell(bytes);
        }
        self.waiters.wake();
        Ok(true)
    }

    /// Has the partition looked after if there is need.
    pub fn report_ailment(&self) {
        let guard = self.lock_writer();
        let Some(writer) = guard.as_ref() else { return };
        self.report_failure(writer);
        if writer.flushing.is_owed {
            self.env.ailing.report(&self.id, "the disk has refused a flush");
        }
    }

    /// Has the partition looked after if its log has failed.
    pub(super) fn report_failure(&self, writer: &Writer) {
        if let Some(reason) = writer.log.failure() {
            self.env.ailing.report(&self.id, reason);
        }
    }

    /// Has the partition looked after, as its log is not durable as far as it should be.
    pub(super) fn report_flush(&self, error: &LogError) {
        self.env.ailing.report(&self.id, &text_of(error));
    }

    /// Held while the log is opened again: the partition must not leave meanwhile, or the next one
    /// of its name would find somebody at work in its directory.
    pub(super) fn lock_healing(&self) -> MutexGuard<'_, ()> {
        self.healing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

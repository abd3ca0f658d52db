//! What the log asks of a disk, and nothing more: the seam where faults are put in.
//!
//! [`RealDisk`] is the operating system's. The simulator and the tests bring their own, which tear
//! writes, lose what was not synced, fill up and rot. Every call is synchronous; whoever must not
//! block calls from a thread that may.

use std::fmt;
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;

mod faulty;
mod in_memory;
mod real;

pub use faulty::{FaultyDisk, Loss};
pub use in_memory::InMemory;
pub use real::RealDisk;

/// How a file is opened; always for reading, and for writing unless `Read`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// The file must exist and will not be written.
    Read,
    /// The file must exist and may be written.
    Write,
    /// The file is made if it does not exist; what it holds stays.
    Create,
    /// The file must not exist.
    CreateNew,
}

/// Whether a read may wait for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// It takes as long as it takes.
    Waits,
    /// Only what is in memory is read: for threads that others wait for.
    Never,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The last part of the path.
    pub name: String,
    /// Whether it is a directory.
    pub is_dir: bool,
}

/// A file system. A name that was made, renamed or removed survives a power cut only after
/// [`Disk::sync_dir`] of its directory.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Opens a file; see [`OpenMode`].
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>>;
    /// The names in a directory, sorted.
    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>>;
    /// Whether there is a file or directory of this name.
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// Makes a directory and those above it.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// Gives a file or directory a new name, replacing a file of that name in one step.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a directory and all in it.
    fn remove_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Milliseconds since 1970 of a file's last change, by the disk's own clock.
    fn modified_ms(&self, path: &Path) -> io::Result<i64>;
    /// Bytes in all and bytes free of the volume that holds `path`.
    fn space(&self, path: &Path) -> io::Result<Space>;
    /// Takes the lock file `path` for as long as the returned value lives; `None` if another
    /// process holds it.
    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>>;
}

/// The size of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Size of the volume, in bytes.
    pub total_bytes: u64,
    /// What a process may still write to it, in bytes.
    pub usable_bytes: u64,
}

/// An open file. Reads and writes name their place, so that readers need no lock.
pub trait File: Send + Sync + fmt::Debug {
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Reads what is there from `position` on, at most `buffer`; 0 at the end. May be short.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;
    /// The same, but only as far as it is in memory: `WouldBlock` if nothing is, or if the file
    /// system cannot tell.
    fn read_now(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;
    /// Writes all parts one after the other from `position` on. After an error any prefix of
    /// them may have reached the file.
    fn write_all_at(&self, parts: &[IoSlice<'_>], position: u64) -> io::Result<()>;
    /// Cuts or extends (with zeros) the file.
    fn set_len(&self, length: u64) -> io::Result<()>;
    /// Makes what was written durable, with the length; the name needs [`Disk::sync_dir`].
    fn sync(&self) -> io::Result<()>;
    /// The descriptor, where there is a real one: what `sendfile` takes.
    fn fd(&self) -> Option<BorrowedFd<'_>>;

    /// Whether the file holds nothing.
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|length| length == 0)
    }

    /// Fills the buffer from `position` on, or fails with `UnexpectedEof`.
    fn read_exact_at(&self, buffer: &mut [u8], position: u64) -> io::Result<()> {
        let mut done = 0;
        while done < buffer.len() {
            let rest = buffer.get_mut(done..).unwrap_or_default();
            match self.read_at(rest, position.saturating_add(done as u64)) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

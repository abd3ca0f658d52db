//! A file for those who must not wait for the disk.

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use super::File;

/// The same file, but it reads only what is in memory: everything else is `WouldBlock`.
#[derive(Debug)]
pub struct InMemory(pub Arc<dyn File>);

impl File for InMemory {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.0.read_now(buffer, position)
    }

    fn read_now(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.0.read_now(buffer, position)
    }

    fn write_all_at(&self, parts: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        self.0.write_all_at(parts, position)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.0.fd()
    }
}

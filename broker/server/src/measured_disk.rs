//! The disk with a watch on it: how long syncs take, how much is written, what fails.

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use millrace_log::disk::{Disk, Entry, File, OpenMode, Space};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// The figures of a disk.
#[derive(Clone, Debug)]
pub struct DiskFigures {
    sync_seconds: Histogram,
    written_bytes: Counter,
    errors: Counter,
}

impl DiskFigures {
    /// All at zero.
    pub fn new(registry: &mut Registry) -> DiskFigures {
        // 50 us to 3.3 s and beyond.
        let sync_seconds = Histogram::new(exponential_buckets(0.000_05, 4.0, 9));
        let figures = DiskFigures {
            sync_seconds,
            written_bytes: Counter::default(),
            errors: Counter::default(),
        };
        registry.register_with_unit(
            "disk_sync_duration",
            "Time that making a file durable took",
            Unit::Seconds,
            figures.sync_seconds.clone(),
        );
        registry.register_with_unit(
            "disk_written",
            "Bytes written to files",
            Unit::Bytes,
            figures.written_bytes.clone(),
        );
        registry.register(
            "disk_errors",
            "Writes and syncs that the disk refused",
            figures.errors.clone(),
        );
        figures
    }

    fn checked<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if result.is_err() {
            self.errors.inc();
        }
        result
    }
}

/// A disk whose files are measured.
#[derive(Debug)]
pub struct MeasuredDisk {
    disk: Arc<dyn Disk>,
    figures: DiskFigures,
}

impl MeasuredDisk {
    /// Measures what goes to `disk`.
    pub fn new(disk: Arc<dyn Disk>, figures: DiskFigures) -> MeasuredDisk {
        MeasuredDisk { disk, figures }
    }
}

impl Disk for MeasuredDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let file = self.disk.open(path, mode)?;
        Ok(Arc::new(MeasuredFile { file, figures: self.figures.clone() }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.disk.list(dir)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.disk.exists(path)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.figures.checked(self.disk.create_dir_all(dir))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_file(path)
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.disk.remove_dir_all(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let began = Instant::now();
        let result = self.figures.checked(self.disk.sync_dir(dir));
        self.figures.sync_seconds.observe(began.elapsed().as_secs_f64());
        result
    }

    fn modified_ms(&self, path: &Path) -> io::Result<i64> {
        self.disk.modified_ms(path)
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        self.disk.space(path)
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        self.disk.try_lock(path)
    }
}

#[derive(Debug)]
struct MeasuredFile {
    file: Arc<dyn File>,
    figures: DiskFigures,
}

impl File for MeasuredFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buffer, position)
    }

    fn read_now(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_now(buffer, position)
    }

    fn write_all_at(&self, parts: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        self.figures.checked(self.file.write_all_at(parts, position))?;
        let written: usize = parts.iter().map(|part| part.len()).sum();
        self.figures.written_bytes.inc_by(written as u64);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.figures.checked(self.file.set_len(length))
    }

    fn sync(&self) -> io::Result<()> {
        let began = Instant::now();
        let result = self.figures.checked(self.file.sync());
        self.figures.sync_seconds.observe(began.elapsed().as_secs_f64());
        result
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.file.fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::sync::Arc;

    use millrace_log::disk::{Disk, OpenMode, RealDisk};
    use prometheus_client::registry::Registry;

    use super::{DiskFigures, MeasuredDisk};

    #[test]
    fn syncs_and_bytes_are_counted_and_files_stay_what_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let mut registry = Registry::default();
        let figures = DiskFigures::new(&mut registry);
        let disk = MeasuredDisk::new(Arc::new(RealDisk), figures.clone());
        let file = disk.open(&dir.path().join("file"), OpenMode::CreateNew).unwrap();
        file.write_all_at(&[IoSlice::new(b"ab"), IoSlice::new(b"c")], 0).unwrap();
        file.sync().unwrap();
        assert_eq!(file.len().unwrap(), 3);
        assert!(file.fd().is_some());
        assert_eq!(figures.written_bytes.get(), 3);
        assert!(file.write_all_at(&[IoSlice::new(b"x")], u64::MAX).is_err());
        assert_eq!(figures.errors.get(), 1);
    }
}

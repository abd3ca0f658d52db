//! The calls of [`File`] on a file of a [`FaultyDisk`].

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex};

use super::FaultyDisk;
use super::content::Content;
use super::tree::lock;
use super::world::{Access, Fate, World, dead, failed};
use crate::disk::File;

#[derive(Debug)]
pub(super) struct FaultyFile {
    disk: FaultyDisk,
    content: Arc<Mutex<Content>>,
}

impl FaultyFile {
    pub(super) fn open(
        disk: &FaultyDisk,
        world: &mut World,
        content: Arc<Mutex<Content>>,
    ) -> Arc<dyn File> {
        world.files_open += 1;
        Arc::new(FaultyFile { disk: disk.clone(), content })
    }

    /// Writes as much as there is room for.
    fn write(&self, world: &mut World, position: u64, bytes: &[u8]) -> io::Result<()> {
        let mut content = lock(&self.content);
        let end = position.saturating_add(bytes.len() as u64);
        let more = end.saturating_sub(content.len());
        let missing = more - world.take_room(&content, more);
        let fits = bytes.len().saturating_sub(usize::try_from(missing).unwrap_or(usize::MAX));
        content.modified_ms = world.now_ms;
        content.write(position, bytes.get(..fits).unwrap_or_default());
        if missing == 0 { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }
}

impl Drop for FaultyFile {
    fn drop(&mut self) {
        let mut world = lock(&self.disk.world);
        if world.run == self.disk.run {
            world.files_open = world.files_open.saturating_sub(1);
        }
    }
}

impl File for FaultyFile {
    fn len(&self) -> io::Result<u64> {
        let _world = self.disk.read()?;
        Ok(lock(&self.content).len())
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut world = self.disk.read()?;
        let content = lock(&self.content);
        let start = usize::try_from(position).unwrap_or(usize::MAX);
        let rest = content.bytes().get(start..).unwrap_or_default();
        let mut count = rest.len().min(buffer.len());
        if world.reads_short && count > 1 {
            count = 1 + world.random.index(count);
        }
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }

    fn read_now(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        if lock(&self.disk.world).is_cold {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.read_at(buffer, position)
    }

    fn write_all_at(&self, parts: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        let bytes = parts.iter().map(|part| &**part).collect::<Vec<&[u8]>>().concat();
        match self.disk.enter(Access::Change)? {
            (mut world, Fate::Done) => self.write(&mut world, position, &bytes),
            (mut world, fate @ (Fate::Fails | Fate::Dies)) => {
                let part = world.random.index(bytes.len() + 1);
                self.write(&mut world, position, bytes.get(..part).unwrap_or_default())?;
                Err(if fate == Fate::Dies { dead() } else { failed() })
            }
        }
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.disk.change(|world| {
            let mut content = lock(&self.content);
            let more = length.saturating_sub(content.len());
            if world.take_room(&content, more) < more {
                return Err(io::ErrorKind::StorageFull.into());
            }
            if content.is_linked {
                let less = content.len().saturating_sub(length);
                world.used_bytes = world.used_bytes.saturating_sub(less);
            }
            content.modified_ms = world.now_ms;
            content.set_len(length);
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        let (mut world, fate) = self.disk.enter(Access::Change)?;
        let mut content = lock(&self.content);
        match fate {
            Fate::Done => {
                content.sync();
                Ok(())
            }
            Fate::Fails => {
                content.sync_in_vain(&mut world.random);
                Err(failed())
            }
            Fate::Dies => {
                if world.random.coin() {
                    content.sync();
                }
                Err(dead())
            }
        }
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

//! The calls of [`Disk`] on a [`FaultyDisk`].

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::FaultyDisk;
use super::content::Content;
use super::file::FaultyFile;
use super::tree::{self, Dir, Node, lock};
use super::world::World;
use crate::disk::{Disk, Entry, File, OpenMode, Space};

/// What the volume's size is said to be where there is no limit.
const TOTAL_BYTES: u64 = 1 << 40;
/// `EMFILE` of Linux.
const TOO_MANY_FILES: i32 = 24;

impl Disk for FaultyDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let exists = || Ok::<_, io::Error>(tree::find(&lock(&self.world).root, path).is_ok());
        let makes = match mode {
            OpenMode::Read | OpenMode::Write => false,
            OpenMode::Create => !exists()?,
            OpenMode::CreateNew => true,
        };
        let too_many = |world: &World| match world.files_open_max {
            Some(limit) if world.files_open >= limit => {
                Err(io::Error::from_raw_os_error(TOO_MANY_FILES))
            }
            Some(_) | None => Ok(()),
        };
        if makes {
            self.change(|world| {
                too_many(world)?;
                let (dir, name) = tree::find_parent(&world.root, path)?;
                if lock(&dir).get(name).is_some() {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                let modified_ms = world.now_ms;
                let content = Content::new(modified_ms);
                lock(&dir).link(name, Node::File(Arc::new(Mutex::new(content))));
                Ok(())
            })?;
        }
        let mut world = if makes { lock(&self.world) } else { self.read()? };
        too_many(&world)?;
        match tree::find(&world.root, path)? {
            Node::File(content) => Ok(FaultyFile::open(self, &mut world, content)),
            Node::Dir(_) => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let dir = tree::find_dir(&self.read()?.root, dir)?;
        let dir = lock(&dir);
        let entry = |(name, node): (&String, &Node)| Entry {
            name: name.clone(),
            is_dir: matches!(node, Node::Dir(_)),
        };
        Ok(dir.entries().map(entry).collect())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        Ok(tree::find(&self.read()?.root, path).is_ok())
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.change(|world| {
            let mut at = world.root.clone();
            for name in tree::names(dir)? {
                let known = lock(&at).get(name).cloned();
                at = match known {
                    Some(Node::Dir(below)) => below,
                    Some(Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                    None => {
                        let made = Arc::<Mutex<Dir>>::default();
                        lock(&at).link(name, Node::Dir(made.clone()));
                        made
                    }
                };
            }
            Ok(())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        if from.parent() != to.parent() {
            // Nobody needs it, and what a power cut leaves of it is another story.
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        self.change(|world| {
            let (dir, to) = tree::find_parent(&world.root, to)?;
            let (_, from) = tree::find_parent(&world.root, from)?;
            let replaced = lock(&dir).get(to).cloned();
            let moved = lock(&dir).get(from).cloned().ok_or(io::ErrorKind::NotFound)?;
            match (&moved, &replaced) {
                (Node::File(_) | Node::Dir(_), None) => {}
                (Node::File(_), Some(Node::File(_))) if from == to => return Ok(()),
                (Node::File(_), Some(Node::File(file))) => {
                    world.give_room(&Node::File(file.clone()));
                }
                (Node::File(_) | Node::Dir(_), Some(_)) => {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
            }
            lock(&dir).rename(from, to);
            Ok(())
        })
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.change(|world| {
            let (dir, name) = tree::find_parent(&world.root, path)?;
            let node = lock(&dir).get(name).cloned().ok_or(io::ErrorKind::NotFound)?;
            if matches!(node, Node::Dir(_)) {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            world.give_room(&node);
            lock(&dir).unlink(name);
            Ok(())
        })
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.change(|world| {
            let (parent, name) = tree::find_parent(&world.root, dir)?;
            world.remove_tree(&*tree::find_dir(&world.root, dir)?);
            lock(&parent).unlink(name);
            Ok(())
        })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.change(|world| {
            lock(&*tree::find_dir(&world.root, dir)?).sync();
            Ok(())
        })
    }

    fn modified_ms(&self, path: &Path) -> io::Result<i64> {
        match tree::find(&self.read()?.root, path)? {
            Node::File(file) => Ok(lock(&file).modified_ms),
            Node::Dir(_) => Ok(0),
        }
    }

    fn space(&self, _path: &Path) -> io::Result<Space> {
        let world = self.read()?;
        let total_bytes = world.capacity_bytes.unwrap_or(TOTAL_BYTES);
        Ok(Space { total_bytes, usable_bytes: total_bytes.saturating_sub(world.used_bytes) })
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        self.open(path, OpenMode::Create)?;
        let is_free = lock(&self.world).locks.insert(path.to_path_buf());
        let guard = || LockGuard { disk: self.clone(), path: path.to_path_buf() };
        Ok(is_free.then(|| Box::new(guard()) as Box<dyn Send + Sync>))
    }
}

/// Releases a lock file when dropped.
struct LockGuard {
    disk: FaultyDisk,
    path: PathBuf,
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        let mut world = lock(&self.disk.world);
        if world.run == self.disk.run {
            world.locks.remove(&self.path);
        }
    }
}

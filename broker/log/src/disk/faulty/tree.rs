//! The names of the disk: as the process sees them, as they would be after a power cut, and the
//! changes between the two, for each directory.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::content::Content;
use super::random::Random;

#[derive(Clone, Debug)]
pub(super) enum Node {
    Dir(Arc<Mutex<Dir>>),
    File(Arc<Mutex<Content>>),
}

/// One directory.
#[derive(Debug, Default)]
pub(super) struct Dir {
    now: BTreeMap<String, Node>,
    durable: BTreeMap<String, Node>,
    unsynced: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Link(String, Node),
    Rename(String, String),
    Unlink(String),
}

/// Takes the lock; a panic elsewhere has spoiled nothing that a test could still rely on.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Dir {
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        self.now.get(name)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (&String, &Node)> {
        self.now.iter()
    }

    pub(super) fn link(&mut self, name: &str, node: Node) {
        self.change(Change::Link(name.to_owned(), node));
    }

    /// Renames within the directory. The caller has made sure that `from` exists.
    pub(super) fn rename(&mut self, from: &str, to: &str) {
        self.change(Change::Rename(from.to_owned(), to.to_owned()));
    }

    pub(super) fn unlink(&mut self, name: &str) {
        self.change(Change::Unlink(name.to_owned()));
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.now);
        self.unsynced.push(change);
    }

    pub(super) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    /// What a power cut leaves: of the unsynced changes none, all, the first, or any.
    fn lose(&mut self, random: &mut Random) {
        let changes = std::mem::take(&mut self.unsynced);
        let first = match random.below(4) {
            0 => 0,
            1 => changes.len(),
            _ => random.index(changes.len() + 1),
        };
        let scatters = random.coin();
        for (index, change) in changes.into_iter().enumerate() {
            let survives = if scatters { random.coin() } else { index < first };
            if survives {
                change.apply(&mut self.durable);
            }
        }
        self.now.clone_from(&self.durable);
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, Node>) {
        match self {
            Change::Link(name, node) => {
                names.insert(name.clone(), node.clone());
            }
            Change::Rename(from, to) => {
                // After a power cut the file may never have had the name.
                if let Some(node) = names.remove(from) {
                    names.insert(to.clone(), node);
                }
            }
            Change::Unlink(name) => {
                names.remove(name);
            }
        }
    }
}

/// Loses unsynced names and bytes in a directory and all below it.
pub(super) fn lose(dir: &Mutex<Dir>, random: &mut Random) {
    let mut dir = lock(dir);
    dir.lose(random);
    for node in dir.now.values() {
        match node {
            Node::Dir(below) => lose(below, random),
            Node::File(file) => lock(file).lose(random),
        }
    }
}

/// Bytes of the files in a directory and all below it; notes which have a name.
pub(super) fn count_bytes(dir: &Mutex<Dir>) -> u64 {
    let count = |node: &Node| match node {
        Node::Dir(below) => count_bytes(below),
        Node::File(file) => {
            let mut file = lock(file);
            file.is_linked = true;
            file.len()
        }
    };
    lock(dir).now.values().map(count).sum()
}

/// The directory of a path.
pub(super) fn find_dir(root: &Arc<Mutex<Dir>>, path: &Path) -> io::Result<Arc<Mutex<Dir>>> {
    match find(root, path)? {
        Node::Dir(dir) => Ok(dir),
        Node::File(_) => Err(io::ErrorKind::NotADirectory.into()),
    }
}

/// Whatever is at a path.
pub(super) fn find(root: &Arc<Mutex<Dir>>, path: &Path) -> io::Result<Node> {
    let mut node = Node::Dir(root.clone());
    for name in names(path)? {
        let Node::Dir(dir) = node else {
            return Err(io::ErrorKind::NotADirectory.into());
        };
        node = lock(&dir).get(name).cloned().ok_or(io::ErrorKind::NotFound)?;
    }
    Ok(node)
}

/// The directory that holds a path, and the last part of the path.
pub(super) fn find_parent<'a>(
    root: &Arc<Mutex<Dir>>,
    path: &'a Path,
) -> io::Result<(Arc<Mutex<Dir>>, &'a str)> {
    let name = names(path)?.pop().ok_or(io::ErrorKind::InvalidInput)?;
    Ok((find_dir(root, path.parent().unwrap_or(Path::new("")))?, name))
}

/// The parts of a path. Relative ones begin at the root.
pub(super) fn names(path: &Path) -> io::Result<Vec<&str>> {
    path.components()
        .filter_map(|component| match component {
            Component::RootDir | Component::CurDir => None,
            Component::Normal(name) => name.to_str().map(Ok),
            Component::ParentDir | Component::Prefix(_) => {
                Some(Err(io::ErrorKind::InvalidInput.into()))
            }
        })
        .collect()
}

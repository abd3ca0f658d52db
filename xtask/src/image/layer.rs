//! The one layer of an image: a tar file that is the same wherever and whenever it is written.
//!
//! Nothing of the machine gets in: times are 0, owners are numbers, the order is that of the paths.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use tar::{Builder, EntryType, Header};

/// The user and group that our programs run as; the number that others use for "not root", too.
pub const USER: u64 = 65532;

/// What stands at a path.
#[derive(Clone, Debug)]
enum Content {
    Directory,
    File(Vec<u8>),
}

#[derive(Clone, Debug)]
struct Entry {
    content: Content,
    mode: u32,
    owner: u64,
}

/// The files of an image by their paths, which have no slash in front.
#[derive(Clone, Debug, Default)]
pub struct Layer {
    entries: BTreeMap<String, Entry>,
}

impl Layer {
    /// Adds a file of root's that everybody may read, and the directories above it.
    pub fn file(&mut self, path: &str, content: impl Into<Vec<u8>>) {
        self.put(path, Content::File(content.into()), 0o644, 0);
    }

    /// Adds a program of root's that everybody may run, and the directories above it.
    pub fn program(&mut self, path: &str, content: impl Into<Vec<u8>>) {
        self.put(path, Content::File(content.into()), 0o755, 0);
    }

    /// Adds an empty directory and those above it.
    pub fn directory(&mut self, path: &str, mode: u32, owner: u64) {
        self.put(path, Content::Directory, mode, owner);
    }

    fn put(&mut self, path: &str, content: Content, mode: u32, owner: u64) {
        for (end, _) in path.match_indices('/') {
            let above = Entry { content: Content::Directory, mode: 0o755, owner: 0 };
            self.entries.entry(path[..end].to_owned()).or_insert(above);
        }
        self.entries.insert(path.to_owned(), Entry { content, mode, owner });
    }

    /// The layer as a tar file, directories before what is in them.
    ///
    /// # Errors
    /// A path is too long for the format.
    pub fn tar(&self) -> Result<Vec<u8>> {
        let mut tar = Builder::new(Vec::new());
        for (path, entry) in &self.entries {
            let (kind, path, content) = match &entry.content {
                Content::Directory => (EntryType::Directory, format!("{path}/"), [].as_slice()),
                Content::File(content) => (EntryType::Regular, path.clone(), content.as_slice()),
            };
            append(&mut tar, kind, &path, content, entry.mode, entry.owner)?;
        }
        Ok(tar.into_inner()?)
    }
}

/// Adds one entry without a trace of this machine.
///
/// # Errors
/// The path is too long for the format.
pub fn append(
    tar: &mut Builder<Vec<u8>>,
    kind: EntryType,
    path: &str,
    content: &[u8],
    mode: u32,
    owner: u64,
) -> Result<()> {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_path(path).with_context(|| format!("path {path} does not fit a tar header"))?;
    header.set_size(u64::try_from(content.len())?);
    header.set_mode(mode);
    header.set_uid(owner);
    header.set_gid(owner);
    header.set_mtime(0);
    header.set_cksum();
    tar.append(&header, content)?;
    Ok(())
}

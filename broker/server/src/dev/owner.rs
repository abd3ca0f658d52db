//! Whose data a directory of laptop mode holds: the name of the manifest's cluster, in a small file.
//!
//! The ids in `meta.properties` are drawn by chance, so they cannot tell one manifest from another.

use std::path::{Path, PathBuf};

use millrace_core::config::properties::{self, PropertiesError};
use millrace_log::checkpoint::{CheckpointError, read_text, write_atomic};
use millrace_log::disk::Disk;

/// The file's name.
const FILE: &str = "laptop.properties";
/// The key of the name.
const NAME: &str = "cluster.name";

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OwnerError {
    /// It holds the data of another cluster.
    #[error(
        "{} holds the data of cluster {found:?}, and the manifest is that of cluster {wanted:?}: \
         choose another --data-dir",
        dir.display()
    )]
    Foreign {
        /// The directory.
        dir: PathBuf,
        /// Whose it is.
        found: String,
        /// Who wants it.
        wanted: String,
    },
    /// The file cannot be read or written.
    #[error(transparent)]
    Disk(#[from] CheckpointError),
    /// The file is no properties file.
    #[error("{}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: PropertiesError,
    },
}

/// Checks that a directory is nobody's, or that of the cluster `wanted`.
///
/// # Errors
/// See [`OwnerError`].
pub fn check(disk: &dyn Disk, dir: &Path, wanted: &str) -> Result<(), OwnerError> {
    match read(disk, dir)? {
        Some(found) if found != wanted => {
            Err(OwnerError::Foreign { dir: dir.to_path_buf(), found, wanted: wanted.to_owned() })
        }
        Some(_) | None => Ok(()),
    }
}

/// Writes down that a directory is that of the cluster `name`; to be called by who has it open.
///
/// # Errors
/// See [`OwnerError`].
pub fn claim(disk: &dyn Disk, dir: &Path, name: &str) -> Result<(), OwnerError> {
    if read(disk, dir)?.is_none() {
        let text = format!("# The cluster whose manifest this directory is for.\n{NAME}={name}\n");
        write_atomic(disk, &dir.join(FILE), text.as_bytes())?;
    }
    Ok(())
}

fn read(disk: &dyn Disk, dir: &Path) -> Result<Option<String>, OwnerError> {
    let path = dir.join(FILE);
    let Some(text) = read_text(disk, &path)? else { return Ok(None) };
    let found = properties::parse(&text).map_err(|source| OwnerError::Syntax { path, source })?;
    Ok(found.into_iter().find(|found| found.name == NAME).map(|found| found.value))
}

#[cfg(test)]
mod tests {
    use super::{check, claim};
    use crate::env::Env;

    #[test]
    fn a_directory_stays_that_of_the_cluster_that_came_first() {
        let root = tempfile::tempdir().unwrap();
        let (env, dir) = (Env::real(), root.path());
        let told = |name: &str| check(&*env.disk, dir, name).map_err(|error| error.to_string());
        assert_eq!(told("one"), Ok(()));
        claim(&*env.disk, dir, "one").unwrap();
        claim(&*env.disk, dir, "two").unwrap();
        assert_eq!(told("one"), Ok(()));
        let refusal = format!(
            "{} holds the data of cluster \"one\", and the manifest is that of cluster \"two\": \
             choose another --data-dir",
            dir.display()
        );
        assert_eq!(told("two"), Err(refusal));
    }
}

//! `meta.properties`: whose a directory is.
//!
//! ```text
//! version=1
//! cluster.id=AbCdEfGhIjKlMnOpQrStUv
//! node.id=1
//! directory.id=XyZ0123456789abcdefghi
//! ```
//! Source: Kafka's `MetaProperties`, KIP-858.

use std::collections::BTreeMap;
use std::path::Path;

use millrace_types::{BrokerId, Uuid};

use super::LogDirError;
use crate::checkpoint;
use crate::disk::Disk;
use crate::error::LogError;

pub(super) const META_PROPERTIES: &str = "meta.properties";
const VERSION: &str = "1";

/// Whose a directory is: the content of `meta.properties`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    /// `cluster.id`.
    pub cluster_id: String,
    /// `node.id`.
    pub node_id: BrokerId,
    /// `directory.id`.
    pub directory_id: Uuid,
}

/// Reads the file; `None` if there is none.
pub(super) fn read(disk: &dyn Disk, root: &Path) -> Result<Option<MetaProperties>, LogDirError> {
    let path = root.join(META_PROPERTIES);
    match checkpoint::read_text(disk, &path).map_err(LogError::from)? {
        None => Ok(None),
        Some(text) => {
            parse(&text).map(Some).map_err(|reason| LogDirError::MetaProperties { path, reason })
        }
    }
}

/// Writes the file.
pub(super) fn write(
    disk: &dyn Disk,
    root: &Path,
    meta: &MetaProperties,
) -> Result<(), LogDirError> {
    let MetaProperties { cluster_id, node_id, directory_id } = meta;
    let text = format!(
        "version={VERSION}\ncluster.id={cluster_id}\nnode.id={node_id}\ndirectory.id={directory_id}\n"
    );
    checkpoint::write_atomic(disk, &root.join(META_PROPERTIES), text.as_bytes())
        .map_err(|error| LogError::from(error).into())
}

/// Compares what a disk says with what the broker is. Returns what holds from now on.
pub(super) fn check(
    root: &Path,
    found: MetaProperties,
    expected: &MetaProperties,
    checks_directory_id: bool,
) -> Result<MetaProperties, LogDirError> {
    let root = || root.to_path_buf();
    if found.cluster_id != expected.cluster_id {
        return Err(LogDirError::ForeignCluster {
            root: root(),
            found: found.cluster_id,
            expected: expected.cluster_id.clone(),
        });
    }
    if found.node_id != expected.node_id {
        let (found, expected) = (found.node_id, expected.node_id);
        return Err(LogDirError::ForeignNode { root: root(), found, expected });
    }
    if checks_directory_id && found.directory_id != expected.directory_id {
        let (found, expected) = (found.directory_id, expected.directory_id);
        return Err(LogDirError::ForeignDirectory { root: root(), found, expected });
    }
    Ok(found)
}

/// Reads the lines that Java's `Properties` writes: comments, and keys that others may have added.
fn parse(text: &str) -> Result<MetaProperties, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', '!']));
    let entries: BTreeMap<&str, String> = lines
        .filter_map(|line| line.split_once(['=', ':']))
        .map(|(key, value)| (key.trim(), value.trim().replace('\\', "")))
        .collect();
    let get = |key: &str| entries.get(key).map(String::as_str).ok_or(format!("{key} is missing"));
    let version = get("version")?;
    if version != VERSION {
        return Err(format!("version is {version}, only {VERSION} is known"));
    }
    let node_id = get("node.id")?;
    let directory_id = get("directory.id")?;
    Ok(MetaProperties {
        cluster_id: get("cluster.id")?.to_owned(),
        node_id: node_id
            .parse()
            .ok()
            .and_then(BrokerId::from_wire)
            .ok_or(format!("node.id is {node_id:?}, no number from 0 on"))?,
        directory_id: Uuid::parse(directory_id)
            .ok_or(format!("directory.id is {directory_id:?}, no 22 characters of base64"))?,
    })
}

#[cfg(test)]
mod tests {
    use millrace_types::{BrokerId, Uuid};

    use super::{MetaProperties, parse};

    #[test]
    fn the_file_is_read_as_kafka_writes_it() {
        let text = "#\n#Sat Nov 22 17:00:00 UTC 2026\ncluster.id=5L6g3nShT-eMCtK--X86sw\n\
                    directory.id=4Yz0sLBVTpmDOGMbVSK54A\nnode.id=3\nversion=1\n";
        let expected = MetaProperties {
            cluster_id: "5L6g3nShT-eMCtK--X86sw".to_owned(),
            node_id: BrokerId::from_wire(3).unwrap(),
            directory_id: Uuid::parse("4Yz0sLBVTpmDOGMbVSK54A").unwrap(),
        };
        assert_eq!(parse(text), Ok(expected));
    }

    #[test]
    fn what_is_missing_or_impossible_is_named() {
        let good = [
            ("version", "1"),
            ("cluster.id", "a"),
            ("node.id", "1"),
            ("directory.id", "4Yz0sLBVTpmDOGMbVSK54A"),
        ];
        for (key, value, expected) in [
            ("version", None, "version is missing"),
            ("version", Some("0"), "version is 0, only 1 is known"),
            ("cluster.id", None, "cluster.id is missing"),
            ("node.id", Some("-1"), "node.id is \"-1\", no number from 0 on"),
            ("node.id", Some("x"), "node.id is \"x\", no number from 0 on"),
            ("directory.id", Some("zz"), "directory.id is \"zz\", no 22 characters of base64"),
        ] {
            let lines = good.iter().filter_map(|(name, usual)| {
                let value = if *name == key { value? } else { *usual };
                Some(format!("{name}={value}\n"))
            });
            assert_eq!(parse(&lines.collect::<String>()), Err(expected.to_owned()), "{key}");
        }
    }
}

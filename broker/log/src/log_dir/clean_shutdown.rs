//! The mark that a process leaves when it ended cleanly: `.kafka_cleanshutdown`.
//!
//! ```text
//! {"version":"0","broker_epoch":"42"}
//! ```
//! Its being there is what counts. Source: Kafka's `CleanShutdownFileHandler`, KIP-966.

use std::path::Path;

use super::CleanShutdown;
use crate::checkpoint;
use crate::disk::Disk;
use crate::error::{IoContext, LogError};

const FILE: &str = ".kafka_cleanshutdown";

/// Reads the mark and removes it, durably: should this process die, its logs need recovery.
pub(super) fn take(disk: &dyn Disk, root: &Path) -> Result<Option<CleanShutdown>, LogError> {
    let path = root.join(FILE);
    let Some(text) = checkpoint::read_text(disk, &path)? else {
        return Ok(None);
    };
    disk.remove_file(&path).at("remove", &path)?;
    disk.sync_dir(root).at("sync", root)?;
    Ok(Some(CleanShutdown { broker_epoch: broker_epoch(&text) }))
}

/// Leaves the mark.
pub(super) fn write(
    disk: &dyn Disk,
    root: &Path,
    broker_epoch: Option<i64>,
) -> Result<(), LogError> {
    let epoch = broker_epoch.unwrap_or(-1);
    let text = format!("{{\"version\":\"0\",\"broker_epoch\":\"{epoch}\"}}");
    Ok(checkpoint::write_atomic(disk, &root.join(FILE), text.as_bytes())?)
}

/// The value of the one key that matters. Kafka before 3.9 writes an empty file.
fn broker_epoch(text: &str) -> Option<i64> {
    let (_, rest) = text.split_once("\"broker_epoch\"")?;
    let value = rest.trim_start().strip_prefix(':')?.trim_start_matches([' ', '"']);
    let end = value.find(['"', ',', '}', ' ']).unwrap_or(value.len());
    value.get(..end)?.parse().ok().filter(|&epoch: &i64| epoch >= 0)
}

#[cfg(test)]
mod tests {
    use super::broker_epoch;

    #[test]
    fn the_epoch_is_read_as_kafka_writes_it() {
        for (text, expected) in [
            ("{\"version\":\"0\",\"broker_epoch\":\"42\"}", Some(42)),
            ("{\"broker_epoch\":\"7\",\"version\":\"0\"}", Some(7)),
            ("{ \"broker_epoch\" : 7 }", Some(7)),
            ("{\"version\":\"0\",\"broker_epoch\":\"-1\"}", None),
            ("", None),
            ("{\"broker_epoch\":\"x\"}", None),
        ] {
            assert_eq!(broker_epoch(text), expected, "{text}");
        }
    }
}

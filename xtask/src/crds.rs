//! The definitions of the Kubernetes resources; a test of `millrace-crds` holds them current.

use std::fs;

use anyhow::Result;
use millrace_crds::definition;

use crate::step::root;

/// Where they stand: beside their types, and in the chart, which cannot reach out of its folder.
const FOLDERS: [&str; 2] = ["crds", "charts/millrace/files/crds"];

/// Writes `crds/*.yaml` and the chart's copies.
///
/// # Errors
/// A file cannot be written.
pub fn write() -> Result<String> {
    let mut names = Vec::new();
    for folder in FOLDERS {
        fs::create_dir_all(root().join(folder))?;
        for (name, text) in definition::files() {
            fs::write(root().join(folder).join(name), text)?;
            names.push(format!("{folder}/{name}"));
        }
    }
    Ok(format!("wrote {}", names.join(", ")))
}

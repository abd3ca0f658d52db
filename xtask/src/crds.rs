//! The definitions of the Kubernetes resources; a test of `millrace-crds` holds them current.

use std::fs;

use anyhow::Result;
use millrace_crds::definition;

use crate::step::root;

/// Writes `crds/*.yaml`.
///
/// # Errors
/// A file cannot be written.
pub fn write() -> Result<String> {
    let mut names = Vec::new();
    for (name, text) in definition::files() {
        fs::write(root().join("crds").join(name), text)?;
        names.push(format!("crds/{name}"));
    }
    Ok(format!("wrote {}", names.join(", ")))
}

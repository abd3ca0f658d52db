//! Turns `schema/*.txt` into the Rust modules of the messages.
//!
//! `parse` reads the notation into the `model`, `emit` writes Rust text into `$OUT_DIR`:
//! `messages.rs` (included by `src/messages.rs`), `api_key.rs` (by `src/api_key.rs`) and
//! `samples.rs`, random values of every message, which only tests and examples include.

#![expect(clippy::print_stdout, reason = "how a build script talks to cargo")]

mod emit;
mod model;
mod parse;

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), String> {
    let folder = Path::new("schema");
    println!("cargo::rerun-if-changed=schema");
    println!("cargo::rerun-if-changed=build");
    let out = PathBuf::from(env::var("OUT_DIR").map_err(|error| format!("OUT_DIR: {error}"))?);

    let mut schemas = Vec::new();
    for path in files(folder)? {
        let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let schema = parse::schema(stem, &text).map_err(|e| format!("{}: {e}", path.display()))?;
        schemas.push(schema);
    }

    write(&out.join("api_key.rs"), &emit::api_key::file(&schemas))?;
    write(&out.join("messages.rs"), &emit::messages(&schemas))?;
    write(&out.join("samples.rs"), &emit::samples::file(&schemas))
}

/// The schema files, in the order of their names: by API number, then those without one.
fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| format!("{}: {e}", folder.display()))?.path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}

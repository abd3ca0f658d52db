//! Tables for people: printed, and put into `docs/benchmarks.md` in place of the last ones.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// A table with a name.
pub struct Table {
    name: &'static str,
    lines: Vec<String>,
    notes: Vec<String>,
}

impl Table {
    /// Starts a table.
    pub fn new(name: &'static str, columns: &[&str]) -> Table {
        let rule = columns.iter().map(|_| "---|").collect::<String>();
        let lines = vec![format!("| {} |", columns.join(" | ")), format!("|{rule}")];
        Table { name, lines, notes: Vec::new() }
    }

    /// Adds a row and prints it.
    #[expect(clippy::print_stdout, reason = "the output is what the command is for")]
    pub fn row(&mut self, cells: &[String]) {
        let line = format!("| {} |", cells.join(" | "));
        println!("{}: {line}", self.name);
        self.lines.push(line);
    }

    /// Adds a sentence behind the rows and prints it.
    #[expect(clippy::print_stdout, reason = "the output is what the command is for")]
    pub fn note(&mut self, text: &str) {
        println!("{}: {text}", self.name);
        self.notes.push(text.to_owned());
    }

    /// Puts the table between its marks in the document.
    pub fn write(&self) -> Result<()> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/benchmarks.md");
        let text = fs::read_to_string(&path)?;
        let (open, close) =
            (format!("<!-- {} -->", self.name), format!("<!-- end of {} -->", self.name));
        let missing = || format!("{} has no {open}", path.display());
        let (before, rest) = text.split_once(&open).with_context(missing)?;
        let (_, after) = rest.split_once(&close).with_context(missing)?;
        let mut text = self.lines.join("\n");
        if !self.notes.is_empty() {
            text.push_str("\n\n");
            text.push_str(&self.notes.join("\n"));
        }
        fs::write(&path, format!("{before}{open}\n{text}\n{close}{after}"))?;
        Ok(())
    }
}

//! The table of figures: printed, and put into `docs/benchmarks.md` in place of the last one.

use std::path::Path;

/// A table of figures with a name.
pub struct Table {
    name: &'static str,
    lines: Vec<String>,
}

impl Table {
    /// Starts a table.
    pub fn new(name: &'static str) -> Table {
        Table { name, lines: vec!["| figure | value |".to_owned(), "|---|---|".to_owned()] }
    }

    /// Adds a row and prints it.
    #[expect(clippy::print_stdout, reason = "the output is what the command is for")]
    pub fn row(&mut self, figure: &str, value: &str) {
        let line = format!("| {figure} | {value} |");
        println!("{line}");
        self.lines.push(line);
    }

    /// Puts the table between its marks in the document.
    pub fn write(&self) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks.md");
        let text = std::fs::read_to_string(&path).expect("the document");
        let (open, close) =
            (format!("<!-- {} -->", self.name), format!("<!-- end of {} -->", self.name));
        let (before, rest) = text.split_once(&open).expect("the mark before");
        let (_, after) = rest.split_once(&close).expect("the mark behind");
        let table = self.lines.join("\n");
        let text = format!("{before}{open}\n{table}\n{close}{after}");
        std::fs::write(&path, text).expect("the document is written");
    }
}

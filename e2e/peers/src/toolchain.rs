//! The toolchains that a machine may have, and what is left out where one is missing.

use std::fs::File;
use std::io::Write as _;
use std::process::Command;

/// A toolchain that some tests need beside Rust and a C compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Toolchain {
    /// Python 3 with `venv` and `pip`.
    Python,
    /// Java 17 or later, with its compiler, and Maven.
    Java,
    /// Node.js with npm.
    Node,
    /// Go.
    Go,
}

impl Toolchain {
    /// All of them, in the order in which they are reported.
    pub const ALL: [Toolchain; 4] =
        [Toolchain::Python, Toolchain::Java, Toolchain::Node, Toolchain::Go];

    /// The name for people and for `MILLRACE_WITHOUT`.
    pub fn name(self) -> &'static str {
        match self {
            Toolchain::Python => "python",
            Toolchain::Java => "java",
            Toolchain::Node => "node",
            Toolchain::Go => "go",
        }
    }

    /// The tests that need it, in a few words.
    pub fn tests(self) -> &'static str {
        match self {
            Toolchain::Python => "confluent-kafka, aiokafka, kafka-python, fault tests",
            Toolchain::Java => "Java client, command line tools, proofs against Kafka's own code",
            Toolchain::Node => "kafkajs",
            Toolchain::Go => "franz-go",
        }
    }

    /// The programs that must answer, each with the argument that makes it say its version.
    fn programs(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Toolchain::Python => &[("python3", "--version")],
            Toolchain::Java => &[("java", "-version"), ("javac", "-version"), ("mvn", "--version")],
            Toolchain::Node => &[("node", "--version"), ("npm", "--version")],
            Toolchain::Go => &[("go", "version")],
        }
    }

    /// Asks the machine; the error names the first program that does not answer.
    ///
    /// `MILLRACE_WITHOUT=node,go` makes toolchains count as missing.
    ///
    /// # Errors
    /// What is missing, in words.
    pub fn probe(self) -> Result<(), String> {
        let without = std::env::var("MILLRACE_WITHOUT").unwrap_or_default();
        if without.split(',').any(|name| name.trim() == self.name()) {
            return Err(format!("{} is left out by MILLRACE_WITHOUT", self.name()));
        }
        for (program, argument) in self.programs() {
            let answer = Command::new(program).arg(argument).output();
            if !answer.is_ok_and(|output| output.status.success()) {
                return Err(format!("`{program} {argument}` does not answer"));
            }
        }
        Ok(())
    }

    /// Whether `test` can run here; where it cannot, says so and notes it as left out.
    ///
    /// `cargo xtask test` counts what is noted in the file `$MILLRACE_LEFT_OUT` as skipped.
    pub fn is_here_for(self, test: &str) -> bool {
        match self.probe() {
            Ok(()) => true,
            Err(missing) => {
                leave_out(test, &missing);
                false
            }
        }
    }
}

/// Says that a test cannot run here and why, and notes it as left out.
pub fn leave_out(test: &str, reason: &str) {
    let line = format!("{test}: left out, {reason}\n");
    print_line(&line);
    if let Some(path) = std::env::var_os("MILLRACE_LEFT_OUT")
        && let Ok(mut file) = File::options().create(true).append(true).open(path)
    {
        // A note that cannot be written leaves the test counted as passed, which it did.
        let _ = file.write_all(line.as_bytes());
    }
}

#[expect(clippy::print_stdout, reason = "the test's own output")]
fn print_line(line: &str) {
    print!("{line}");
}

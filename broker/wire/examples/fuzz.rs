//! The long run of the fuzzer of `tests/fuzz.rs`:
//!
//! ```text
//! cargo run --release -p millrace-wire --example fuzz -- --inputs 100000000 [--seed 1] [--first 0]
//! ```

#[path = "../tests/harness/fuzz.rs"]
mod fuzz;
#[path = "../tests/harness/samples.rs"]
mod samples;

use std::io::Write as _;
use std::time::Instant;

use fuzz::{Fuzz, Totals};

/// Inputs between two lines of progress.
const STRIDE: u64 = 1_000_000;

fn main() -> Result<(), String> {
    let (mut inputs, mut seed, mut first) = (100_000_000, 1, 0);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a number"))?;
        let number: u64 = value.parse().map_err(|_| format!("{name} {value}: not a number"))?;
        match name.as_str() {
            "--inputs" => inputs = number,
            "--seed" => seed = number,
            "--first" => first = number,
            _ => return Err(format!("{name}: expected --inputs, --seed or --first")),
        }
    }
    let start = Instant::now();
    let mut fuzz = Fuzz::new(seed);
    let mut totals = Totals::default();
    let mut out = std::io::stdout();
    while totals.inputs < inputs {
        let part = fuzz.run(first + totals.inputs, STRIDE.min(inputs - totals.inputs));
        totals.inputs += part.inputs;
        totals.decoded += part.decoded;
        totals.bytes += part.bytes;
        totals.largest_allocation = totals.largest_allocation.max(part.largest_allocation);
        let seconds = start.elapsed().as_secs_f64();
        let line = format!(
            "\r{} of {inputs} inputs in {seconds:.0} s, {} bytes each, {:.1} % decoded, largest \
             allocation {} bytes, no panic",
            totals.inputs,
            totals.bytes / totals.inputs.max(1),
            100.0 * totals.decoded as f64 / totals.inputs as f64,
            totals.largest_allocation,
        );
        out.write_all(line.as_bytes()).and_then(|()| out.flush()).map_err(|e| e.to_string())?;
    }
    out.write_all(b"\n").map_err(|e| e.to_string())
}

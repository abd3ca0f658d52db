//! `soak --minutes N`: many clients come and go, and the broker stays as it was.

use std::process::ExitCode;
use std::time::Duration;

use millrace_e2e::soak;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let minutes = match words.as_slice() {
        [] => Some(60),
        [flag, number] if flag == "--minutes" => number.parse().ok(),
        _ => None,
    };
    let Some(minutes) = minutes else {
        say(&format!("expected --minutes N, got {words:?}"));
        return ExitCode::FAILURE;
    };
    match soak::run(Duration::from_secs(minutes * 60)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "the output is what the command is for")]
fn say(line: &str) {
    println!("{line}");
}

//! Once the faults have stopped, every client gets its work done.

use crate::history::{Event, History};

pub(super) fn check(history: &History) -> Result<u64, String> {
    for event in history.events() {
        if let Event::Stuck { what } = event {
            return Err(what.clone());
        }
    }
    if history.events().any(|event| *event == Event::Healed) {
        Ok(1)
    } else {
        Err("the run ended before its faults did".to_owned())
    }
}

//! Once the faults have stopped, every client gets its work done.

use crate::history::{Event, History};

pub(super) fn check(history: &History) -> Result<(), String> {
    let mut healed = false;
    for event in history.events() {
        match event {
            Event::Healed => healed = true,
            Event::Stuck { what } => return Err(what.clone()),
            _ => {}
        }
    }
    if healed { Ok(()) } else { Err("the run ended before its faults did".to_owned()) }
}

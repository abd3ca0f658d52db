//! The timer of a shard: a task that sleeps until the coordinator's next deadline, and is there only
//! while there is one.

use std::sync::Arc;
use std::time::Duration;

use millrace_core::group::Input;

use super::{Life, Shard, State};

/// What the timer is to do.
enum Alarm {
    Sleep(Duration),
    Tick,
    End,
}

impl Shard {
    /// Sees to it that somebody wakes at the next deadline.
    pub(super) fn arm_timer(self: &Arc<Self>, state: &mut State) {
        let Life::Serving(serving) = &state.life else { return };
        let Some(deadline) = serving.coordinator.next_deadline() else { return };
        match state.timer_until {
            // A deadline that moved away is found when the timer wakes.
            Some(until) if until <= deadline => {}
            Some(_) => {
                state.timer_until = Some(deadline);
                self.timer.notify_one();
            }
            None => {
                state.timer_until = Some(deadline);
                let shard = Arc::clone(self);
                self.env.tasks.spawn("group timer", async move { shard.run_timer().await });
            }
        }
    }

    async fn run_timer(self: Arc<Self>) {
        loop {
            match self.next_alarm() {
                Alarm::End => return,
                Alarm::Tick => {
                    let effects = {
                        let mut state = self.lock();
                        self.step(&mut state, Input::Tick)
                    };
                    self.finish(effects);
                }
                Alarm::Sleep(duration) => tokio::select! {
                    biased;
                    () = self.env.tasks.stopping().cancelled() => return,
                    () = self.timer.notified() => {}
                    () = tokio::time::sleep(duration) => {}
                },
            }
        }
    }

    fn next_alarm(&self) -> Alarm {
        let mut state = self.lock();
        let alarm = if let Life::Serving(serving) = &state.life {
            serving.coordinator.next_deadline().map(|deadline| (deadline, serving.clock.now()))
        } else {
            None
        };
        state.timer_until = alarm.map(|(deadline, _)| deadline);
        match alarm {
            None => Alarm::End,
            Some((deadline, now)) => match u64::try_from(deadline.since_ms(now)) {
                Ok(wait_ms) if wait_ms > 0 => Alarm::Sleep(Duration::from_millis(wait_ms)),
                Ok(_) | Err(_) => Alarm::Tick,
            },
        }
    }
}

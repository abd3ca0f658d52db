//! What a trial says: whether brokers could start from what is wanted.

use serde_json::Value;

use super::brokers::Origin;
use super::coming::{TAKES_MAX_MS, coming};
use super::{Plan, Step, Wait, apply, delete};
use crate::clock::parse_ms;
use crate::cluster::build::trial;
use crate::cluster::problem::Problem;
use crate::cluster::seen::{Pod, Run, Seen, annotation, text};
use crate::cluster::wanted::Wanted;
use crate::kind::Kind;
use crate::names;

/// How long after its end a trial is repeated that was given up.
const AGAIN_MS: i64 = 300_000;
/// From this on exit codes tell that something else has ended a program, or not started it.
const KILLED: i64 = 128;

/// What is tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt<'a> {
    /// For which broker.
    pub broker: i32,
    /// Its pod, if there is one.
    pub pod: Option<Pod<'a>>,
    /// Why it is to start again.
    pub why: &'a str,
}

/// What there is to do about a trial.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// It has shown that brokers can start.
    Starts,
    /// This comes first.
    Step(Step),
    /// Nothing for now, or until something else is wanted.
    Waits,
}

/// Has the wanted template tried for a broker.
pub(super) fn attempt(
    wanted: &Wanted,
    seen: &Seen,
    origin: &Origin,
    attempt: Attempt<'_>,
    plan: &mut Plan,
) -> Outcome {
    let own = names::own_file(&attempt.broker.to_string());
    let own = origin.config_map.pointer("/data").and_then(|files| files.get(own));
    let what = format!("{} {}", origin.template(), own.unwrap_or(&Value::Null));
    let files = name_of_configs(origin);
    let object = trial::trial(wanted, files, &what, attempt.broker, attempt.pod);
    let name = names::trial(&wanted.key.name);
    let Some(there) = seen.object(Kind::Pod, &name) else {
        let is_too_small = seen.refused.contains_key(&(Kind::Pod, name));
        let object = if is_too_small { trial::with_all_resources(object, wanted) } else { object };
        let step = apply(Kind::Pod, object, seen, plan);
        return step.map_or(Outcome::Waits, |step| {
            let reason = format!(
                "broker {} is to start anew, because {}; this shows whether it could",
                attempt.broker, attempt.why
            );
            Outcome::Step(Step { reason, ..step })
        });
    };
    if super::is_going(there) {
        let message = format!("pod {name} of an earlier trial is going");
        plan.waits.push(restart(attempt.broker, message));
        return Outcome::Waits;
    }
    if annotation(there, trial::TRIAL_OF) != annotation(&object, trial::TRIAL_OF) {
        let reason = "it tried something else than what is wanted now".to_owned();
        return Outcome::Step(delete(Kind::Pod, &name, there, reason));
    }
    judge(there, seen, attempt, plan)
}

fn name_of_configs(origin: &Origin) -> &str {
    text(&origin.config_map, "/metadata/name").unwrap_or_default()
}

/// What a trial of what is wanted has come to.
fn judge(there: &Value, seen: &Seen, attempt: Attempt<'_>, plan: &mut Plan) -> Outcome {
    let (broker, now_ms, trial) = (attempt.broker, seen.now_ms, Pod { object: there });
    let name = trial.text("/metadata/name").unwrap_or_default();
    let blocked = |reason, words: String| Problem {
        reason,
        message: format!(
            "broker {broker} is left as it is: {}, but from what is wanted it would not start: {words}",
            attempt.why
        ),
    };
    let waiting = |message: String, again_ms: Option<i64>| Wait {
        again_ms: again_ms.map(i64::unsigned_abs),
        ..restart(broker, message)
    };
    if trial.has_succeeded() {
        return Outcome::Starts;
    }
    match trial.run() {
        Run::Failing(reason, words) => {
            plan.problems.push(blocked("RestartBlocked", told(&reason, &words)));
            let left_ms = given_up(trial).map(|at_ms| at_ms + AGAIN_MS - now_ms);
            if left_ms.is_some_and(|left_ms| left_ms <= 0) {
                let reason =
                    format!("it was given up ({reason}), which says nothing of the template");
                return Outcome::Step(delete(Kind::Pod, name, there, reason));
            }
            if left_ms.is_some() {
                plan.waits
                    .push(waiting("a trial that was given up is repeated".to_owned(), left_ms));
            }
        }
        Run::Unschedulable(words) => plan.problems.push(blocked("Unschedulable", words)),
        Run::Coming => {
            let coming = coming(trial, seen);
            let but = coming.words.map(|words| format!(", but {words}")).unwrap_or_default();
            let message = format!("pod {name} tries whether it could start{but}");
            plan.waits.push(Wait { again_ms: Some(coming.again_ms), ..restart(broker, message) });
            plan.problems.extend(coming.stuck.map(|words| blocked("RestartBlocked", words)));
        }
        Run::Running | Run::Succeeded => {
            let made = trial.text("/metadata/creationTimestamp").and_then(parse_ms);
            let left_ms = made.map(|at_ms| at_ms + TAKES_MAX_MS - now_ms);
            if left_ms.is_some_and(|left_ms| left_ms <= 0) {
                let words = format!("its trial takes longer than {} s", TAKES_MAX_MS / 1_000);
                plan.problems.push(blocked("RestartBlocked", words));
            } else {
                let message = format!("pod {name} tries whether it could start");
                plan.waits.push(waiting(message, left_ms));
            }
        }
    }
    Outcome::Waits
}

/// Why a container does not run, in one text.
pub(super) fn told(reason: &str, words: &str) -> String {
    if words.is_empty() { reason.to_owned() } else { format!("{reason}: {words}") }
}

/// When a trial ended without its own verdict (its node evicted it, went down, ran out of memory), in
/// milliseconds since 1970; none where its program has said no, or is none.
fn given_up(trial: Pod<'_>) -> Option<i64> {
    let ended = trial.container_status().and_then(|status| status.pointer("/state/terminated"));
    let code = ended.and_then(|ended| ended.get("exitCode")?.as_i64());
    let is_killed = code.is_some_and(|code| code >= KILLED);
    let is_evicted = trial.text("/status/reason").is_some()
        || (code.is_none() && trial.text("/status/phase") == Some("Failed"));
    let at = ended.and_then(|ended| text(ended, "/finishedAt"));
    let at = at.or_else(|| trial.text("/metadata/creationTimestamp")).and_then(parse_ms);
    at.filter(|_| is_killed || is_evicted)
}

/// Notes what the restart of a broker waits for.
pub(super) fn restart(broker: i32, message: String) -> Wait {
    Wait { reason: "Restarting", step: format!("restart broker {broker}"), message, again_ms: None }
}

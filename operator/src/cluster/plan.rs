//! What to do next for a cluster, and why: the next step that is safe, or what is waited for.
//!
//! Pure. The stages run in an order in which each rests on those before it; the first that has
//! something to do decides. After a step is done the plan is made anew from what is seen then, so
//! the operator may stop between any two steps, or be another one.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use self::brokers::Origin;
use super::build::{external, policies, services};
use super::problem::Problem;
use super::seen::{Seen, annotation, text};
use super::wanted::Wanted;
use crate::kind::Kind;
use crate::{names, ownership, same};

mod brokers;
mod coming;
pub mod configs;
mod external_addresses;
pub mod keep;
mod left_over;
mod rollout;
mod storage;
#[cfg(test)]
mod tests;
mod trial;

pub use storage::{cluster_id, replaced_directory};

/// What to do next.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The next step; `None` if there is nothing to do, or all that is to be done waits.
    pub step: Option<Step>,
    /// What is waited for.
    pub waits: Vec<Wait>,
    /// What is wrong and needs a person.
    pub problems: Vec<Problem>,
}

/// One change, safe to make.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What changes.
    pub action: Action,
    /// Why.
    pub reason: String,
}

/// What changes.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// An object becomes what it is to be.
    Apply {
        /// Its kind.
        kind: Kind,
        /// Its name.
        name: String,
        /// What it is to be.
        object: Value,
    },
    /// An object's spec becomes what it is to be and nothing else.
    Replace {
        /// Its kind.
        kind: Kind,
        /// Its name.
        name: String,
        /// The object that it is to be.
        object: Value,
    },
    /// An object goes.
    Delete {
        /// Its kind.
        kind: Kind,
        /// Its name.
        name: String,
        /// Its uid: no other of the same name.
        uid: String,
        /// Whether what belongs to it stays.
        keeps_children: bool,
    },
    /// An object that went with the cluster stays.
    LetGo {
        /// Its kind.
        kind: Kind,
        /// Its name.
        name: String,
        /// Its uid.
        uid: String,
        /// The uid of the owner that it no longer has.
        owner: String,
    },
    /// A pod that is being deleted, and of which nothing runs any more, goes at once.
    Release {
        /// Its name.
        name: String,
        /// Its uid: no other of the same name.
        uid: String,
    },
    /// Configs are set on all brokers while they run, or taken back.
    SetConfigs(BTreeMap<String, Option<String>>),
}

/// Something that is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// In one word, for machines.
    pub reason: &'static str,
    /// What is to be done.
    pub step: String,
    /// What it waits for.
    pub message: String,
    /// When to look again though nothing was seen to change, in milliseconds from now.
    pub again_ms: Option<u64>,
}

/// Finds the next step.
pub fn plan(wanted: &Wanted, seen: &Seen) -> Plan {
    let mut plan = Plan::default();
    let kept = keep::next(&wanted.uid, keep::Kept::of(&wanted.spec), seen);
    if let Some(step) = kept.filter(|step| !is_refused(&step.action, seen)) {
        plan.step = Some(step);
        return plan;
    }
    let cluster_id = match storage::cluster_id(wanted, seen) {
        Ok(cluster_id) => cluster_id,
        Err(problem) => {
            plan.problems.push(problem);
            return plan;
        }
    };
    let step = next(wanted, seen, &cluster_id, &mut plan);
    plan.step = step.filter(|step| !is_refused(&step.action, seen));
    let refused = seen.refused_deletes.values().cloned();
    plan.problems.extend(refused.map(|message| Problem { reason: "Refused", message }));
    plan
}

fn next(wanted: &Wanted, seen: &Seen, cluster_id: &str, plan: &mut Plan) -> Option<Step> {
    let step = around(wanted, seen, plan);
    if step.is_some() {
        return step;
    }
    external_addresses::wait(wanted, seen, plan);
    let origin = Origin::of(wanted, seen, cluster_id);
    let mut untried = None;
    match brokers::change(wanted, seen, &origin, plan) {
        Some(change) if change.is_untried => untried = Some(change.step),
        Some(change) => return Some(change.step),
        None => {}
    }
    storage::look_after(wanted, seen, cluster_id, plan)
        .or_else(|| {
            let step = rollout::next(wanted, seen, &origin, untried, plan);
            step.filter(|step| !(is_restart(wanted, step) && are_pods_refused(seen)))
        })
        .or_else(|| configs::set(wanted, seen, plan))
        .or_else(|| left_over::next(wanted, seen, &origin))
}

/// Whether a step takes a broker down.
fn is_restart(wanted: &Wanted, step: &Step) -> bool {
    let trial = names::trial(&wanted.key.name);
    matches!(&step.action, Action::Delete { kind: Kind::Pod, name, .. } if *name != trial)
}

/// What stands around the brokers.
fn around(wanted: &Wanted, seen: &Seen, plan: &mut Plan) -> Option<Step> {
    let mut all = vec![
        (Kind::ServiceAccount, policies::service_account(wanted)),
        (Kind::Service, services::headless(wanted)),
        (Kind::Service, services::bootstrap(wanted)),
    ];
    all.extend(
        external::services(wanted, seen).into_iter().map(|service| (Kind::Service, service)),
    );
    all.push((Kind::NetworkPolicy, policies::network_policy(wanted)));
    all.push((Kind::PodDisruptionBudget, policies::disruption_budget(wanted)));
    all.into_iter().find_map(|(kind, object)| apply(kind, object, seen, plan))
}

/// Whether the API refuses to delete what a step deletes.
fn is_refused(action: &Action, seen: &Seen) -> bool {
    match action {
        Action::Delete { uid, .. } | Action::Release { uid, .. } | Action::LetGo { uid, .. } => {
            seen.refused_deletes.contains_key(uid)
        }
        Action::Apply { .. } | Action::Replace { .. } | Action::SetConfigs(_) => false,
    }
}

/// Whether the API refuses what brokers start from: a restart would bring back what is there.
fn are_pods_refused(seen: &Seen) -> bool {
    seen.refused.keys().any(|(kind, _)| matches!(kind, Kind::ConfigMap | Kind::StatefulSet))
}

/// The step that makes an object what it is to be; none if it is.
fn apply(kind: Kind, object: Value, seen: &Seen, plan: &mut Plan) -> Option<Step> {
    let name = name_of(&object);
    let there = seen.object(kind, &name);
    if there.is_some_and(is_going) {
        plan.waits.push(Wait {
            reason: "ObjectGoing",
            step: format!("make {} {name} anew", kind.name()),
            message: "the old one is still being deleted".to_owned(),
            again_ms: Some(200),
        });
        return None;
    }
    let reason = match there {
        None => "it is not there".to_owned(),
        Some(there) => match same::difference(&object, there) {
            Some(field) => format!("{field} is not what it is to be"),
            None if annotation(there, names::APPLIED_DIGEST).is_none() => {
                "nothing was applied to it yet".to_owned()
            }
            None if same::difference(&same::stamped(object.clone()), there).is_some() => {
                "something that was wanted is not any more".to_owned()
            }
            None => format!("somebody has changed {}", ownership::lost(&object, there)?),
        },
    };
    let object = same::stamped(object);
    if let Some(words) = seen.refusal(kind, &name, &object) {
        let message = format!("{} {name}: {words}", kind.name());
        plan.problems.push(Problem { reason: "Refused", message });
        return None;
    }
    Some(Step { action: Action::Apply { kind, name, object }, reason })
}

/// The step that takes an object away.
fn delete(kind: Kind, name: &str, object: &Value, reason: String) -> Step {
    let (name, uid) = (name.to_owned(), uid_of(object));
    Step { action: Action::Delete { kind, name, uid, keeps_children: false }, reason }
}

fn is_going(object: &Value) -> bool {
    text(object, "/metadata/deletionTimestamp").is_some()
}

fn name_of(object: &Value) -> String {
    text(object, "/metadata/name").unwrap_or_default().to_owned()
}

fn uid_of(object: &Value) -> String {
    text(object, "/metadata/uid").unwrap_or_default().to_owned()
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Apply { kind, name, .. } => write!(f, "apply {} {name}", kind.name()),
            Action::Replace { kind, name, .. } => {
                write!(f, "replace the spec of {} {name}", kind.name())
            }
            Action::Delete { kind, name, keeps_children, .. } => {
                let rest = if *keeps_children { ", not what belongs to it" } else { "" };
                write!(f, "delete {} {name}{rest}", kind.name())
            }
            Action::Release { name, .. } => write!(f, "let Pod {name} go"),
            Action::LetGo { kind, name, .. } => {
                write!(f, "take {} {name} from its owner", kind.name())
            }
            Action::SetConfigs(changes) => {
                write!(f, "set")?;
                changes.iter().try_for_each(|(name, value)| match value {
                    Some(value) => write!(f, " {name}={value}"),
                    None => write!(f, " {name}=(default)"),
                })
            }
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.action, self.reason)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(step) = &self.step {
            writeln!(f, "next   {step}")?;
        }
        self.waits
            .iter()
            .try_for_each(|it| writeln!(f, "waits  {} ({}): {}", it.step, it.reason, it.message))?;
        self.problems.iter().try_for_each(|it| writeln!(f, "wrong  {}: {}", it.reason, it.message))
    }
}

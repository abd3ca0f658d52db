//! What to do about the topics of one cluster, and what to tell of each resource. Pure.
//!
//! Deletion is found by comparing: a topic whose owner is not among the resources is missed from
//! then on, which is noted with the topic itself, and goes when its grace is over. So no resource
//! needs a finalizer, and an operator that was down finds what happened meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use millrace_client::{OwnedTopic, TopicChange};
use millrace_crds::{DeletionPolicy, Management};
use millrace_types::TopicId;

use super::owner::Owner;
use super::verdict::Verdict;
use super::wanted::{Spec, WantedTopic};
use crate::clock;
use crate::resource::Key;

#[cfg(test)]
mod tests;

/// What is known when a plan is made.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// The topics that the cluster has.
    pub topics: &'a BTreeMap<String, OwnedTopic>,
    /// The resources that name the cluster, of all namespaces that are looked after.
    pub wanted: &'a [Arc<WantedTopic>],
    /// Namespaces, besides the cluster's own, whose resources the cluster lets in; `*` for all.
    pub allowed: &'a [String],
    /// The cluster.
    pub cluster: &'a Key,
    /// Whether a namespace is looked after: what is elsewhere cannot be seen, nor missed.
    pub watches: &'a (dyn Fn(&str) -> bool + Sync),
    /// Now, in milliseconds since 1970.
    pub now_ms: i64,
}

/// What to do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Changes, each with its reason and the resource to tell of its outcome.
    pub changes: Vec<Change>,
    /// Topics whose time is over.
    pub deletions: Vec<Deletion>,
    /// What to tell of each resource, if its change succeeds.
    pub verdicts: BTreeMap<Key, Verdict>,
    /// When the next topic goes, in milliseconds since 1970.
    pub next_at_ms: Option<i64>,
}

/// One change of one topic.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What changes.
    pub change: TopicChange,
    /// Why.
    pub reason: String,
    /// The resource that wants it; none for a topic that nobody wants any more.
    pub resource: Option<Key>,
}

/// A topic that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// Its name.
    pub topic: String,
    /// Its id: no other topic of the same name.
    pub id: TopicId,
    /// Whose it was.
    pub owner: Owner,
}

/// What is known, and the resources by uid.
struct View<'a> {
    known: Known<'a>,
    resources: BTreeMap<&'a str, &'a WantedTopic>,
}

/// Compares the topics with the resources.
pub fn plan(known: Known<'_>) -> Plan {
    let resources = known.wanted.iter().map(|it| (&*it.uid, &**it)).collect();
    let view = View { known, resources };
    let mut plan = Plan::default();
    let mut by_topic: BTreeMap<&str, Vec<&WantedTopic>> = BTreeMap::new();
    for wanted in known.wanted {
        if let Some(verdict) = refusal(&known, wanted) {
            plan.verdicts.insert(wanted.key.clone(), verdict);
        }
        // One that is wrong keeps its place: a mistake must not hand its topic to another.
        if is_let_in(&known, wanted) {
            by_topic.entry(wanted.topic()).or_default().push(wanted);
        }
    }
    let mut taken = BTreeSet::new();
    for (name, mut rivals) in by_topic {
        rivals.sort_by(|a, b| a.seniority().cmp(&b.seniority()));
        let there = known.topics.get(name);
        let winner = rivals.remove(winner(&rivals, there));
        for loser in rivals.into_iter().filter(|it| it.spec.is_ok()) {
            plan.verdicts.insert(loser.key.clone(), conflict(loser, winner, there));
        }
        taken.insert(name);
        settle(&view, winner, there, &mut plan);
    }
    for (name, topic) in known.topics.iter().filter(|(name, _)| !taken.contains(name.as_str())) {
        miss(&view, name, topic, &mut plan);
    }
    let changed: BTreeSet<&str> = plan.changes.iter().map(|it| it.change.name.as_str()).collect();
    let kept: Vec<Change> =
        keep(known).into_iter().filter(|it| !changed.contains(it.change.name.as_str())).collect();
    plan.changes.extend(kept);
    plan
}

/// Notes with topics that they are to stay, where their resources say so and nothing else may be done
/// for them: once a resource is gone it is too late.
pub fn keep(known: Known<'_>) -> Vec<Change> {
    let kept = known.wanted.iter().filter(|wanted| wanted.is_kept);
    let changes = kept.filter_map(|wanted| {
        let topic = known.topics.get(wanted.topic()).filter(|topic| is_of(topic, wanted))?;
        let owner = topic.owner.as_deref().and_then(Owner::read)?;
        if owner.policy == DeletionPolicy::Retain {
            return None;
        }
        let owner = Owner { policy: DeletionPolicy::Retain, ..owner };
        let change = release(wanted.topic(), topic, "it is to outlive its Topic");
        let noted = TopicChange { owner: Some(owner.text()), ..change.change };
        Some(Change { change: noted, ..change })
    });
    changes.collect()
}

/// Which of those who want a topic gets it, oldest first. Who owns it keeps it: an older one that
/// comes to be let in later must not take records over. Who lets it go stands in nobody's way.
fn winner(rivals: &[&WantedTopic], there: Option<&OwnedTopic>) -> usize {
    let is_owner = |it: &&WantedTopic| there.is_some_and(|topic| is_of(topic, it));
    let wants = |it: &&WantedTopic| !lets_go(it);
    let owner = rivals.iter().position(|it| is_owner(it) && wants(it));
    owner.or_else(|| rivals.iter().position(wants)).unwrap_or(0)
}

/// Whether the cluster lets the topics of a resource's namespace in.
fn is_let_in(known: &Known<'_>, wanted: &WantedTopic) -> bool {
    let namespace = &wanted.key.namespace;
    *namespace == known.cluster.namespace
        || known.allowed.iter().any(|it| it == "*" || it == namespace)
}

/// Why a resource has no say.
fn refusal(known: &Known<'_>, wanted: &WantedTopic) -> Option<Verdict> {
    let namespace = &wanted.key.namespace;
    if !is_let_in(known, wanted) {
        let message = format!(
            "Cluster {} does not let Topics of namespace {namespace} in: add it to its \
             spec.topicNamespaces",
            known.cluster
        );
        return Some(Verdict::not("NotAllowed", message));
    }
    let problems = wanted.spec.as_ref().err()?;
    let there = known.topics.get(wanted.topic()).filter(|topic| is_of(topic, wanted));
    Some(Verdict::not("InvalidSpec", problems.clone()).about(there))
}

fn lets_go(wanted: &WantedTopic) -> bool {
    wanted.spec.as_ref().is_ok_and(|spec| spec.management == Management::Unmanaged)
}

/// Whether a topic belongs to this very resource.
fn is_of(topic: &OwnedTopic, wanted: &WantedTopic) -> bool {
    let owner = topic.owner.as_deref().and_then(Owner::read);
    owner.is_some_and(|owner| *owner.uid == *wanted.uid)
}

fn conflict(loser: &WantedTopic, winner: &WantedTopic, there: Option<&OwnedTopic>) -> Verdict {
    if lets_go(loser) {
        return unmanaged(there);
    }
    let why = if there.is_some_and(|it| is_of(it, winner)) { "has it" } else { "is older" };
    let message = format!(
        "topic {} is wanted by Topic {}, too, which {why}; two resources cannot have one topic",
        winner.topic(),
        winner.key
    );
    Verdict::not("Conflict", message)
}

fn unmanaged(there: Option<&OwnedTopic>) -> Verdict {
    Verdict {
        is_ready: true,
        reason: "Unmanaged",
        message: "the topic is left as it is".to_owned(),
        id: None,
        partitions: None,
    }
    .about(there)
}

/// What becomes of the resource that gets a topic, or would.
fn settle(view: &View<'_>, wanted: &WantedTopic, there: Option<&OwnedTopic>, plan: &mut Plan) {
    let Ok(spec) = &wanted.spec else { return };
    let verdict = match (spec.management, there) {
        (Management::Unmanaged, there) => {
            if let Some(topic) = there.filter(|topic| is_of(topic, wanted)) {
                plan.changes.push(release(wanted.topic(), topic, "its Topic is not to manage it"));
            }
            unmanaged(there)
        }
        (Management::Paused, there) => {
            let message = "spec.management is Paused: nothing is changed".to_owned();
            let is_ready = there.is_some_and(|topic| differences(wanted, spec, topic).is_empty());
            Verdict { is_ready, ..Verdict::not("Paused", message) }.about(there)
        }
        (Management::Managed, None) => {
            plan.changes.push(create(wanted, spec));
            as_specified(None, spec.partitions)
        }
        (Management::Managed, Some(topic)) => manage(view, wanted, spec, topic, plan),
    };
    plan.verdicts.insert(wanted.key.clone(), verdict);
}

fn as_specified(id: Option<TopicId>, partitions: i32) -> Verdict {
    Verdict {
        is_ready: true,
        reason: "AsSpecified",
        message: "the topic is as specified".to_owned(),
        id,
        partitions: Some(partitions),
    }
}

fn create(wanted: &WantedTopic, spec: &Spec) -> Change {
    let change = TopicChange {
        name: wanted.topic().to_owned(),
        seen: None,
        expected_owner: None,
        owner: Some(wanted.owner(spec).text()),
        partitions: Some(spec.partitions),
        configs: Some(Arc::clone(&spec.configs)),
    };
    Change { change, reason: "it is not there".to_owned(), resource: Some(wanted.key.clone()) }
}

fn manage(
    view: &View<'_>,
    wanted: &WantedTopic,
    spec: &Spec,
    topic: &OwnedTopic,
    plan: &mut Plan,
) -> Verdict {
    if let Some(verdict) = keeps_out(view, wanted, spec, topic) {
        return verdict.about(Some(topic));
    }
    let differences = differences(wanted, spec, topic);
    if !differences.is_empty() {
        let change = TopicChange {
            name: wanted.topic().to_owned(),
            seen: Some(topic.id),
            expected_owner: topic.owner.clone(),
            owner: Some(wanted.owner(spec).text()),
            partitions: (spec.partitions > topic.partitions).then_some(spec.partitions),
            configs: (spec.configs != topic.configs).then(|| Arc::clone(&spec.configs)),
        };
        let (reason, resource) = (differences.join(", "), Some(wanted.key.clone()));
        plan.changes.push(Change { change, reason, resource });
    }
    if spec.partitions < topic.partitions {
        let message = format!(
            "spec.partitions: {} is below the {} that the topic has, and partitions can only be \
             added; all else is as specified",
            spec.partitions, topic.partitions
        );
        return Verdict::not("PartitionsCannotShrink", message).about(Some(topic));
    }
    as_specified(Some(topic.id), spec.partitions)
}

/// Why a topic that is there cannot be this resource's.
fn keeps_out(
    view: &View<'_>,
    wanted: &WantedTopic,
    spec: &Spec,
    topic: &OwnedTopic,
) -> Option<Verdict> {
    let Some(text) = &topic.owner else {
        let message = format!(
            "topic {} is there and belongs to no Topic; set spec.adopt to true to take it over",
            wanted.topic()
        );
        return (!spec.adopts).then(|| Verdict::not("TopicExists", message));
    };
    let Some(owner) = Owner::read(text) else {
        let message = format!("topic {} belongs to somebody else: {text}", wanted.topic());
        return Some(Verdict::not("Conflict", message));
    };
    let key = owner.key();
    // The same resource, or one that was made anew under the same name.
    if *owner.uid == *wanted.uid || key == wanted.key {
        return None;
    }
    if !(view.known.watches)(&owner.namespace) {
        let message = format!(
            "topic {} belongs to Topic {key}, in a namespace that this operator does not look \
             after",
            wanted.topic()
        );
        return Some(Verdict::not("Conflict", message));
    }
    let owner_there = view.resources.get(owner.uid.as_str());
    if owner_there.is_some_and(|it| !is_let_in(&view.known, it)) {
        let message = format!(
            "topic {} belongs to Topic {key}, whose namespace the cluster does not let in any more",
            wanted.topic()
        );
        return Some(Verdict::not("Conflict", message));
    }
    // An owner that has a say would have won, unless it lets the topic go. One that is gone leaves
    // the topic to whoever wants it: records that are wanted are not deleted.
    None
}

/// In what a topic differs from what is wanted, in words.
fn differences(wanted: &WantedTopic, spec: &Spec, topic: &OwnedTopic) -> Vec<String> {
    let mut all = Vec::new();
    if topic.owner.as_deref() != Some(&wanted.owner(spec).text()) {
        let before = topic.owner.as_deref().and_then(Owner::read);
        all.push(match before {
            None => format!("it is taken over by Topic {}", wanted.key),
            Some(owner) if owner.missed_at_ms.is_some() => "its Topic is back".to_owned(),
            Some(owner) if *owner.uid != *wanted.uid => {
                format!("it goes over from Topic {} to {}", owner.key(), wanted.key)
            }
            Some(_) => "its deletion policy changed".to_owned(),
        });
    }
    if spec.partitions > topic.partitions {
        all.push(format!("{} -> {} partitions", topic.partitions, spec.partitions));
    }
    for (name, value) in &*spec.configs {
        if topic.configs.get(name) != Some(value) {
            all.push(format!("{name}={value}"));
        }
    }
    let gone = topic.configs.keys().filter(|name| !spec.configs.contains_key(*name));
    all.extend(gone.map(|name| format!("{name}=(default)")));
    all
}

fn release(name: &str, topic: &OwnedTopic, reason: &str) -> Change {
    let change = TopicChange {
        name: name.to_owned(),
        seen: Some(topic.id),
        expected_owner: topic.owner.clone(),
        ..TopicChange::default()
    };
    Change { change, reason: format!("{reason}; it stays as it is"), resource: None }
}

/// What becomes of a topic that no resource wants.
fn miss(view: &View<'_>, name: &str, topic: &OwnedTopic, plan: &mut Plan) {
    let Some(owner) = topic.owner.as_deref().and_then(Owner::read) else { return };
    // The resource is there, though it has no say at the moment; or it cannot be seen.
    let known = &view.known;
    let is_there = view.resources.contains_key(owner.uid.as_str());
    if is_there || !(known.watches)(&owner.namespace) {
        return;
    }
    let key = owner.key();
    match (owner.policy, owner.goes_at_ms()) {
        (DeletionPolicy::Retain, _) => {
            plan.changes.push(release(name, topic, &format!("Topic {key} was deleted")));
        }
        (DeletionPolicy::Delete, Some(at)) if at <= known.now_ms => {
            plan.deletions.push(Deletion { topic: name.to_owned(), id: topic.id, owner });
        }
        (DeletionPolicy::Delete, Some(at)) => note_time(plan, at),
        (DeletionPolicy::Delete, None) => {
            let missed = Owner { missed_at_ms: Some(known.now_ms), ..owner };
            let at = missed.goes_at_ms();
            let when =
                at.map_or_else(|| "never".to_owned(), |at| format!("at {}", clock::show(at)));
            let change =
                TopicChange { owner: Some(missed.text()), ..release(name, topic, "").change };
            let reason = format!("Topic {key} was deleted; the topic goes {when}");
            plan.changes.push(Change { change, reason, resource: None });
            at.into_iter().for_each(|at| note_time(plan, at));
        }
    }
}

fn note_time(plan: &mut Plan, at_ms: i64) {
    plan.next_at_ms = Some(plan.next_at_ms.map_or(at_ms, |next| next.min(at_ms)));
}

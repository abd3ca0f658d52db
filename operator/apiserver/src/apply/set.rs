//! Sets of field paths, and their form in `managedFields` (`fieldsV1`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::schema::step::Step;
use crate::schema::{Kind, ListKind, Schema};

/// Paths, as a tree: each node's members, and what lies below a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet {
    members: BTreeSet<Step>,
    children: BTreeMap<Step, FieldSet>,
}

impl FieldSet {
    /// A set of named paths such as `["metadata", "name"]`.
    pub fn of(paths: &[&[&str]]) -> FieldSet {
        let mut set = FieldSet::default();
        for path in paths {
            let steps: Vec<Step> = path.iter().map(|name| Step::Field((*name).into())).collect();
            set.insert(&steps);
        }
        set
    }

    /// Whether there is no path.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.values().all(FieldSet::is_empty)
    }

    /// Adds a path.
    pub fn insert(&mut self, path: &[Step]) {
        match path {
            [] => {}
            [last] => {
                self.members.insert(last.clone());
            }
            [first, rest @ ..] => self.children.entry(first.clone()).or_default().insert(rest),
        }
    }

    /// Whether the step itself is a member of this node.
    pub fn has(&self, step: &Step) -> bool {
        self.members.contains(step)
    }

    /// What lies below a step.
    pub fn below(&self, step: &Step) -> Option<&FieldSet> {
        self.children.get(step)
    }

    /// Paths of either set.
    pub fn union(&self, other: &FieldSet) -> FieldSet {
        let mut all = self.clone();
        all.members.extend(other.members.iter().cloned());
        for (step, child) in &other.children {
            let mine = all.children.entry(step.clone()).or_default();
            *mine = mine.union(child);
        }
        all
    }

    /// Paths of both sets.
    pub fn intersection(&self, other: &FieldSet) -> FieldSet {
        let members = self.members.intersection(&other.members).cloned().collect();
        let children = self.children.iter().filter_map(|(step, child)| {
            Some((step.clone(), child.intersection(other.children.get(step)?)))
        });
        FieldSet { members, children: children.collect() }.compact()
    }

    /// Paths of this set that the other has not.
    pub fn difference(&self, other: &FieldSet) -> FieldSet {
        self.minus(other, false)
    }

    /// Paths of this set that neither are in the other nor lie below one that is.
    pub fn recursive_difference(&self, other: &FieldSet) -> FieldSet {
        self.minus(other, true)
    }

    fn minus(&self, other: &FieldSet, is_recursive: bool) -> FieldSet {
        let members = self.members.difference(&other.members).cloned().collect();
        let mut children = BTreeMap::new();
        for (step, child) in &self.children {
            if is_recursive && other.members.contains(step) {
                continue;
            }
            let left = match other.children.get(step) {
                Some(theirs) => child.minus(theirs, is_recursive),
                None => child.clone(),
            };
            children.insert(step.clone(), left);
        }
        FieldSet { members, children }.compact()
    }

    fn compact(mut self) -> FieldSet {
        self.children.retain(|_, child| !child.is_empty());
        self
    }

    /// The set with every named field that leads to a member as a member, too.
    pub fn with_named_fields(&self, schema: &Schema) -> FieldSet {
        let mut all = self.clone();
        all.children = BTreeMap::new();
        for (step, child) in &self.children {
            let below = match step {
                Step::Field(name) => {
                    let (below, is_named) = schema.field(name);
                    if is_named {
                        all.members.insert(step.clone());
                    }
                    below
                }
                Step::Key(_) | Step::Value(_) | Step::Index(_) => schema.item(),
            };
            all.children.insert(step.clone(), child.with_named_fields(below));
        }
        all
    }

    /// Without the fields that the server itself writes, which nobody owns.
    pub fn without_system_fields(&self) -> FieldSet {
        self.difference(&FieldSet::of(&[
            &["apiVersion"],
            &["kind"],
            &["metadata"],
            &["metadata", "name"],
            &["metadata", "namespace"],
            &["metadata", "creationTimestamp"],
            &["metadata", "selfLink"],
            &["metadata", "uid"],
            &["metadata", "clusterName"],
            &["metadata", "generation"],
            &["metadata", "managedFields"],
            &["metadata", "resourceVersion"],
        ]))
    }

    /// All paths, in order.
    pub fn paths(&self) -> Vec<Vec<Step>> {
        let mut all: Vec<Vec<Step>> =
            self.members.iter().map(|member| vec![member.clone()]).collect();
        for (step, child) in &self.children {
            for mut path in child.paths() {
                path.insert(0, step.clone());
                all.push(path);
            }
        }
        all
    }

    /// The `fieldsV1` form.
    pub fn to_fields_v1(&self) -> Value {
        let mut object = Map::new();
        for member in &self.members {
            if !self.children.contains_key(member) {
                object.insert(key_of(member), json!({}));
            }
        }
        for (step, child) in &self.children {
            let mut below = child.to_fields_v1();
            if self.members.contains(step) {
                below["."] = json!({});
            }
            object.insert(key_of(step), below);
        }
        Value::Object(object)
    }

    /// Reads the `fieldsV1` form; what is not understood is left out.
    pub fn from_fields_v1(value: &Value) -> FieldSet {
        let mut set = FieldSet::default();
        for (key, below) in value.as_object().into_iter().flatten() {
            let Some(step) = step_of(key) else { continue };
            let child = FieldSet::from_fields_v1(below);
            let is_leaf = below.as_object().is_none_or(Map::is_empty);
            if is_leaf || below.get(".").is_some() {
                set.members.insert(step.clone());
            }
            if !child.is_empty() {
                set.children.insert(step, child);
            }
        }
        set
    }
}

/// A step as a key of `fieldsV1`.
fn key_of(step: &Step) -> String {
    match step {
        Step::Field(name) => format!("f:{name}"),
        Step::Key(keys) => format!("k:{keys}"),
        Step::Value(value) => format!("v:{value}"),
        Step::Index(index) => format!("i:{index}"),
    }
}

/// A key of `fieldsV1` as a step; `None` if it is not understood.
fn step_of(key: &str) -> Option<Step> {
    let json = |text: &str| serde_json::from_str::<Value>(text).ok().map(|v| v.to_string());
    let (kind, rest) = key.split_once(':')?;
    match kind {
        "f" => Some(Step::Field(rest.to_owned())),
        "k" => json(rest).map(Step::Key),
        "v" => json(rest).map(Step::Value),
        "i" => rest.parse().ok().map(Step::Index),
        _ => None,
    }
}

/// Whether a list of this shape has items that are owned one by one.
pub fn is_associative(schema: &Schema) -> bool {
    schema.kind == Kind::Array && schema.list != ListKind::Atomic
}

/// A path as people read it: `.spec.containers[name="app"].image`.
pub fn path_text(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Field(name) => {
                text.push('.');
                text.push_str(name);
            }
            Step::Key(keys) => {
                let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
                let keys: Vec<String> =
                    keys.iter().map(|(name, value)| format!("{name}={value}")).collect();
                text.push_str(&format!("[{}]", keys.join(",")));
            }
            Step::Value(value) => text.push_str(&format!("[={value}]")),
            Step::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::FieldSet;
    use serde_json::json;

    #[test]
    fn reads_what_it_wrote() {
        let fields = json!({
            "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
            "f:spec": {
                "f:containers": {"k:{\"name\":\"a\"}": {".": {}, "f:image": {}}},
                "f:finalizers": {"v:\"x\"": {}},
            },
        });
        assert_eq!(FieldSet::from_fields_v1(&fields).to_fields_v1(), fields);
    }

    #[test]
    fn takes_what_lies_below_away_only_when_asked() {
        let all = FieldSet::of(&[&["status", "a"], &["spec", "b"]]);
        let status = FieldSet::of(&[&["status"]]);
        assert_eq!(all.difference(&status), all);
        assert_eq!(all.recursive_difference(&status), FieldSet::of(&[&["spec", "b"]]));
    }
}

//! A world of one cluster that does what Kubernetes would.

use std::collections::BTreeMap;

use expect_test::Expect;
use millrace_client::State;
use serde_json::{Value, json};

use super::super::{Action, plan};
use crate::brokers::BrokerSeen;
use crate::cluster::build::tests::wanted;
use crate::cluster::build::{config, external};
use crate::cluster::seen::{Refusal, Seen};
use crate::kind::Kind;
use crate::{clock, names};

/// A world of one cluster: what is seen, and what has been done.
pub(super) struct World {
    pub seen: Seen,
    pub spec: Value,
    pub told: String,
    /// What the API refuses, and in which words.
    pub refuses: Vec<(Kind, &'static str)>,
}

impl World {
    pub fn new(spec: Value) -> World {
        let seen = Seen { now_ms: 1_764_000_000_000, ..Seen::default() };
        World { seen, spec, told: String::new(), refuses: Vec::new() }
    }

    /// Does all steps that can be done now, and tells them.
    pub fn run(&mut self) -> &mut World {
        let wanted = wanted(self.spec.clone());
        for _ in 0..50 {
            let plan = plan(&wanted, &self.seen);
            self.told += &plan.to_string();
            let Some(step) = plan.step else { return self };
            if let Action::Apply { kind, name, object } = &step.action
                && let Some((_, words)) = self.refuses.iter().find(|(of, _)| of == kind)
            {
                let refusal = Refusal::of(object, (*words).to_owned());
                self.seen.refused.entry((*kind, name.clone())).or_default().push(refusal);
                continue;
            }
            match step.action {
                Action::Apply { kind, name, object } | Action::Replace { kind, name, object } => {
                    self.apply(kind, &name, object);
                }
                Action::Delete { kind, name, .. } => {
                    self.seen.objects.remove(&(kind, name));
                }
                Action::LetGo { kind, name, .. } => {
                    let object = self.seen.objects.get_mut(&(kind, name)).expect("an object");
                    object["metadata"]["ownerReferences"].take();
                }
                Action::Release { name, .. } => {
                    self.seen.objects.remove(&(Kind::Pod, name));
                }
                Action::SetConfigs(changes) => self.configure(changes),
            }
        }
        panic!("no end of steps:\n{}", self.told);
    }

    pub fn apply(&mut self, kind: Kind, name: &str, mut object: Value) {
        let before = self.seen.objects.remove(&(kind, name.to_owned()));
        object["metadata"]["uid"] = json!(format!("uid of {name}"));
        let made = before.as_ref().map(|it| it["metadata"]["creationTimestamp"].clone());
        let made = made.filter(Value::is_string);
        object["metadata"]["creationTimestamp"] =
            made.unwrap_or_else(|| json!(clock::show(self.seen.now_ms)));
        if kind == Kind::StatefulSet {
            let template = object["spec"]["template"].to_string();
            object["status"] = json!({ "updateRevision": names::digest(&template) });
        }
        if object["spec"]["type"] == "NodePort" && object["spec"]["ports"][0]["nodePort"].is_null()
        {
            let given = json!(31_000 + self.seen.objects.len());
            let had = before.as_ref().map(|it| it["spec"]["ports"][0]["nodePort"].clone());
            object["spec"]["ports"][0]["nodePort"] = had.unwrap_or(given);
        }
        if let Some(mut before) = before {
            crate::cluster::build::merge(&mut before, object);
            object = before;
        }
        self.seen.objects.insert((kind, name.to_owned()), object);
    }

    pub fn configure(&mut self, changes: BTreeMap<String, Option<String>>) {
        let Some(BrokerSeen::Serves(state)) = self.seen.brokers.get_mut(&0) else { return };
        for (name, value) in changes {
            match value {
                Some(value) => state.configs.insert(name, value),
                None => state.configs.remove(&name),
            };
        }
    }

    /// What the `StatefulSet` controller and the kubelet do: a pod of the newest template, with its
    /// volume, that serves.
    pub fn start(&mut self) -> &mut World {
        let set = self.seen.object(Kind::StatefulSet, "shop").expect("a set").clone();
        let mut pod = set["spec"]["template"].clone();
        pod["metadata"]["name"] = json!("shop-0");
        pod["metadata"]["uid"] = json!("uid of shop-0");
        pod["metadata"]["labels"]["controller-revision-hash"] =
            set["status"]["updateRevision"].clone();
        pod["spec"]["nodeName"] = json!("worker");
        let volumes = pod["spec"]["volumes"].as_array_mut().expect("volumes");
        volumes.push(json!({
            "name": "data", "persistentVolumeClaim": { "claimName": "data-shop-0" },
        }));
        pod["status"] = json!({
            "phase": "Running", "podIP": "10.0.0.1", "hostIP": "192.168.0.1",
            "conditions": [{ "type": "Ready", "status": "True" }],
            "containerStatuses": [{ "state": { "running": {} } }],
        });
        self.seen.objects.insert((Kind::Pod, "shop-0".to_owned()), pod);
        let claim = (Kind::PersistentVolumeClaim, "data-shop-0".to_owned());
        self.seen.objects.entry(claim).or_insert_with(|| {
            let template = &set["spec"]["volumeClaimTemplates"][0];
            json!({
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "metadata": {
                    "name": "data-shop-0", "uid": "uid of claim",
                    "annotations": template["metadata"]["annotations"],
                },
                "spec": template["spec"],
                "status": { "capacity": { "storage": "10Gi" } },
            })
        });
        let wanted = wanted(self.spec.clone());
        let listeners = config::advertised(&wanted, &self.seen, 0);
        let node = external::NODE_ADDRESS;
        let listeners = listeners.iter().map(|it| it.replace(node, "192.168.0.1")).collect();
        let configs = self.seen.state(0).map(|it| it.configs.clone()).unwrap_or_default();
        let state = State { version: "1".to_owned(), listeners, configs, ..State::default() };
        self.seen.brokers.insert(0, BrokerSeen::Serves(state));
        self
    }

    /// The pod's container does this instead of serving.
    pub fn pod(&mut self, name: &str, state: &Value) -> &mut World {
        let pod = self.seen.objects.get_mut(&(Kind::Pod, name.to_owned())).expect("a pod");
        pod["status"] = json!({ "phase": "Pending", "containerStatuses": [{ "state": state }] });
        self
    }

    pub fn say(&mut self, words: &str) -> &mut World {
        self.told += &format!("-- {words}\n");
        self
    }

    /// Compares what was told, with names of configs by their order instead of a digest.
    pub fn check(&mut self, expected: &Expect) {
        let prefix = "shop-config-";
        let mut told = String::new();
        let mut digests: Vec<&str> = Vec::new();
        for (index, part) in self.told.split(prefix).enumerate() {
            if index == 0 {
                told += part;
                continue;
            }
            let (digest, rest) = part.split_at(16);
            let known = digests.iter().position(|it| *it == digest);
            let number = known.unwrap_or_else(|| {
                digests.push(digest);
                digests.len() - 1
            });
            told += &format!("{prefix}{}{rest}", number + 1);
        }
        expected.assert_eq(&told);
        self.told.clear();
    }

    /// The trial has come to this.
    pub fn trial(&mut self, status: Value) -> &mut World {
        let trial = (Kind::Pod, "shop-trial".to_owned());
        self.seen.objects.get_mut(&trial).expect("a trial")["status"] = status;
        self
    }

    /// A cluster that runs, of which nothing is told.
    pub fn running(spec: Value) -> World {
        let mut world = World::new(spec);
        world.run().start().run().told.clear();
        world
    }
}

//! What was seen of a cluster: its child objects, and what its brokers say.

use std::collections::BTreeMap;

use millrace_client::State;
use millrace_crds::ClusterStatus;
use serde_json::Value;

use crate::brokers::BrokerSeen;
use crate::kind::Kind;
use crate::objects::Warning;
use crate::{clock, names};

/// Everything that was read of one cluster.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// When, in milliseconds since 1970.
    pub now_ms: i64,
    /// What was told of the cluster last.
    pub before: ClusterStatus,
    /// The objects that carry the cluster's label.
    pub objects: BTreeMap<(Kind, String), Value>,
    /// What brokers said, by their number; nothing of those that could not be asked.
    pub brokers: BTreeMap<i32, BrokerSeen>,
    /// What was said last of pods that take long to start, and of the set where it made none.
    pub warnings: BTreeMap<(Kind, String), Warning>,
    /// What the API refused while this was worked on, by kind and name.
    pub refused: BTreeMap<(Kind, String), Vec<Refusal>>,
    /// The same for what was to be deleted, by uid.
    pub refused_deletes: BTreeMap<String, String>,
    /// The brokers' words if they refused configs while this was worked on.
    pub refused_configs: Option<String>,
}

/// What the API refused. Another object of the same name may be tried all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// A digest of the object.
    pub object: String,
    /// The API's words.
    pub words: String,
}

impl Refusal {
    /// The refusal of an object.
    pub fn of(object: &Value, words: String) -> Refusal {
        Refusal { object: names::digest(&object.to_string()), words }
    }
}

impl Seen {
    /// The API's words about this very object, if it was refused.
    pub fn refusal(&self, kind: Kind, name: &str, object: &Value) -> Option<&str> {
        let refusals = self.refused.get(&(kind, name.to_owned()))?;
        let digest = names::digest(&object.to_string());
        let refusal = refusals.iter().find(|refusal| refusal.object == digest)?;
        Some(refusal.words.as_str())
    }

    /// An object by kind and name.
    pub fn object(&self, kind: Kind, name: &str) -> Option<&Value> {
        self.objects.get(&(kind, name.to_owned()))
    }

    /// All objects of a kind, by name.
    pub fn all(&self, kind: Kind) -> impl Iterator<Item = (&str, &Value)> {
        self.objects
            .iter()
            .filter(move |((of, _), _)| *of == kind)
            .map(|((_, name), object)| (name.as_str(), object))
    }

    /// The pod of a broker.
    pub fn pod(&self, cluster: &str, broker: i32) -> Option<Pod<'_>> {
        self.object(Kind::Pod, &names::pod(cluster, broker)).map(|object| Pod { object })
    }

    /// Since when the cluster was told not to be ready, in milliseconds since 1970; none where it was
    /// told to be ready, or nothing yet.
    pub fn not_ready_since_ms(&self) -> Option<i64> {
        let mut conditions = self.before.conditions.iter();
        let ready = conditions.find(|it| it.kind == "Ready" && it.status != "True")?;
        clock::parse_ms(&ready.last_transition_time)
    }

    /// Whether a broker that was asked did not say what it is.
    pub fn is_anyone_silent(&self) -> bool {
        self.brokers.values().any(|it| !matches!(it, BrokerSeen::Serves(_)))
    }

    /// Whether something stood in the way.
    pub fn is_anything_refused(&self) -> bool {
        !self.refused.is_empty()
            || !self.refused_deletes.is_empty()
            || self.refused_configs.is_some()
    }

    /// The address of a listener that a broker was last given to tell clients, as `NAME://host:port`.
    pub fn last_advertised(&self, cluster: &str, broker: i32, listener: &str) -> Option<String> {
        let pod = self.pod(cluster, broker).and_then(|pod| mounted_configs(pod.object));
        let its_own = pod.and_then(|name| self.object(Kind::ConfigMap, name));
        let others = self.all(Kind::ConfigMap).map(|(_, files)| files);
        its_own.into_iter().chain(others).find_map(|files| {
            let file = files.get("data")?.get(names::own_file(&broker.to_string()))?.as_str()?;
            let all = file.lines().find_map(|line| line.strip_prefix("advertised.listeners="))?;
            let is_of = |it: &&str| it.split_once("://").is_some_and(|(name, _)| name == listener);
            all.split(',').find(is_of).map(str::to_owned)
        })
    }

    /// What a broker that serves said.
    pub fn state(&self, broker: i32) -> Option<&State> {
        match self.brokers.get(&broker)? {
            BrokerSeen::Serves(state) => Some(state),
            BrokerSeen::Starts(_) | BrokerSeen::Silent(_) => None,
        }
    }
}

/// A text inside an object.
pub fn text<'a>(object: &'a Value, path: &str) -> Option<&'a str> {
    object.pointer(path).and_then(Value::as_str)
}

/// An annotation of an object.
pub fn annotation<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.pointer("/metadata/annotations")?.get(name)?.as_str()
}

/// A label of an object.
pub fn label<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.pointer("/metadata/labels")?.get(name)?.as_str()
}

/// The `ConfigMap` that a pod, or a template of one, reads its configs from.
pub fn mounted_configs(pod: &Value) -> Option<&str> {
    let volumes = pod.pointer("/spec/volumes")?.as_array()?;
    let ours = volumes.iter().find(|volume| text(volume, "/name") == Some(names::CONFIG_VOLUME))?;
    text(ours, "/configMap/name")
}

/// A pod, read with care: any of it may be missing.
#[derive(Clone, Copy, Debug)]
pub struct Pod<'a> {
    /// The object.
    pub object: &'a Value,
}

/// What a pod's container does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Run {
    /// It is on its way: scheduled, or about to be.
    Coming,
    /// No node will have it, for this reason.
    Unschedulable(String),
    /// It cannot start, or starts again and again: the reason in one word, and the words.
    Failing(String, String),
    /// It runs.
    Running,
    /// It has ended well.
    Succeeded,
}

/// How long a pod may be on its way before what was said of it is read, in milliseconds.
pub const SLOW_MS: i64 = 15_000;
/// Reasons to wait that pass by themselves.
const ON_THE_WAY: [&str; 2] = ["ContainerCreating", "PodInitializing"];

impl<'a> Pod<'a> {
    /// A text inside the pod.
    pub fn text(self, path: &str) -> Option<&'a str> {
        text(self.object, path)
    }

    /// Its uid.
    pub fn uid(self) -> String {
        self.text("/metadata/uid").unwrap_or_default().to_owned()
    }

    /// Whether it is being deleted.
    pub fn is_deleting(self) -> bool {
        self.text("/metadata/deletionTimestamp").is_some()
    }

    /// Whether its kubelet has said that nothing of it runs any more, nor will again.
    pub fn has_ended(self) -> bool {
        let is_over = matches!(self.text("/status/phase"), Some("Succeeded" | "Failed"));
        let containers = self.object.pointer("/status/containerStatuses");
        let containers = containers.and_then(Value::as_array).filter(|all| !all.is_empty());
        let has_ended = |it: &Value| it.pointer("/state/terminated").is_some_and(Value::is_object);
        is_over && containers.is_some_and(|all| all.iter().all(has_ended))
    }

    /// Whether it is ready to serve.
    pub fn is_ready(self) -> bool {
        self.condition("Ready").and_then(|it| text(it, "/status")) == Some("True")
            && !self.is_deleting()
    }

    /// Whether it uses a volume claim.
    pub fn mounts(self, claim: &str) -> bool {
        let volumes = self.object.pointer("/spec/volumes").and_then(Value::as_array);
        let mut volumes = volumes.into_iter().flatten();
        volumes.any(|it| text(it, "/persistentVolumeClaim/claimName") == Some(claim))
    }

    /// How long it has been on its way, in milliseconds; none if it is not.
    pub fn coming_ms(self, now_ms: i64) -> Option<i64> {
        let is_coming = self.run() == Run::Coming && !self.is_deleting();
        let made_ms = self.text("/metadata/creationTimestamp").and_then(clock::parse_ms);
        is_coming.then(|| now_ms.saturating_sub(made_ms.unwrap_or(now_ms)).max(0))
    }

    /// The revision of the pod template that it was made from.
    pub fn revision(self) -> Option<&'a str> {
        label(self.object, "controller-revision-hash")
    }

    /// Its address.
    pub fn address(self) -> Option<&'a str> {
        self.text("/status/podIP")
    }

    /// Our container, as it is wanted: others may have put theirs beside it.
    pub fn container(self) -> Option<&'a Value> {
        ours(self.object.pointer("/spec/containers"))
    }

    /// What is known of our container.
    pub fn container_status(self) -> Option<&'a Value> {
        ours(self.object.pointer("/status/containerStatuses"))
    }

    /// Whether our container has ended well and is not started again.
    pub fn has_succeeded(self) -> bool {
        let code =
            self.container_status().and_then(|status| status.pointer("/state/terminated/exitCode"));
        self.text("/status/phase") == Some("Succeeded") || code.is_some_and(|code| code == 0)
    }

    /// The port of this name.
    pub fn port(self, name: &str) -> Option<i32> {
        let ports = self.container()?.get("ports")?.as_array()?;
        let port = ports.iter().find(|port| text(port, "/name") == Some(name))?;
        i32::try_from(port.get("containerPort")?.as_i64()?).ok()
    }

    /// The port of its first listener.
    pub fn listener_port(self) -> Option<i32> {
        let ports = self.container()?.get("ports")?.as_array()?;
        let port = ports.iter().find(|port| text(port, "/name") != Some(names::HTTP_PORT_NAME))?;
        i32::try_from(port.get("containerPort")?.as_i64()?).ok()
    }

    fn condition(self, kind: &str) -> Option<&'a Value> {
        let conditions = self.object.pointer("/status/conditions")?.as_array()?;
        conditions.iter().find(|it| text(it, "/type") == Some(kind))
    }

    /// What its container does.
    pub fn run(self) -> Run {
        match self.text("/status/phase") {
            Some("Succeeded") => return Run::Succeeded,
            Some("Failed") if self.text("/status/reason").is_some() => {
                let reason = self.text("/status/reason").unwrap_or_default();
                let words = self.text("/status/message").unwrap_or_default();
                return Run::Failing(reason.to_owned(), words.to_owned());
            }
            _ => {}
        }
        if let Some(scheduled) = self.condition("PodScheduled")
            && text(scheduled, "/reason") == Some("Unschedulable")
        {
            return Run::Unschedulable(text(scheduled, "/message").unwrap_or_default().to_owned());
        }
        let Some(container) = self.container_status() else {
            return Run::Coming;
        };
        if let Some(ended) = container.pointer("/state/terminated") {
            return failed(ended, "Error", container);
        }
        match text(container, "/state/waiting/reason") {
            Some(reason) if !ON_THE_WAY.contains(&reason) => {
                let waiting = container.pointer("/state/waiting").unwrap_or(&Value::Null);
                failed(waiting, reason, container)
            }
            _ if container.pointer("/state/running").is_some() => Run::Running,
            _ => Run::Coming,
        }
    }
}

/// The element of a list that is about our container.
fn ours(containers: Option<&Value>) -> Option<&Value> {
    let all = containers?.as_array()?;
    all.iter().find(|it| text(it, "/name") == Some(names::CONTAINER)).or_else(|| all.first())
}

/// Why a container does not run: what it said when it last ended says more than that it did.
fn failed(state: &Value, reason: &str, container: &Value) -> Run {
    let reason = text(state, "/reason").unwrap_or(reason);
    let last = ["/state/terminated/message", "/lastState/terminated/message"];
    let last_words = last.iter().find_map(|path| text(container, path));
    let words = last_words.or_else(|| text(state, "/message")).unwrap_or_default();
    let words: String = words.trim().chars().take(500).collect();
    Run::Failing(reason.to_owned(), words)
}

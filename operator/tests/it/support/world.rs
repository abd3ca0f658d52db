//! All that stands around an operator, and what a user and a test do there.

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use millrace_apiserver::{ApiServer, Faults};
use millrace_client::{Admin, Router};
use millrace_operator::kind::api_resource;
use millrace_server::broker::Broker;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::machines::Machines;
use super::network::{Dial, Network};

/// 2026-01-01T00:00:00Z, when the API server's clock begins, in milliseconds.
pub const BEGINS_MS: i64 = 1_767_225_600_000;

/// How long anything may take, in virtual time.
const PATIENCE: Duration = Duration::from_secs(1_200);
/// How long nothing may change before all counts as done.
const QUIET: Duration = Duration::from_secs(15);

/// The kinds that tests name, with where the API has them.
const KINDS: [(&str, &str, &str); 13] = [
    ("Event", "events.k8s.io/v1", "events"),
    ("Cluster", "millrace.io/v1alpha1", "clusters"),
    ("Topic", "millrace.io/v1alpha1", "topics"),
    ("Namespace", "v1", "namespaces"),
    ("Pod", "v1", "pods"),
    ("Service", "v1", "services"),
    ("ServiceAccount", "v1", "serviceaccounts"),
    ("ConfigMap", "v1", "configmaps"),
    ("PersistentVolumeClaim", "v1", "persistentvolumeclaims"),
    ("StorageClass", "storage.k8s.io/v1", "storageclasses"),
    ("StatefulSet", "apps/v1", "statefulsets"),
    ("NetworkPolicy", "networking.k8s.io/v1", "networkpolicies"),
    ("PodDisruptionBudget", "policy/v1", "poddisruptionbudgets"),
];

/// The world of a test.
pub struct World {
    /// The API server.
    pub server: ApiServer,
    /// What answers where.
    pub network: Network,
    /// When it began.
    pub origin: Instant,
    user: Client,
}

impl World {
    /// An API server with our definitions, its controllers, and machines for pods.
    pub async fn new(seed: u64) -> World {
        let server = ApiServer::new(seed);
        server.run_controllers();
        server.with_fates(|fates| {
            fates.set_usual(millrace_apiserver::Fate::Running);
            fates.stops_in = Duration::from_millis(300);
        });
        let network = Network::new(&server);
        Machines::run(&server, &network);
        let world =
            World { user: server.client("default"), server, network, origin: Instant::now() };
        let definitions: Api<DynamicObject> = Api::all_with(
            world.user.clone(),
            &api_resource(
                "CustomResourceDefinition",
                "apiextensions.k8s.io/v1",
                "customresourcedefinitions",
            ),
        );
        for definition in [millrace_crds::definition::cluster(), millrace_crds::definition::topic()]
        {
            let definition = serde_json::from_value(definition).expect("a definition");
            definitions.create(&PostParams::default(), &definition).await.expect("a definition");
        }
        let class = json!({
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {
                "name": "standard",
                "annotations": { "storageclass.kubernetes.io/is-default-class": "true" },
            },
            "provisioner": "test",
            "allowVolumeExpansion": true,
        });
        world.apply(&class).await;
        world
    }

    fn api(&self, kind: &str, namespace: &str) -> Api<DynamicObject> {
        let row = KINDS.iter().find(|(name, ..)| *name == kind);
        let (kind, api_version, plural) = row.unwrap_or_else(|| panic!("no kind {kind}"));
        let resource = api_resource(kind, api_version, plural);
        if namespace.is_empty() {
            Api::all_with(self.user.clone(), &resource)
        } else {
            Api::namespaced_with(self.user.clone(), namespace, &resource)
        }
    }

    /// `kubectl apply --server-side`.
    pub async fn try_apply(&self, object: &Value) -> kube::Result<Value> {
        let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let api = self.api(text("/kind"), text("/metadata/namespace"));
        let params = PatchParams::apply("kubectl").force();
        let applied = api.patch(text("/metadata/name"), &params, &Patch::Apply(object)).await?;
        Ok(serde_json::to_value(applied).expect("JSON"))
    }

    /// The same; a refusal is none of the test's.
    pub async fn apply(&self, object: &Value) -> Value {
        self.try_apply(object).await.unwrap_or_else(|error| panic!("{object}: {error}"))
    }

    /// `kubectl replace`: what the object does not say is gone.
    pub async fn replace(&self, object: &Value) -> kube::Result<Value> {
        let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let api = self.api(text("/kind"), text("/metadata/namespace"));
        let name = text("/metadata/name");
        let mut object: DynamicObject = serde_json::from_value(object.clone()).expect("an object");
        object.metadata.resource_version = api.get(name).await?.metadata.resource_version;
        let replaced = api.replace(name, &PostParams::default(), &object).await?;
        Ok(serde_json::to_value(replaced).expect("JSON"))
    }

    /// Applies all of several.
    pub async fn apply_all(&self, objects: &[Value]) {
        for object in objects {
            self.apply(object).await;
        }
    }

    /// A namespace.
    pub async fn make_namespace(&self, name: &str) {
        let namespace =
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
        self.apply(&namespace).await;
    }

    /// Merges a patch into an object, as `kubectl patch` or `kubectl edit` does.
    pub async fn patch(&self, kind: &str, namespace: &str, name: &str, patch: &Value) {
        let api = self.api(kind, namespace);
        let patched = api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
        patched.unwrap_or_else(|error| panic!("{kind} {name}: {error}"));
    }

    /// `kubectl delete`.
    pub async fn delete(&self, kind: &str, namespace: &str, name: &str) {
        let api = self.api(kind, namespace);
        let deleted = api.delete(name, &DeleteParams::background()).await;
        deleted.unwrap_or_else(|error| panic!("{kind} {name}: {error}"));
    }

    /// An object by kind.
    pub fn object(&self, kind: &str, namespace: &str, name: &str) -> Option<Value> {
        let (_, api_version, plural) = KINDS.iter().find(|(it, ..)| *it == kind)?;
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        self.server.object(group, plural, namespace, name)
    }

    /// An object of `default` that is there.
    pub fn get(&self, kind: &str, name: &str) -> Value {
        self.object(kind, "default", name).unwrap_or_else(|| panic!("no {kind} {name}"))
    }

    /// The broker in a pod of `default`, if it runs.
    pub fn broker(&self, pod: &str) -> Option<Arc<Broker>> {
        let pod = self.object("Pod", "default", pod)?;
        self.network.broker(pod["status"]["podIP"].as_str()?)
    }

    /// A client of the broker in a pod of `default` that is not the operator.
    pub fn admin(&self, pod: &str) -> Admin<Dial> {
        let dial = self.network.dial(&Faults::new(0), None, 0, 0.0);
        let pod = self.get("Pod", pod);
        let address = format!("{}:9092", pod["status"]["podIP"].as_str().expect("an address"));
        Admin::new(Router::new(dial, "test", vec![address]))
    }

    /// A resource's condition as `status reason message`; empty if it is not there.
    pub fn condition(&self, kind: &str, namespace: &str, name: &str, of: &str) -> String {
        let Some(object) = self.object(kind, namespace, name) else { return String::new() };
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let generation = &object["metadata"]["generation"];
        conditions.iter().find(|it| it["type"] == of).map_or(String::new(), |it| {
            let is_old = if it["observedGeneration"] == *generation { "" } else { "(old) " };
            let text = |key: &str| it[key].as_str().unwrap_or_default();
            format!("{is_old}{} {} {}", text("status"), text("reason"), text("message"))
        })
    }

    /// `Ready` of a resource in `default`.
    pub fn ready(&self, kind: &str, name: &str) -> String {
        self.condition(kind, "default", name, "Ready")
    }

    /// Whether a cluster and these topics, all of `default`, are ready.
    pub fn are_ready(&self, cluster: &str, topics: &[&str]) -> bool {
        self.ready("Cluster", cluster).starts_with("True")
            && topics.iter().all(|topic| self.ready("Topic", topic).starts_with("True"))
    }

    /// Waits until something holds.
    ///
    /// # Panics
    /// If it takes too long.
    pub async fn until(&self, what: &str, holds: impl Fn(&World) -> bool) {
        let begins = Instant::now();
        while !holds(self) {
            if begins.elapsed() > PATIENCE {
                panic!("{what}: not after {PATIENCE:?}\n{}", self.story());
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until nothing changes any more.
    pub async fn settle(&self) {
        let begins = Instant::now();
        let mut revision = self.server.revision();
        loop {
            sleep(QUIET).await;
            if revision == self.server.revision() {
                return;
            }
            revision = self.server.revision();
            assert!(begins.elapsed() < PATIENCE, "there is no end to it\n{}", self.story());
        }
    }

    /// What is to be known of a world in which something did not happen.
    pub fn story(&self) -> String {
        let mut lines = Vec::new();
        for (kind, plural) in [("Cluster", "clusters"), ("Topic", "topics")] {
            for object in self.server.objects("millrace.io", plural) {
                let name = &object["metadata"]["name"];
                lines.push(format!("{kind} {name}: {:#}", object["status"]));
            }
        }
        for event in self.server.objects("events.k8s.io", "events") {
            lines.push(format!("event {}: {}", event["reason"], event["note"]));
        }
        let changes = self.server.changes_after(0);
        for change in changes.iter().rev().take(60).rev() {
            lines.push(super::history::line(change, self.origin));
        }
        lines.join("\n")
    }
}

//! The API server in memory, served over HTTP, and what a user does there.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use futures::{StreamExt, stream};
use kube::api::{DynamicObject, PostParams};
use kube::core::ApiResource;
use millrace_apiserver::store::Key;
use millrace_apiserver::{ApiServer, Fate, Faults};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tower_service::Service;

use crate::machines;

/// Servers so far.
static SERVERS: AtomicU8 = AtomicU8::new(0);

/// How many resources are made at once.
const AT_ONCE: usize = 32;

/// A server with all that stands beside it; it ends with this.
pub struct Api {
    /// The server itself.
    pub server: ApiServer,
    /// Where it is served.
    pub address: String,
    faults: Faults,
    tasks: Vec<JoinHandle<()>>,
}

impl Api {
    /// Starts a server with our definitions.
    pub async fn start() -> Api {
        let server = ApiServer::new(1);
        server.with_fates(|fates| {
            fates.set_usual(Fate::Running);
            // The brokers of an earlier server may still be on their way out.
            fates.set_network(&format!("127.77.{}", SERVERS.fetch_add(1, Ordering::SeqCst)));
        });
        let faults = Faults::new(1);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let router = router(&server, &faults);
        let served = async move { axum::serve(listener, router).await.expect("it serves") };
        let tasks = vec![
            server.run_controllers(),
            tokio::spawn(machines::run(server.clone())),
            tokio::spawn(served),
        ];
        let api = Api { server, address, faults, tasks };
        let definition = ("CustomResourceDefinition", "apiextensions.k8s.io/v1");
        for object in [millrace_crds::definition::cluster(), millrace_crds::definition::topic()] {
            api.make(definition, "customresourcedefinitions", object).await;
        }
        api
    }

    async fn make(&self, (kind, api_version): (&str, &str), plural: &str, object: Value) {
        let (group, version) = api_version.split_once('/').expect("a group");
        let resource = ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        };
        let client = self.server.client("default");
        let api: kube::Api<DynamicObject> = if kind == "CustomResourceDefinition" {
            kube::Api::all_with(client, &resource)
        } else {
            kube::Api::namespaced_with(client, "default", &resource)
        };
        let object = serde_json::from_value(object).expect("an object");
        api.create(&PostParams::default(), &object).await.expect("an object");
    }

    /// Makes a cluster.
    pub async fn make_cluster(&self, name: &str) {
        let cluster = json!({
            "apiVersion": "millrace.io/v1alpha1",
            "kind": "Cluster",
            "metadata": { "name": name, "namespace": "default" },
            "spec": {},
        });
        self.make(("Cluster", "millrace.io/v1alpha1"), "clusters", cluster).await;
    }

    /// Makes topics of a cluster.
    pub async fn make_topics(&self, cluster: &str, numbers: Range<usize>) {
        let made = numbers.map(|number| {
            let topic = json!({
                "apiVersion": "millrace.io/v1alpha1",
                "kind": "Topic",
                "metadata": { "name": format!("topic-{number}"), "namespace": "default" },
                "spec": {
                    "clusterRef": { "name": cluster },
                    "config": { "retention.ms": 604_800_000 },
                },
            });
            self.make(("Topic", "millrace.io/v1alpha1"), "topics", topic)
        });
        stream::iter(made).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    }

    /// Waits until that many clusters are ready.
    pub async fn wait_for_clusters(&self, count: usize) {
        self.wait_for("clusters", count).await;
    }

    /// Waits until that many topics are ready.
    pub async fn wait_for_topics(&self, count: usize) {
        self.wait_for("topics", count).await;
    }

    async fn wait_for(&self, plural: &str, count: usize) {
        let is_ready = |object: &Value| {
            let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
            conditions.into_iter().any(|it| it["type"] == "Ready" && it["status"] == "True")
        };
        let mut ready: BTreeSet<Key> = BTreeSet::new();
        let mut seen = 0;
        while ready.len() < count {
            for change in self.server.changes_after(seen) {
                seen = change.revision;
                if change.resource.plural == plural {
                    match change.after {
                        Some(object) if is_ready(&object) => ready.insert(change.key),
                        Some(_) | None => ready.remove(&change.key),
                    };
                }
            }
            sleep(Duration::from_millis(2)).await;
        }
    }

    /// The writes of operators so far.
    pub fn writes(&self) -> usize {
        self.faults.writes().len()
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// The service under kube's client as one under a socket.
fn router(server: &ApiServer, faults: &Faults) -> Router {
    let service = server.service(faults, "millrace-operator");
    Router::new().fallback(move |request: Request| {
        let mut service = service.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
            let request = axum::http::Request::from_parts(head, body.to_vec().into());
            let answer = service.call(request).await.expect("no faults here");
            answer.map(Body::new)
        }
    })
}

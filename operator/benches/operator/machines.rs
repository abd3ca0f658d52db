//! What runs in pods: production brokers on the loopback network, each with a folder for its disk.

use std::collections::BTreeMap;
use std::path::Path;

use millrace_apiserver::{ApiServer, Fate};
use millrace_core::config::{StaticConfig, properties};
use millrace_server::env::Env;
use millrace_server::health::Probes;
use millrace_server::server::Server;
use serde_json::Value;

/// A broker that runs; it ends with this.
struct Machine {
    env: Env,
    _server: Server,
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.env.tasks.kill();
    }
}

/// Starts brokers for pods until the server is gone.
pub async fn run(server: ApiServer) {
    let disks = tempfile::tempdir().expect("a folder");
    let mut running: BTreeMap<String, Machine> = BTreeMap::new();
    let mut changed = server.subscribe();
    loop {
        changed.mark_unchanged();
        for pod in server.objects("", "pods") {
            let uid = pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
            if pod["status"]["phase"] == "Running" && !running.contains_key(&uid) {
                let path = disks.path().join(&uid);
                running.insert(uid.clone(), start(&server, &pod, &path).await);
                server.with_fates(|fates| fates.set_by_uid(&uid, Fate::Ready));
            }
        }
        if changed.changed().await.is_err() {
            return;
        }
    }
}

async fn start(server: &ApiServer, pod: &Value, path: &Path) -> Machine {
    let map = pod["spec"]["volumes"].as_array().into_iter().flatten();
    let map = map.filter_map(|it| it["configMap"]["name"].as_str()).next().expect("configs");
    let files = server.object("", "configmaps", "default", map).expect("configs");
    let address = pod["status"]["podIP"].as_str().expect("an address");
    let mut pairs = BTreeMap::new();
    for file in ["server.properties", "broker-0.properties"] {
        let text = files["data"][file].as_str().expect("a file");
        let found = properties::parse(text).expect("properties");
        pairs.extend(found.into_iter().map(|it| (it.name, it.value)));
    }
    let mut set = |name: &str, value: String| drop(pairs.insert(name.to_owned(), value));
    set("broker.rack", "one".to_owned());
    set("listeners", format!("INTERNAL://{address}:9092"));
    set("log.dirs", path.display().to_string());
    let config = StaticConfig::from_kafka(pairs).expect("configs");
    let env = Env::real();
    let server = Server::start(env.clone(), config, Probes::default()).await.expect("a broker");
    Machine { env, _server: server }
}

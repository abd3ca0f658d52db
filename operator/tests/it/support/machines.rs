//! What a kubelet starts in containers: production brokers, each on the disk of its claim, and
//! trials of their configs. The API server's own kubelet does all the rest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millrace_apiserver::{ApiServer, Fate};
use millrace_core::config::{StaticConfig, properties};
use millrace_log::disk::{Disk, FaultyDisk};
use millrace_server::broker::{Broker, BrokerOptions};
use millrace_server::clock::Clock;
use millrace_server::env::Env;
use millrace_server::health::Probes;
use millrace_types::TimestampMs;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::network::{Host, Network};
use super::world::BEGINS_MS;

/// How long a broker takes to start.
const STARTS_IN: Duration = Duration::from_millis(150);

/// How long a container that ended is left alone.
const BACK_OFF: Duration = Duration::from_secs(10);

/// All that runs in pods.
pub struct Machines {
    server: ApiServer,
    network: Network,
    origin: Instant,
    disks: Arc<Mutex<BTreeMap<String, FaultyDisk>>>,
    running: BTreeMap<String, Machine>,
}

/// What runs in one pod.
struct Machine {
    address: String,
    broker: Option<(Env, Arc<Broker>)>,
    is_stopping: bool,
    /// When a container that ended is started again.
    starts_again: Option<Instant>,
}

impl Machines {
    /// Starts and stops what runs in pods, until the server is gone.
    pub fn run(server: &ApiServer, network: &Network) -> tokio::task::JoinHandle<()> {
        let mut machines = Machines {
            server: server.clone(),
            network: network.clone(),
            origin: Instant::now(),
            disks: Arc::default(),
            running: BTreeMap::new(),
        };
        let mut changed = server.subscribe();
        tokio::spawn(async move {
            loop {
                changed.mark_unchanged();
                machines.step().await;
                if changed.changed().await.is_err() {
                    return;
                }
            }
        })
    }

    async fn step(&mut self) {
        let pods = self.server.objects("", "pods");
        let uid = |pod: &Value| pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let gone: Vec<String> = self
            .running
            .keys()
            .filter(|key| !pods.iter().any(|pod| uid(pod) == **key))
            .cloned()
            .collect();
        for key in gone {
            if let Some(machine) = self.running.remove(&key) {
                self.stop(machine).await;
            }
        }
        for pod in &pods {
            let is_going = pod["metadata"]["deletionTimestamp"].is_string();
            match self.running.get_mut(&uid(pod)) {
                Some(machine) if is_going && !machine.is_stopping => {
                    machine.is_stopping = true;
                    let machine = Machine { address: machine.address.clone(), ..take(machine) };
                    self.stop(machine).await;
                }
                Some(machine)
                    if !is_going && machine.starts_again.is_some_and(|it| it <= Instant::now()) =>
                {
                    let machine = self.start(pod, &uid(pod)).await;
                    self.running.insert(uid(pod), machine);
                }
                None if !is_going && pod["status"]["phase"] == "Running" => {
                    let machine = self.start(pod, &uid(pod)).await;
                    self.running.insert(uid(pod), machine);
                }
                Some(_) | None => {}
            }
        }
    }

    async fn stop(&self, machine: Machine) {
        self.network.remove(&machine.address);
        if let Some((env, broker)) = machine.broker {
            broker.close().await;
            env.tasks.kill();
            env.tasks.stop().await;
        }
    }

    async fn start(&mut self, pod: &Value, uid: &str) -> Machine {
        let address = pod["status"]["podIP"].as_str().unwrap_or_default().to_owned();
        let mut machine = Machine { address, broker: None, is_stopping: false, starts_again: None };
        let fate = |fate| self.server.with_fates(|fates| fates.set_by_uid(uid, fate));
        let config = self.config(pod);
        if pod["spec"]["containers"][0]["args"][0] == "check" {
            fate(match config {
                Ok(_) => Fate::Succeeds,
                Err(message) => Fate::Fails { exit_code: 1, message },
            });
            return machine;
        }
        let probes = Probes::default();
        probes.readiness.wait_for("broker", "starts".to_owned());
        self.network.put(&machine.address, Host { broker: None, probes: probes.clone() });
        sleep(STARTS_IN).await;
        match self.open(pod, config, probes.clone()).await {
            Ok((env, broker)) => {
                probes.readiness.is_done("broker");
                let host = Host { broker: Some(Arc::clone(&broker)), probes };
                self.network.put(&machine.address, host);
                machine.broker = Some((env, broker));
                fate(Fate::Ready);
            }
            Err(message) => {
                self.network.remove(&machine.address);
                fate(Fate::Crashes { exit_code: 1, message });
                machine.starts_again = Some(Instant::now() + BACK_OFF);
                let server = self.server.clone();
                tokio::spawn(async move {
                    sleep(BACK_OFF).await;
                    server.with_fates(|_| {});
                });
            }
        }
        machine
    }

    async fn open(
        &self,
        pod: &Value,
        config: Result<StaticConfig, String>,
        probes: Probes,
    ) -> Result<(Env, Arc<Broker>), String> {
        let config = config?;
        let resolved = millrace_core::config::BrokerConfig::resolve(&config.layers());
        let network = resolved.map_err(|error| error.to_string())?.network;
        let disk = self.disk(pod)?;
        let base = TimestampMs::new(BEGINS_MS);
        let clock = Clock::Virtual { base, origin: self.origin };
        let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
        let seed = uid
            .bytes()
            .fold(7, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let env = Env::simulated(disk, clock, seed);
        let advertised = network.advertised_listeners.clone();
        let options = BrokerOptions { config, advertised, probes };
        match Broker::open(env.clone(), options).await {
            Ok(broker) => Ok((env, broker)),
            Err(error) => {
                env.tasks.kill();
                env.tasks.stop().await;
                Err(millrace_operator::error::chain(&error))
            }
        }
    }

    /// The disk of a pod's claim; another claim of the same name is another disk.
    fn disk(&self, pod: &Value) -> Result<Arc<dyn Disk>, String> {
        let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
        let name = volumes
            .filter_map(|it| it["persistentVolumeClaim"]["claimName"].as_str())
            .next()
            .ok_or("the pod has no volume")?;
        let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default();
        let claim = self.server.object("", "persistentvolumeclaims", namespace, name);
        let claim = claim.ok_or_else(|| format!("there is no claim {name}"))?;
        let uid = claim["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let mut disks = self.disks.lock().expect("disks");
        let disk = disks.entry(uid).or_insert_with(|| FaultyDisk::new(1));
        // Another process on the same files.
        *disk = disk.crash(millrace_log::disk::Loss::Nothing);
        Ok(Arc::new(disk.clone()))
    }

    /// What the files that a pod's container names say, read as its process reads them.
    fn config(&self, pod: &Value) -> Result<StaticConfig, String> {
        let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
        let map = volumes
            .filter_map(|it| it["configMap"]["name"].as_str())
            .next()
            .ok_or("the pod has no configs")?;
        let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default();
        let files = self.server.object("", "configmaps", namespace, map);
        let files = files.ok_or_else(|| format!("there is no ConfigMap {map}"))?;
        let args = pod["spec"]["containers"][0]["args"].as_array().cloned().unwrap_or_default();
        let mut pairs = BTreeMap::new();
        for argument in args.iter().filter_map(Value::as_str) {
            let Some(path) = argument.strip_prefix("--config=/etc/millrace/") else { continue };
            let file = expanded(path, pod);
            let text = files["data"][&file].as_str().ok_or_else(|| format!("no file {file}"))?;
            let found = properties::parse(text).map_err(|error| format!("{file}: {error}"))?;
            pairs.extend(found.into_iter().map(|it| (it.name, expanded(&it.value, pod))));
        }
        StaticConfig::from_kafka(pairs)
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }
}

/// What is left of a machine whose broker was taken out.
fn take(machine: &mut Machine) -> Machine {
    let broker = machine.broker.take();
    Machine { address: String::new(), broker, is_stopping: true, starts_again: None }
}

/// A text with the variables of a pod's environment filled in.
fn expanded(text: &str, pod: &Value) -> String {
    let label = |name: &str| pod["metadata"]["labels"][name].as_str().unwrap_or_default();
    let node = pod["status"]["hostIP"].as_str().unwrap_or_default();
    text.replace("$(MILLRACE_POD_INDEX)", label("apps.kubernetes.io/pod-index"))
        .replace("${env:MILLRACE_POD_ZONE}", label("topology.kubernetes.io/zone"))
        .replace("${env:MILLRACE_POD_NODE_ADDRESS}", node)
}

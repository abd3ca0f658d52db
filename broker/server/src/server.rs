//! A broker with its doors: ports taken, broker opened, connections accepted; and back.

use std::net::SocketAddr;
use std::sync::Arc;

use millrace_core::config::listener::Endpoint;
use millrace_core::config::{BrokerConfig, ConfigError, StaticConfig};

use crate::broker::{Broker, BrokerOptions, OpenError};
use crate::env::Env;
use crate::health::Probes;
use crate::net::listener::{BindError, Bound};

/// Connections that may wait to be accepted, of one listener.
const BACKLOG: u32 = 1024;

/// Why a broker cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configs do not resolve.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A port cannot be taken.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// What is behind the ports cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// A broker that serves.
#[derive(Debug)]
pub struct Server {
    broker: Arc<Broker>,
    addresses: Vec<SocketAddr>,
}

impl Server {
    /// Takes the ports, opens the broker, and lets clients in.
    ///
    /// # Errors
    /// See [`StartError`]. Nothing is left running then.
    pub async fn start(
        env: Env,
        config: StaticConfig,
        probes: Probes,
    ) -> Result<Server, StartError> {
        let network = BrokerConfig::resolve(&config.layers())?.network;
        probes.readiness.wait_for("listeners", "not open yet".to_owned());
        // The ports come first: their numbers are part of what the broker tells the cluster.
        let mut bound = Vec::with_capacity(network.listeners.len());
        for endpoint in &network.listeners {
            bound.push(Bound::bind(endpoint).await?);
        }
        let advertised = advertised(&network.advertised_listeners, &bound);
        let addresses = bound.iter().map(Bound::address).collect();
        let readiness = Arc::clone(&probes.readiness);
        let broker = Broker::open(env, BrokerOptions { config, advertised, probes }).await?;
        for bound in bound {
            bound.listen(&broker, BACKLOG)?;
        }
        readiness.is_done("listeners");
        Ok(Server { broker, addresses })
    }

    /// The broker.
    pub fn broker(&self) -> &Arc<Broker> {
        &self.broker
    }

    /// The addresses listened on, in the order of the config.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Lets nobody in any more, finishes what is in flight, flushes and closes.
    pub async fn stop(self) {
        self.broker.readiness().wait_for("broker", "is stopping".to_owned());
        self.broker.close().await;
    }
}

/// What clients are told, where the config leaves it open: the machine's name for a host that
/// stands for every address, and the port that was taken for port 0.
fn advertised(wanted: &[Endpoint], bound: &[Bound]) -> Vec<Endpoint> {
    let complete = |endpoint: &Endpoint| {
        let mut endpoint = endpoint.clone();
        if endpoint.is_unspecified() {
            let system = rustix::system::uname();
            endpoint.host = system.nodename().to_string_lossy().into_owned();
        }
        if endpoint.port == 0 {
            let of_name = |bound: &&Bound| *bound.listener().0 == *endpoint.listener;
            endpoint.port = bound.iter().find(of_name).map_or(0, |bound| bound.address().port());
        }
        endpoint
    };
    wanted.iter().map(complete).collect()
}

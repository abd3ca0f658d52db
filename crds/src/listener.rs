//! `spec.listeners` of a cluster: where clients connect.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The port of the brokers' probes and metrics; no listener can have it.
pub const HTTP_PORT: i32 = 8080;

/// One way for clients to reach the brokers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "self.port != 8080",
        "message": "port 8080 is that of probes and metrics",
        "fieldPath": ".port"
    },
    {
        "rule": "self.type != 'Internal' || !(has(self.advertisedHost) || has(self.annotations))",
        "message": "advertisedHost and annotations are for listeners of type NodePort and \
                    LoadBalancer"
    },
    {
        "rule": "self.type == 'NodePort' || !has(self.nodePort)",
        "message": "nodePort is for listeners of type NodePort",
        "fieldPath": ".nodePort"
    },
    {
        "rule": "self.type == 'LoadBalancer' || \
                 !(has(self.loadBalancerClass) || has(self.sourceRanges))",
        "message": "loadBalancerClass and sourceRanges are for listeners of type LoadBalancer"
    },
    {
        "rule": "self.type != 'LoadBalancer' || oldSelf.type != 'LoadBalancer' || \
                 (has(self.loadBalancerClass) == has(oldSelf.loadBalancerClass) && \
                 (!has(self.loadBalancerClass) || \
                 self.loadBalancerClass == oldSelf.loadBalancerClass))",
        "message": "loadBalancerClass cannot be changed: Kubernetes keeps it as long as a service \
                    lives; give the listener another name",
        "fieldPath": ".loadBalancerClass"
    }
]))]
pub struct Listener {
    /// Its name, unique in the cluster.
    #[schemars(length(min = 1, max = 12), regex(pattern = r"^[a-z][a-z0-9]*$"))]
    pub name: String,
    /// How clients reach it.
    #[serde(rename = "type")]
    pub kind: ListenerKind,
    /// The port of the brokers' pods and of the services before them.
    #[schemars(range(min = 1024, max = 65535))]
    pub port: i32,
    /// The host that clients from outside are told; by default the address of the broker's node
    /// (`NodePort`) or of its load balancer. A name, or an address without brackets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(
            pattern = r"^([A-Za-z0-9]([-.A-Za-z0-9]*[A-Za-z0-9])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$"
        )
    )]
    pub advertised_host: Option<String>,
    /// The node port of the bootstrap address; broker 0 gets the next one, and so on. By default
    /// Kubernetes chooses them all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub node_port: Option<i32>,
    /// Annotations of the services, which many load balancers read.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Which load balancer to use; by default that of Kubernetes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub load_balancer_class: Option<String>,
    /// The networks that the load balancer lets in, such as `10.0.0.0/8`; by default all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 64)))]
    pub source_ranges: Vec<String>,
}

/// How clients reach a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ListenerKind {
    /// From within Kubernetes.
    Internal,
    /// On a port of every node.
    NodePort,
    /// Through a load balancer.
    LoadBalancer,
}

/// One listener within Kubernetes, on Kafka's port.
pub(crate) fn default_listeners() -> Vec<Listener> {
    vec![Listener {
        name: "internal".to_owned(),
        kind: ListenerKind::Internal,
        port: 9092,
        advertised_host: None,
        node_port: None,
        annotations: BTreeMap::new(),
        load_balancer_class: None,
        source_ranges: Vec::new(),
    }]
}

//! Services: addresses, ports, and what may not change.

use serde_json::{Value, json};

use super::drop_null;
use crate::object::{copy_field, map_at};
use crate::schema::fill::lay_under;
use crate::status::FieldError;
use crate::world::World;

/// Fills in a service's defaults.
pub fn fill_defaults(object: &mut Value) {
    map_at(object, "spec");
    let spec = &mut object["spec"];
    lay_under(spec, &json!({ "sessionAffinity": "None", "type": "ClusterIP" }));
    let kind = spec["type"].as_str().unwrap_or_default().to_owned();
    if kind != "ExternalName" {
        lay_under(spec, &json!({ "internalTrafficPolicy": "Cluster" }));
    }
    if kind == "NodePort" || kind == "LoadBalancer" {
        lay_under(spec, &json!({ "externalTrafficPolicy": "Cluster" }));
    }
    if kind == "LoadBalancer" {
        lay_under(spec, &json!({ "allocateLoadBalancerNodePorts": true }));
    }
    for port in spec["ports"].as_array_mut().into_iter().flatten() {
        let number = port["port"].clone();
        lay_under(port, &json!({ "protocol": "TCP", "targetPort": number }));
    }
    drop_null(spec, "ports");
}

/// Gives a new service its addresses and node ports.
pub fn prepare_new(world: &mut World, object: &mut Value) {
    let spec = &mut object["spec"];
    if spec["type"] == "ExternalName" {
        return;
    }
    if spec["clusterIP"].as_str().unwrap_or_default().is_empty() {
        let number = world.hand_out("cluster address") + 2;
        spec["clusterIP"] = Value::from(format!("10.96.{}.{}", number / 250, number % 250));
    }
    let address = spec["clusterIP"].clone();
    let defaults = json!({
        "clusterIPs": [address],
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
    });
    lay_under(spec, &defaults);
    let has_node_ports = spec["type"] == "NodePort"
        || spec["type"] == "LoadBalancer" && spec["allocateLoadBalancerNodePorts"] != false;
    for port in spec["ports"].as_array_mut().into_iter().flatten() {
        if has_node_ports && port["nodePort"].as_u64().unwrap_or(0) == 0 {
            port["nodePort"] = Value::from(30_000 + world.hand_out("node port") % 2_768);
        }
    }
    drop_null(spec, "ports");
    object["status"] = json!({ "loadBalancer": {} });
}

/// What a change does not name, the server keeps: addresses, and node ports by the port's name. Ports
/// that are new get one.
pub fn prepare_change(world: &mut World, old: &Value, new: &mut Value) {
    let before = &old["spec"];
    if new["spec"]["type"] == "ExternalName" || before["type"] == "ExternalName" {
        return;
    }
    for key in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        if new["spec"].get(key).is_none() {
            copy_field(before, &mut new["spec"], key);
        }
    }
    let kind = new["spec"]["type"].clone();
    if kind != "NodePort" && kind != "LoadBalancer" {
        return;
    }
    let used: Vec<u64> = new["spec"]["ports"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|port| port["nodePort"].as_u64())
        .collect();
    for port in new["spec"]["ports"].as_array_mut().into_iter().flatten() {
        if port.get("nodePort").is_some() {
            continue;
        }
        let same = |one: &&Value| one.get("name") == port.get("name");
        let kept = before["ports"].as_array().into_iter().flatten().find(same);
        let kept =
            kept.and_then(|one| one["nodePort"].as_u64()).filter(|kept| !used.contains(kept));
        port["nodePort"] = match kept {
            Some(kept) => Value::from(kept),
            None => Value::from(30_000 + world.hand_out("node port") % 2_768),
        };
    }
    drop_null(&mut new["spec"], "ports");
}

/// What is wrong with a service.
pub fn validate(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let spec = &object["spec"];
    let mut errors = Vec::new();
    let kind = spec["type"].as_str().unwrap_or_default();
    let is_headless = spec["clusterIP"] == "None";
    let ports = spec["ports"].as_array().cloned().unwrap_or_default();
    if ports.is_empty() && !is_headless && kind != "ExternalName" {
        errors.push(FieldError::required("spec.ports", ""));
    }
    if !["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"].contains(&kind) {
        let supported = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"].map(Value::from);
        errors.push(FieldError::not_supported("spec.type", &spec["type"], &supported));
    }
    for (index, port) in ports.iter().enumerate() {
        let path = format!("spec.ports[{index}]");
        let number = port["port"].as_u64().unwrap_or(0);
        if !(1..=65_535).contains(&number) {
            let why = "must be between 1 and 65535, inclusive";
            errors.push(FieldError::invalid(&format!("{path}.port"), Some(&port["port"]), why));
        }
        let name = port["name"].as_str().unwrap_or_default();
        if name.is_empty() && ports.len() > 1 {
            errors.push(FieldError::required(&format!("{path}.name"), ""));
        }
        if !name.is_empty() && ports[..index].iter().any(|other| other["name"] == port["name"]) {
            errors.push(FieldError::duplicate(&format!("{path}.name"), &port["name"]));
        }
    }
    if let Some(old) = old {
        let (before, after) = (&old["spec"]["clusterIP"], &spec["clusterIP"]);
        let had_address = !before.as_str().unwrap_or_default().is_empty();
        let stays = old["spec"]["type"] != "ExternalName" && kind != "ExternalName";
        if had_address && stays && before != after {
            let why = "may not change once set";
            let shown = &spec["clusterIPs"];
            errors.push(FieldError::invalid("spec.clusterIPs[0]", Some(shown), why));
        }
    }
    errors
}

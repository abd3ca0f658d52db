//! What the server says about itself: its version, groups and resources.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::request::Target;
use crate::resource::Resource;
use crate::world::World;

/// The answer for a path of discovery; `None` if there is nothing.
pub fn answer(world: &World, path: &str) -> Option<Value> {
    match path.trim_end_matches('/') {
        "/version" => Some(json!({
            "major": "1",
            "minor": "36",
            "gitVersion": "v1.36.3",
            "gitCommit": "",
            "gitTreeState": "clean",
            "buildDate": "2026-01-01T00:00:00Z",
            "goVersion": "go1.26",
            "compiler": "gc",
            "platform": "linux/amd64",
        })),
        "/api" => Some(json!({
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [],
        })),
        "/apis" => Some(json!({
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": groups(world),
        })),
        path => {
            if let Some(group) = path.strip_prefix("/apis/").filter(|rest| !rest.contains('/')) {
                return groups(world).into_iter().find(|one| one["name"] == group);
            }
            let target = Target::read(path).filter(|target| target.plural.is_empty())?;
            resources(world, &target.group, &target.version)
        }
    }
}

fn groups(world: &World) -> Vec<Value> {
    let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for resource in world.registry.iter().filter(|resource| !resource.group.is_empty()) {
        let versions = all.entry(&resource.group).or_default();
        for version in resource.versions.keys() {
            if !versions.contains(&version.as_str()) {
                versions.push(version);
            }
        }
    }
    let groups = all.into_iter().map(|(name, versions)| {
        let versions: Vec<Value> = versions
            .iter()
            .map(|version| {
                json!({ "groupVersion": format!("{name}/{version}"), "version": version })
            })
            .collect();
        let preferred = versions.last().cloned().unwrap_or_default();
        json!({ "name": name, "versions": versions, "preferredVersion": preferred })
    });
    groups.collect()
}

fn resources(world: &World, group: &str, version: &str) -> Option<Value> {
    let all: Vec<&Resource> = world
        .registry
        .iter()
        .map(AsRef::as_ref)
        .filter(|one| one.group == group && one.versions.contains_key(version))
        .collect();
    let first = all.first()?;
    let mut resources = Vec::new();
    for resource in &all {
        let singular = resource.aliases.first().cloned().unwrap_or_default();
        resources.push(json!({
            "name": resource.plural,
            "singularName": singular,
            "namespaced": resource.is_namespaced,
            "kind": resource.kind,
            "verbs": [
                "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch",
            ],
            "shortNames": resource.aliases.iter().skip(1).collect::<Vec<_>>(),
        }));
        let served = &resource.versions[version];
        let subresources = [("status", served.has_status), ("scale", served.scale.is_some())];
        for (name, _) in subresources.iter().filter(|(_, is_there)| *is_there) {
            resources.push(json!({
                "name": format!("{}/{name}", resource.plural),
                "singularName": "",
                "namespaced": resource.is_namespaced,
                "kind": resource.kind,
                "verbs": ["get", "patch", "update"],
            }));
        }
    }
    Some(json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": first.api_version(version),
        "resources": resources,
    }))
}

//! The child objects as files to be read and reviewed, and that Kubernetes' own types take them.

use std::path::Path;

use expect_test::expect_file;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{
    ConfigMap, PersistentVolumeClaim, Pod as KubernetesPod, Service, ServiceAccount,
};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use millrace_crds::schema::sorted;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{claim, config, external, policies, services, stateful_set, trial};
use crate::cluster::seen::{Pod, Seen};
use crate::cluster::wanted::{Wanted, new_cluster_id, validate};
use crate::kind::Kind;
use crate::resource::Cluster;

/// The resource's uid in these tests.
pub const UID: &str = "6f2f27a1-6d4c-4d0e-9a0e-000000000001";

/// What is wanted by a resource of this spec.
pub fn wanted(spec: Value) -> Wanted {
    let mut cluster = Cluster { spec, ..Cluster::default() };
    cluster.metadata.name = Some("shop".to_owned());
    cluster.metadata.namespace = Some("store".to_owned());
    cluster.metadata.uid = Some(UID.to_owned());
    cluster.metadata.generation = Some(1);
    validate(&cluster, "millrace-broker:test").expect("a sound spec")
}

fn all(wanted: &Wanted) -> Vec<Value> {
    let cluster_id = new_cluster_id(&wanted.uid);
    let mut seen = Seen::default();
    for (number, service) in external::services(wanted, &Seen::default()).into_iter().enumerate() {
        let name = service["metadata"]["name"].as_str().unwrap().to_owned();
        let mut given = service.clone();
        let given_port = &mut given["spec"]["ports"][0]["nodePort"];
        if given_port.is_null() {
            *given_port = json!(31_000 + number);
        }
        seen.objects.insert((Kind::Service, name), given);
    }
    let found = claim::Found {
        uid: "claim-uid",
        cluster_id: &cluster_id,
        directory_id: Some("directory".to_owned()),
        size: &wanted.spec.storage.size,
    };
    let pod = json!({ "metadata": { "uid": "p" }, "spec": { "nodeName": "worker" } });
    let mut all = vec![
        policies::service_account(wanted),
        services::headless(wanted),
        services::bootstrap(wanted),
    ];
    all.extend(external::services(wanted, &seen));
    all.extend([
        policies::network_policy(wanted),
        policies::disruption_budget(wanted),
        config::config_map(wanted, &seen, &cluster_id),
        stateful_set::stateful_set(wanted, &cluster_id),
        claim::claim(wanted, 0, &found),
        trial::trial(wanted, "shop-config-digest", "what", 0, Some(Pod { object: &pod })),
    ]);
    all
}

fn survives<T: DeserializeOwned + Serialize>(object: &Value) {
    let read: T = serde_json::from_value(object.clone()).expect("a known shape");
    let back = serde_json::to_value(&read).expect("JSON");
    assert_eq!(sorted(&back), sorted(object), "a field is not Kubernetes'");
}

fn check(file: &str, spec: Value) {
    let wanted = wanted(spec);
    let mut text = String::new();
    for object in all(&wanted) {
        match object["kind"].as_str().unwrap() {
            "ServiceAccount" => survives::<ServiceAccount>(&object),
            "Service" => survives::<Service>(&object),
            "NetworkPolicy" => survives::<NetworkPolicy>(&object),
            "PodDisruptionBudget" => survives::<PodDisruptionBudget>(&object),
            "ConfigMap" => survives::<ConfigMap>(&object),
            "StatefulSet" => survives::<StatefulSet>(&object),
            "PersistentVolumeClaim" => survives::<PersistentVolumeClaim>(&object),
            "Pod" => survives::<KubernetesPod>(&object),
            other => panic!("unknown kind {other}"),
        }
        text += "---\n";
        text += &serde_yaml::to_string(&sorted(&object)).unwrap();
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cluster/build/golden").join(file);
    expect_file![golden].assert_eq(&text);
}

#[test]
fn a_cluster_of_defaults() {
    check("defaults.yaml", json!({}));
}

#[test]
fn a_cluster_that_says_everything() {
    check(
        "everything.yaml",
        json!({
            "image": "registry.example/broker:7",
            "imagePullPolicy": "Always",
            "storage": { "size": "100Gi", "className": "fast", "deletionPolicy": "Delete" },
            "listeners": [
                { "name": "internal", "type": "Internal", "port": 9092 },
                { "name": "nodes", "type": "NodePort", "port": 9094, "nodePort": 31000 },
                {
                    "name": "cloud", "type": "LoadBalancer", "port": 9095,
                    "advertisedHost": "kafka.example.com",
                    "annotations": { "example.com/scheme": "internet-facing" },
                    "loadBalancerClass": "example.com/fast",
                    "sourceRanges": ["10.0.0.0/8"],
                },
            ],
            "config": { "num.partitions": 6, "log.retention.hours": 24 },
            "resources": { "requests": { "cpu": 2, "memory": "4Gi" }, "limits": { "memory": "4Gi" } },
            "pod": {
                "labels": { "team": "payments" },
                "annotations": { "example.com/scrape": "true" },
                "nodeSelector": { "disk": "ssd" },
                "affinity": { "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [
                        { "matchExpressions": [{ "key": "gpu", "operator": "DoesNotExist" }] },
                    ] },
                } },
                "tolerations": [{ "key": "dedicated", "operator": "Exists", "effect": "NoSchedule" }],
                "topologySpreadConstraints": [{
                    "maxSkew": 2, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule",
                }],
                "priorityClassName": "high",
                "imagePullSecrets": [{ "name": "registry" }],
                "env": [{ "name": "RUST_BACKTRACE", "value": "1" }],
                "terminationGracePeriodSeconds": 120,
            },
        }),
    );
}

#[test]
fn brokers_that_outlive_their_resource_have_no_owner() {
    let wanted = wanted(json!({ "deletionPolicy": "Retain" }));
    // A trial is nothing that anybody needs.
    for object in all(&wanted).into_iter().filter(|object| object["kind"] != "Pod") {
        assert!(object.pointer("/metadata/ownerReferences").is_none(), "{object}");
    }
}

#[test]
fn a_platform_may_choose_users_and_groups() {
    for (are_users_set, group) in [(true, json!(65_532)), (false, Value::Null)] {
        let wanted = Wanted { are_users_set, ..wanted(json!({})) };
        let set = stateful_set::stateful_set(&wanted, "id");
        let security = &set["spec"]["template"]["spec"]["securityContext"];
        assert_eq!(security["runAsNonRoot"], json!(true));
        assert_eq!(security["runAsUser"], group);
        assert_eq!(security["fsGroup"], group);
    }
}

#[test]
fn a_trial_asks_for_nothing_that_the_broker_has() {
    let wanted = wanted(json!({ "resources": { "limits": { "memory": "4Gi" } } }));
    let broker = json!({ "metadata": { "uid": "p" }, "spec": {
        "nodeName": "worker",
        "containers": [{ "resources": { "requests": { "memory": "4Gi" } } }],
    } });
    let trial =
        trial::trial(&wanted, "shop-config-digest", "what", 0, Some(Pod { object: &broker }));
    assert_eq!(trial["spec"]["containers"][0]["resources"]["requests"], json!({ "memory": "0" }));
    let pinned = &trial["spec"]["affinity"]["nodeAffinity"];
    assert_eq!(
        pinned["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"],
        json!([{ "matchFields": [
            { "key": "metadata.name", "operator": "In", "values": ["worker"] },
        ] }])
    );
}

#[test]
fn an_address_of_ipv6_stands_in_brackets() {
    let listener = |host: &str| {
        let mut listener = json!({ "name": "cloud", "type": "LoadBalancer", "port": 9095 });
        if !host.is_empty() {
            listener["advertisedHost"] = json!(host);
        }
        let internal = json!({ "name": "internal", "type": "Internal", "port": 9092 });
        wanted(json!({ "listeners": [internal, listener] }))
    };
    let ingress = |ip: &str| {
        let service = json!({ "status": { "loadBalancer": { "ingress": [{ "ip": ip }] } } });
        let mut seen = Seen::default();
        seen.objects.insert((Kind::Service, "shop-cloud-0".to_owned()), service);
        seen
    };
    let rows = [
        ("", "192.0.2.1", "CLOUD://192.0.2.1:9095"),
        ("", "2001:db8::1", "CLOUD://[2001:db8::1]:9095"),
        ("2001:db8::2", "192.0.2.1", "CLOUD://[2001:db8::2]:9095"),
        ("kafka.example.com", "2001:db8::1", "CLOUD://kafka.example.com:9095"),
    ];
    for (host, ip, expected) in rows {
        let told = config::advertised(&listener(host), &ingress(ip), 0);
        assert_eq!(told.last().map(String::as_str), Some(expected));
    }
}

//! Built-in kinds: defaults, and what may not change.

use serde_json::{Value, json};

use super::bench::{Bench, Checked, cases, code, refusal, same};

cases![
    a_stateful_set_gets_its_defaults,
    most_of_a_stateful_set_may_not_change,
    a_stateful_set_is_held_to_its_selector,
    a_service_gets_its_addresses,
    a_service_keeps_its_address,
    amounts_are_written_canonically,
    a_claim_does_not_change,
    an_immutable_config_map_stays,
    a_network_policy_gets_its_defaults,
    a_disruption_budget_names_one_bound,
    a_namespace_knows_its_name,
];

fn stateful_set() -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": { "name": "a" },
        "spec": {
            "serviceName": "a",
            "replicas": 0,
            "podManagementPolicy": "Parallel",
            "updateStrategy": { "type": "OnDelete" },
            "selector": { "matchLabels": { "app": "x" } },
            "template": {
                "metadata": { "labels": { "app": "x" } },
                "spec": {
                    "containers": [{
                        "name": "c",
                        "image": "registry.example/x:1",
                        "ports": [{ "containerPort": 9092 }],
                        "env": [{
                            "name": "POD",
                            "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } },
                        }],
                        "readinessProbe": { "httpGet": { "port": 8080 } },
                        "volumeMounts": [{ "name": "data", "mountPath": "/data" },
                                         { "name": "config", "mountPath": "/config" }],
                    }],
                    "volumes": [{ "name": "config", "configMap": { "name": "c" } }],
                },
            },
            "volumeClaimTemplates": [{
                "metadata": { "name": "data" },
                "spec": {
                    "accessModes": ["ReadWriteOnce"],
                    "resources": { "requests": { "storage": "1024Mi" } },
                },
            }],
        },
    })
}

async fn a_stateful_set_gets_its_defaults(bench: &Bench) -> Checked {
    let reply = bench.post(&bench.group("apps/v1", "statefulsets"), &stateful_set()).await?;
    code("create", &reply, 201)?;
    let expected = json!({
        "persistentVolumeClaimRetentionPolicy": { "whenDeleted": "Retain", "whenScaled": "Retain" },
        "podManagementPolicy": "Parallel",
        "replicas": 0,
        "revisionHistoryLimit": 10,
        "selector": { "matchLabels": { "app": "x" } },
        "serviceName": "a",
        "template": {
            "metadata": { "labels": { "app": "x" } },
            "spec": {
                "containers": [{
                    "env": [{
                        "name": "POD",
                        "valueFrom": {
                            "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.name" },
                        },
                    }],
                    "image": "registry.example/x:1",
                    "imagePullPolicy": "IfNotPresent",
                    "name": "c",
                    "ports": [{ "containerPort": 9092, "protocol": "TCP" }],
                    "readinessProbe": {
                        "failureThreshold": 3,
                        "httpGet": { "path": "/", "port": 8080, "scheme": "HTTP" },
                        "periodSeconds": 10,
                        "successThreshold": 1,
                        "timeoutSeconds": 1,
                    },
                    "resources": {},
                    "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File",
                    "volumeMounts": [{ "mountPath": "/data", "name": "data" },
                                     { "mountPath": "/config", "name": "config" }],
                }],
                "dnsPolicy": "ClusterFirst",
                "restartPolicy": "Always",
                "schedulerName": "default-scheduler",
                "securityContext": {},
                "terminationGracePeriodSeconds": 30,
                "volumes": [{ "configMap": { "defaultMode": 420, "name": "c" }, "name": "config" }],
            },
        },
        "updateStrategy": { "type": "OnDelete" },
        "volumeClaimTemplates": [{
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": { "name": "data" },
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": { "requests": { "storage": "1Gi" } },
                "volumeMode": "Filesystem",
            },
            "status": { "phase": "Pending" },
        }],
    });
    same("spec", &reply.body["spec"], &expected)?;
    same("generation", &reply.body["metadata"]["generation"], &json!(1))
}

async fn most_of_a_stateful_set_may_not_change(bench: &Bench) -> Checked {
    let path = bench.group("apps/v1", "statefulsets/a");
    bench.post(&bench.group("apps/v1", "statefulsets"), &stateful_set()).await?;
    let good = json!({"spec": {"template": {"metadata": {"annotations": {"x": "y"}}}}});
    let reply = bench.patch(&path, "merge", &good).await?;
    code("template", &reply, 200)?;
    same("generation", &reply.body["metadata"]["generation"], &json!(2))?;
    let message = "StatefulSet.apps \"a\" is invalid: spec: Forbidden: updates to statefulset spec \
        for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', \
        'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are \
        forbidden";
    for bad in [
        json!({"spec": {"serviceName": "b"}}),
        json!({"spec": {"podManagementPolicy": "OrderedReady"}}),
        json!({"spec": {"volumeClaimTemplates": null}}),
    ] {
        let reply = bench.patch(&path, "merge", &bad).await?;
        same(&bad.to_string(), &reply.code, &422)?;
        if bad["spec"].get("volumeClaimTemplates").is_none() {
            refusal(&bad.to_string(), &reply, (422, "Invalid", message))?;
        }
    }
    Ok(())
}

async fn a_stateful_set_is_held_to_its_selector(bench: &Bench) -> Checked {
    let mut bad = stateful_set();
    bad["spec"]["selector"] = json!({"matchLabels": {"app": "y"}});
    let reply = bench.post(&bench.group("apps/v1", "statefulsets"), &bad).await?;
    let message = "StatefulSet.apps \"a\" is invalid: spec.template.metadata.labels: Invalid value: \
                   {\"app\":\"x\"}: `selector` does not match template `labels`";
    refusal("selector", &reply, (422, "Invalid", message))?;
    let mut bad = stateful_set();
    bad["spec"]["template"]["spec"]["containers"][0]["volumeMounts"][0]["name"] = json!("none");
    let reply = bench.post(&bench.group("apps/v1", "statefulsets"), &bad).await?;
    let message = "StatefulSet.apps \"a\" is invalid: \
        spec.template.spec.containers[0].volumeMounts[0].name: Not found: \"none\"";
    refusal("mount", &reply, (422, "Invalid", message))
}

async fn a_service_gets_its_addresses(bench: &Bench) -> Checked {
    let service = |spec: Value| json!({"metadata": {"name": "a"}, "spec": spec});
    let path = bench.core("services");
    let reply = bench.post(&path, &service(json!({"ports": [{"port": 80}]}))).await?;
    code("create", &reply, 201)?;
    let spec = &reply.body["spec"];
    let address = spec["clusterIP"].clone();
    same("address", &address.as_str().is_some_and(|text| text.starts_with("10.96.")), &true)?;
    let expected = json!({
        "clusterIP": address,
        "clusterIPs": [address],
        "internalTrafficPolicy": "Cluster",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
        "sessionAffinity": "None",
        "type": "ClusterIP",
    });
    same("spec", spec, &expected)?;
    same("status", &reply.body["status"], &json!({"loadBalancer": {}}))?;
    let mut node = service(json!({"type": "NodePort", "ports": [{"port": 80}]}));
    node["metadata"]["name"] = json!("b");
    let reply = bench.post(&path, &node).await?;
    let port = reply.body["spec"]["ports"][0]["nodePort"].as_u64().unwrap_or(0);
    same("node port", &(30_000..32_768).contains(&port), &true)?;
    same("policy", &reply.body["spec"]["externalTrafficPolicy"], &json!("Cluster"))?;
    let mut headless = service(json!({"clusterIP": "None", "selector": {"a": "b"}}));
    headless["metadata"]["name"] = json!("c");
    let reply = bench.post(&path, &headless).await?;
    let expected = json!({
        "clusterIP": "None",
        "clusterIPs": ["None"],
        "internalTrafficPolicy": "Cluster",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "selector": {"a": "b"},
        "sessionAffinity": "None",
        "type": "ClusterIP",
    });
    same("headless", &reply.body["spec"], &expected)
}

async fn a_service_keeps_its_address(bench: &Bench) -> Checked {
    let service = |ports: Value| {
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"},
            "spec": {"type": "NodePort", "ports": ports},
        })
    };
    let one = json!([{"port": 80, "name": "x"}]);
    let made = bench.post(&bench.core("services"), &service(one)).await?;
    let path = bench.core("services/a");
    let ports = json!([{"port": 80, "name": "x"}, {"port": 81, "name": "y"}]);
    let reply = bench.put(&path, &service(ports)).await?;
    code("put without addresses", &reply, 200)?;
    let (before, after) = (&made.body["spec"], &reply.body["spec"]);
    same("address", &after["clusterIP"], &before["clusterIP"])?;
    same("port", &after["ports"][0]["nodePort"], &before["ports"][0]["nodePort"])?;
    let patch = json!({"spec": {"clusterIP": "10.96.77.77", "clusterIPs": ["10.96.77.77"]}});
    let reply = bench.patch(&path, "merge", &patch).await?;
    let message = "Service \"a\" is invalid: spec.clusterIPs[0]: Invalid value: [\"10.96.77.77\"]: \
                   may not change once set";
    refusal("another address", &reply, (422, "Invalid", message))?;
    let two = json!([{"port": 80}, {"port": 81}]);
    let reply = bench.put(&path, &service(two)).await?;
    code("ports need names", &reply, 422)
}

async fn amounts_are_written_canonically(bench: &Bench) -> Checked {
    let claim = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "a"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "none",
            "resources": {"requests": {"storage": "2048Mi"}},
        },
    });
    let path = bench.core("persistentvolumeclaims/a");
    let made = bench.apply(&path, "one", &claim).await?;
    code("create", &made, 201)?;
    let size = &made.body["spec"]["resources"]["requests"]["storage"];
    same("size", size, &json!("2Gi"))?;
    same(
        "finalizers",
        &made.body["metadata"]["finalizers"],
        &json!(["kubernetes.io/pvc-protection"]),
    )?;
    same("status", &made.body["status"], &json!({"phase": "Pending"}))?;
    // The same amount in other words is no change. (A real server writes a new claim once more.)
    let again = bench.apply(&path, "one", &claim).await?;
    let third = bench.apply(&path, "one", &claim).await?;
    same("again", &third.body, &again.body)
}

async fn a_claim_does_not_change(bench: &Bench) -> Checked {
    let claim = json!({
        "metadata": {"name": "a"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "none",
            "resources": {"requests": {"storage": "2Gi"}},
        },
    });
    let path = bench.core("persistentvolumeclaims/a");
    code("create", &bench.post(&bench.core("persistentvolumeclaims"), &claim).await?, 201)?;
    let rows = [
        json!({"spec": {"storageClassName": "other"}}),
        json!({"spec": {"resources": {"requests": {"storage": "1Gi"}}}}),
    ];
    for change in rows {
        let reply = bench.patch(&path, "merge", &change).await?;
        same(&change.to_string(), &reply.code, &422)?;
        let field = &reply.body["details"]["causes"][0]["field"];
        same(&change.to_string(), field, &json!("spec"))?;
    }
    let bad = json!({"metadata": {"name": "b"}, "spec": {}});
    let reply = bench.post(&bench.core("persistentvolumeclaims"), &bad).await?;
    code("needs modes and size", &reply, 422)
}

async fn an_immutable_config_map_stays(bench: &Bench) -> Checked {
    let body = json!({"metadata": {"name": "a"}, "data": {"k": "v"}, "immutable": true});
    bench.post(&bench.core("configmaps"), &body).await?;
    let path = bench.core("configmaps/a");
    let reply = bench.patch(&path, "merge", &json!({"data": {"k": "w"}})).await?;
    let message = "ConfigMap \"a\" is invalid: data: Forbidden: field is immutable when `immutable` \
                   is set";
    refusal("data", &reply, (422, "Invalid", message))?;
    let reply = bench.patch(&path, "merge", &json!({"metadata": {"labels": {"x": "y"}}})).await?;
    code("labels", &reply, 200)
}

async fn a_network_policy_gets_its_defaults(bench: &Bench) -> Checked {
    let body = json!({
        "metadata": {"name": "a"},
        "spec": {
            "podSelector": {"matchLabels": {"app": "x"}},
            "ingress": [{"ports": [{"port": 9092}]}],
        },
    });
    let path = bench.group("networking.k8s.io/v1", "networkpolicies");
    let reply = bench.post(&path, &body).await?;
    let expected = json!({
        "ingress": [{"ports": [{"port": 9092, "protocol": "TCP"}]}],
        "podSelector": {"matchLabels": {"app": "x"}},
        "policyTypes": ["Ingress"],
    });
    same("spec", &reply.body["spec"], &expected)?;
    same("generation", &reply.body["metadata"]["generation"], &json!(1))
}

async fn a_disruption_budget_names_one_bound(bench: &Bench) -> Checked {
    let path = bench.group("policy/v1", "poddisruptionbudgets");
    let spec = json!({"selector": {"matchLabels": {"app": "x"}}, "maxUnavailable": 1});
    let body = json!({"metadata": {"name": "a"}, "spec": spec});
    let reply = bench.post(&path, &body).await?;
    same("spec", &(reply.code, &reply.body["spec"]), &(201, &spec))?;
    let both = json!({"metadata": {"name": "b"}, "spec": {"maxUnavailable": 1, "minAvailable": 1}});
    code("both", &bench.post(&path, &both).await?, 422)
}

async fn a_namespace_knows_its_name(bench: &Bench) -> Checked {
    let reply = bench.get(&format!("/api/v1/namespaces/{}", bench.namespace)).await?;
    let labels = json!({"kubernetes.io/metadata.name": bench.namespace});
    same("labels", &reply.body["metadata"]["labels"], &labels)?;
    same("spec", &reply.body["spec"], &json!({"finalizers": ["kubernetes"]}))?;
    same("status", &reply.body["status"], &json!({"phase": "Active"}))
}

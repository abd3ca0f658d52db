//! Custom resources: the suite's own definition, defaults, pruning, the status and scale endpoints.

use serde_json::{Value, json};

use super::bench::{Bench, Checked, cases, code, gadget, refusal, same, version};

cases![
    defaults_are_filled_in,
    nulls_make_room_for_defaults,
    unknown_fields_are_pruned_but_where_they_are_kept,
    status_is_written_by_its_endpoint_only,
    status_is_defaulted_and_validated_too,
    the_scale_endpoint_is_a_number_of_replicas,
    a_definition_must_make_sense,
    the_resource_is_listed_in_discovery,
];

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const NAME: &str = "gadgets.fidelity.millrace.io";

/// Defines the suite's own resource.
pub(super) async fn define(bench: &Bench) -> Checked {
    let reply = bench.post(DEFINITIONS, &definition()).await?;
    if reply.code != 409 {
        code("define", &reply, 201)?;
    }
    let path = format!("{DEFINITIONS}/{NAME}");
    bench
        .until(&path, "established", |reply| {
            let conditions = reply.body["status"]["conditions"].as_array();
            conditions
                .into_iter()
                .flatten()
                .any(|one| one["type"] == "Established" && one["status"] == "True")
        })
        .await?;
    bench.until("/apis/fidelity.millrace.io/v1/gadgets", "served", |one| one.code == 200).await?;
    Ok(())
}

/// Takes it away.
pub(super) async fn undefine(bench: &Bench) -> Checked {
    code("undefine", &bench.delete(&format!("{DEFINITIONS}/{NAME}"), &Value::Null).await?, 200)
}

fn definition() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": NAME },
        "spec": {
            "group": "fidelity.millrace.io",
            "scope": "Namespaced",
            "names": {
                "plural": "gadgets", "singular": "gadget", "kind": "Gadget", "shortNames": ["gd"],
            },
            "versions": [{
                "name": "v1",
                "served": true,
                "storage": true,
                "schema": { "openAPIV3Schema": schema() },
                "subresources": {
                    "status": {},
                    "scale": {
                        "specReplicasPath": ".spec.size",
                        "statusReplicasPath": ".status.size",
                    },
                },
            }],
        },
    })
}

fn schema() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": spec_fields(),
                "x-kubernetes-validations": [
                    {
                        "rule": "!has(self.size) || !has(self.limit) || self.size <= self.limit",
                        "message": "size must not exceed limit",
                    },
                    {
                        "rule": "!has(oldSelf.storage) || has(self.storage)",
                        "message": "storage cannot be removed",
                        "fieldPath": ".storage",
                    },
                ],
            },
            "status": {
                "type": "object",
                "properties": {
                    "phase": { "type": "string", "enum": ["Ready", "Pending", "Other"] },
                    "size": { "type": "integer" },
                    "seen": { "type": "boolean", "default": false },
                    "conditions": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["type"],
                        "items": {
                            "type": "object",
                            "required": ["type", "status"],
                            "properties": { "type": text, "status": text, "reason": text },
                        },
                    },
                },
            },
        },
    })
}

fn spec_fields() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "size": { "type": "integer", "minimum": 0, "maximum": 100 },
        "limit": { "type": "integer" },
        "count": { "type": "integer", "minimum": 0, "maximum": 9, "multipleOf": 3 },
        "color": { "type": "string", "enum": ["blue", "red"], "default": "blue" },
        "name": { "type": "string", "pattern": "^[a-z]+$", "minLength": 2, "maxLength": 8 },
        "words": { "type": "array", "maxItems": 3, "minItems": 1, "items": text },
        "tags": { "type": "array", "x-kubernetes-list-type": "set", "items": text },
        "items": {
            "type": "array",
            "maxItems": 16,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": text,
                    "value": {
                        "type": "string",
                        "maxLength": 20,
                        "x-kubernetes-validations": [
                            { "rule": "self == oldSelf || self != 'fixed'", "message": "is fixed" },
                        ],
                    },
                    "port": { "type": "integer", "default": 80 },
                },
            },
        },
        "labels": { "type": "object", "additionalProperties": text },
        "free": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
        "either": { "x-kubernetes-int-or-string": true },
        "ratio": { "type": "number", "exclusiveMinimum": true, "minimum": 0 },
        "storage": {
            "type": "string",
            "maxLength": 20,
            "x-kubernetes-validations": [{
                "rule": "quantity(self).compareTo(quantity(oldSelf)) >= 0",
                "message": "storage can only grow",
            }],
        },
        "fixed": {
            "type": "string",
            "maxLength": 20,
            "x-kubernetes-validations": [
                { "rule": "self == oldSelf", "messageExpression": "'was ' + oldSelf" },
            ],
        },
        "plain": {
            "type": "object",
            "properties": {
                "u": { "type": "object" },
                "deep": { "type": "object", "properties": { "u": { "type": "integer" } } },
            },
        },
        "defaulted": {
            "type": "object",
            "default": {},
            "properties": { "inner": { "type": "integer", "default": 7 } },
        },
    })
}

async fn defaults_are_filled_in(bench: &Bench) -> Checked {
    let made = gadget("a", &json!({"items": [{"name": "i"}]}));
    let reply = bench.post(&bench.gadgets(""), &made).await?;
    code("create", &reply, 201)?;
    let expected = json!({
        "color": "blue",
        "defaulted": {"inner": 7},
        "items": [{"name": "i", "port": 80}],
    });
    same("spec", &reply.body["spec"], &expected)?;
    // Without a spec there is nothing to fill.
    let reply = bench.post(&bench.gadgets(""), &json!({
        "apiVersion": "fidelity.millrace.io/v1", "kind": "Gadget", "metadata": {"name": "b"},
    })).await?;
    same("no spec", &(reply.code, reply.body.get("spec")), &(201, None))
}

async fn nulls_make_room_for_defaults(bench: &Bench) -> Checked {
    let made = gadget("a", &json!({"color": null, "size": 1}));
    let reply = bench.post(&bench.gadgets(""), &made).await?;
    code("create", &reply, 201)?;
    same("color", &reply.body["spec"]["color"], &json!("blue"))?;
    let reply =
        bench.patch(&bench.gadgets("/a"), "merge", &json!({"spec": {"color": null}})).await?;
    same("after a patch", &reply.body["spec"]["color"], &json!("blue"))
}

async fn unknown_fields_are_pruned_but_where_they_are_kept(bench: &Bench) -> Checked {
    let spec = json!({"size": 1, "nonsense": {"a": 1}, "free": {"any": [1]}, "plain": {"x": 1}});
    let reply = bench.post(&bench.gadgets(""), &gadget("a", &spec)).await?;
    let spec = &reply.body["spec"];
    same("kept", &spec["free"], &json!({"any": [1]}))?;
    same("pruned", &(spec.get("nonsense"), &spec["plain"]), &(None, &json!({})))?;
    let strict = format!("{}?fieldValidation=Strict", bench.gadgets(""));
    let reply = bench.post(&strict, &gadget("b", &json!({"nonsense": 1}))).await?;
    let message = "strict decoding error: unknown field \"spec.nonsense\"";
    code("strict", &reply, 400)?;
    let text = reply.body["message"].as_str().unwrap_or_default();
    same("strict", &text.ends_with(message), &true)
}

async fn status_is_written_by_its_endpoint_only(bench: &Bench) -> Checked {
    let mut made = gadget("a", &json!({"size": 1}));
    made["status"] = json!({"phase": "Ready"});
    let reply = bench.post(&bench.gadgets(""), &made).await?;
    same("create", &reply.body.get("status"), &None)?;
    let patch = json!({
        "metadata": {"labels": {"x": "y"}}, "spec": {"size": 9}, "status": {"phase": "Ready"},
    });
    let reply = bench.patch(&bench.gadgets("/a/status"), "merge", &patch).await?;
    same("phase", &reply.body["status"]["phase"], &json!("Ready"))?;
    same("spec", &reply.body["spec"]["size"], &json!(1))?;
    same("labels", &reply.body["metadata"].get("labels"), &None)?;
    let patch = json!({"spec": {"size": 2}, "status": {"phase": "Other"}});
    let reply = bench.patch(&bench.gadgets("/a"), "merge", &patch).await?;
    same("phase", &reply.body["status"]["phase"], &json!("Ready"))?;
    let mut put = reply.body.clone();
    put["status"] = json!({"phase": "Pending"});
    put["spec"]["size"] = json!(5);
    let put = bench.put(&bench.gadgets("/a/status"), &put).await?;
    same("put", &put.body["status"]["phase"], &json!("Pending"))?;
    same("put", &put.body["spec"]["size"], &json!(2))?;
    same("read", &bench.get(&bench.gadgets("/a/status")).await?.body, &put.body)
}

async fn status_is_defaulted_and_validated_too(bench: &Bench) -> Checked {
    bench.post(&bench.gadgets(""), &gadget("a", &json!({}))).await?;
    let reply =
        bench.patch(&bench.gadgets("/a/status"), "merge", &json!({"status": {"size": 3}})).await?;
    same("status", &reply.body["status"], &json!({"seen": false, "size": 3}))?;
    let patch = json!({"status": {"phase": "Lost"}});
    let reply = bench.patch(&bench.gadgets("/a/status"), "merge", &patch).await?;
    let message = "Gadget.fidelity.millrace.io \"a\" is invalid: [status.phase: Unsupported value: \
                   \"Lost\": supported values: \"Ready\", \"Pending\", \"Other\", <nil>: Invalid value: \
                   null: some validation rules were not checked because the object was invalid; \
                   correct the existing errors to complete validation]";
    refusal("phase", &reply, (422, "Invalid", message))
}

async fn the_scale_endpoint_is_a_number_of_replicas(bench: &Bench) -> Checked {
    let made = bench.post(&bench.gadgets(""), &gadget("a", &json!({"size": 3}))).await?;
    let path = bench.gadgets("/a/scale");
    let reply = bench.get(&path).await?;
    same("kind", &reply.body["kind"], &json!("Scale"))?;
    same("spec", &reply.body["spec"], &json!({"replicas": 3}))?;
    same("version", &version(&reply.body), &version(&made.body))?;
    let reply = bench.patch(&path, "merge", &json!({"spec": {"replicas": 5}})).await?;
    code("patch", &reply, 200)?;
    let read = bench.get(&bench.gadgets("/a")).await?;
    same("size", &read.body["spec"]["size"], &json!(5))?;
    same("generation", &read.body["metadata"]["generation"], &json!(2))?;
    let reply = bench.patch(&path, "merge", &json!({"spec": {"replicas": 500}})).await?;
    code("beyond the schema", &reply, 422)
}

async fn a_definition_must_make_sense(bench: &Bench) -> Checked {
    let mut wrong = definition();
    wrong["metadata"]["name"] = json!("other.fidelity.millrace.io");
    let reply = bench.post(DEFINITIONS, &wrong).await?;
    code("name", &reply, 422)?;
    let mut wrong = definition();
    wrong["metadata"]["name"] = json!("widgets.fidelity.millrace.io");
    wrong["spec"]["names"] = json!({"plural": "widgets", "kind": "Widget"});
    let fields = &mut wrong["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
    fields["spec"] = json!({
        "type": "object",
        "x-kubernetes-validations": [{"rule": "self.size >"}],
    });
    code("rule", &bench.post(DEFINITIONS, &wrong).await?, 422)?;
    wrong["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] =
        json!({"properties": {"a": {}}});
    code("no types", &bench.post(DEFINITIONS, &wrong).await?, 422)
}

async fn the_resource_is_listed_in_discovery(bench: &Bench) -> Checked {
    let reply = bench.get("/apis/fidelity.millrace.io/v1").await?;
    let all = reply.body["resources"].as_array().cloned().unwrap_or_default();
    let mut names: Vec<&str> = all.iter().filter_map(|one| one["name"].as_str()).collect();
    names.sort_unstable();
    same("resources", &names, &vec!["gadgets", "gadgets/scale", "gadgets/status"])?;
    let gadgets = all.iter().find(|one| one["name"] == "gadgets").cloned().unwrap_or_default();
    same("kind", &gadgets["kind"], &json!("Gadget"))?;
    same("namespaced", &gadgets["namespaced"], &json!(true))?;
    let reply = bench.get("/apis").await?;
    let groups = reply.body["groups"].as_array().into_iter().flatten();
    same("group", &groups.filter(|one| one["name"] == "fidelity.millrace.io").count(), &1)
}

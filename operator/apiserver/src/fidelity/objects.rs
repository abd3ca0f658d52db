//! Objects: made, read, replaced; versions and conflicts.

use serde_json::{Value, json};

use super::bench::{Bench, Checked, cases, code, config_map, gadget, refusal, same, version};
use crate::object::{meta, name, take_managed_fields};

cases![
    a_new_object_gets_uid_time_and_version,
    a_missing_object_is_named_in_the_refusal,
    a_taken_name_is_refused,
    a_name_is_generated_behind_its_prefix,
    an_update_moves_the_version_and_an_equal_one_does_not,
    an_update_of_an_old_version_conflicts,
    an_update_of_another_uid_conflicts,
    an_update_must_name_the_version_of_custom_resources_and_leases,
    names_in_url_and_body_must_agree,
    names_are_checked,
    a_namespace_must_be_there,
    a_dry_run_changes_nothing,
    a_wrong_kind_or_version_is_refused,
    unknown_fields_are_dropped_or_refused,
    leases_are_made_by_an_update,
    system_metadata_is_the_servers_own,
    events_have_two_faces,
    nothing_is_served_at_other_paths,
];

async fn a_new_object_gets_uid_time_and_version(bench: &Bench) -> Checked {
    let reply = bench.post(&bench.core("configmaps"), &config_map("a", &json!({"k": "v"}))).await?;
    code("create", &reply, 201)?;
    same("uid", &meta(&reply.body, "uid").len(), &36)?;
    same("time", &meta(&reply.body, "creationTimestamp").len(), &20)?;
    same("is numbered", &version(&reply.body).parse::<u64>().is_ok(), &true)?;
    same("generation", &reply.body["metadata"]["generation"], &Value::Null)?;
    same("kind", &reply.body["kind"], &json!("ConfigMap"))?;
    let reply = bench.post(&bench.gadgets(""), &gadget("a", &json!({"size": 1}))).await?;
    same("generation", &reply.body["metadata"]["generation"], &json!(1))?;
    let read = bench.get(&bench.gadgets("/a")).await?;
    same("read", &read.body, &reply.body)
}

async fn a_missing_object_is_named_in_the_refusal(bench: &Bench) -> Checked {
    let reply = bench.get(&bench.core("configmaps/none")).await?;
    let expected = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "configmaps \"none\" not found",
        "reason": "NotFound",
        "details": { "name": "none", "kind": "configmaps" },
        "code": 404,
    });
    same("core", &reply.body, &expected)?;
    let message = "gadgets.fidelity.millrace.io \"none\" not found";
    for reply in [
        bench.get(&bench.gadgets("/none")).await?,
        bench.put(&bench.gadgets("/none"), &gadget_at("none", "1")).await?,
        bench.patch(&bench.gadgets("/none"), "merge", &json!({})).await?,
        bench.delete(&bench.gadgets("/none"), &Value::Null).await?,
    ] {
        refusal("custom", &reply, (404, "NotFound", message))?;
        let details = json!({
            "name": "none", "group": "fidelity.millrace.io", "kind": "gadgets",
        });
        same("details", &reply.body["details"], &details)?;
    }
    Ok(())
}

fn gadget_at(name: &str, version: &str) -> Value {
    let mut object = gadget(name, &json!({"size": 1}));
    object["metadata"]["resourceVersion"] = Value::from(version);
    object
}

async fn a_taken_name_is_refused(bench: &Bench) -> Checked {
    let body = config_map("a", &json!({}));
    code("first", &bench.post(&bench.core("configmaps"), &body).await?, 201)?;
    let reply = bench.post(&bench.core("configmaps"), &body).await?;
    refusal("second", &reply, (409, "AlreadyExists", "configmaps \"a\" already exists"))
}

async fn a_name_is_generated_behind_its_prefix(bench: &Bench) -> Checked {
    let body = json!({ "metadata": { "generateName": "made-" } });
    let reply = bench.post(&bench.core("configmaps"), &body).await?;
    code("create", &reply, 201)?;
    same("prefix", &name(&reply.body).starts_with("made-"), &true)?;
    same("length", &name(&reply.body).len(), &10)?;
    let reply = bench.post(&bench.core("configmaps"), &json!({"metadata": {}})).await?;
    code("neither name nor prefix", &reply, 422)
}

async fn an_update_moves_the_version_and_an_equal_one_does_not(bench: &Bench) -> Checked {
    let path = bench.core("configmaps/a");
    let made = bench.post(&bench.core("configmaps"), &config_map("a", &json!({"k": "1"}))).await?;
    let equal = bench.put(&path, &made.body).await?;
    same("equal", &equal.body, &made.body)?;
    let mut changed = made.body.clone();
    changed["data"]["k"] = json!("2");
    let put = bench.put(&path, &changed).await?;
    code("changed", &put, 200)?;
    same("moved", &(version(&put.body) != version(&made.body)), &true)?;
    same("uid", &meta(&put.body, "uid"), &meta(&made.body, "uid"))?;
    // Without a version the newest is replaced, whatever it is.
    let put = bench.put(&path, &config_map("a", &json!({"k": "3"}))).await?;
    code("unconditional", &put, 200)
}

async fn an_update_of_an_old_version_conflicts(bench: &Bench) -> Checked {
    let path = bench.core("configmaps/a");
    let made = bench.post(&bench.core("configmaps"), &config_map("a", &json!({"k": "1"}))).await?;
    let mut newer = made.body.clone();
    newer["data"]["k"] = json!("2");
    code("newer", &bench.put(&path, &newer).await?, 200)?;
    let reply = bench.put(&path, &newer).await?;
    let message = "Operation cannot be fulfilled on configmaps \"a\": the object has been \
                   modified; please apply your changes to the latest version and try again";
    refusal("older", &reply, (409, "Conflict", message))?;
    same("details", &reply.body["details"], &json!({"name": "a", "kind": "configmaps"}))
}

async fn an_update_of_another_uid_conflicts(bench: &Bench) -> Checked {
    let path = bench.core("configmaps/a");
    let made = bench.post(&bench.core("configmaps"), &config_map("a", &json!({"k": "1"}))).await?;
    let mut other = config_map("a", &json!({"k": "2"}));
    other["metadata"]["uid"] = json!("00000000-0000-4000-8000-000000000000");
    let reply = bench.put(&path, &other).await?;
    let message = format!(
        "Operation cannot be fulfilled on configmaps \"a\": StorageError: invalid object, Code: 4, \
         Key: /registry/configmaps/{}/a, ResourceVersion: 0, AdditionalErrorMsg: Precondition \
         failed: UID in precondition: 00000000-0000-4000-8000-000000000000, UID in object meta: {}",
        bench.namespace,
        meta(&made.body, "uid")
    );
    refusal("other uid", &reply, (409, "Conflict", &message))
}

async fn an_update_must_name_the_version_of_custom_resources_and_leases(bench: &Bench) -> Checked {
    bench.post(&bench.gadgets(""), &gadget("a", &json!({"size": 1}))).await?;
    let reply = bench.put(&bench.gadgets("/a"), &gadget("a", &json!({"size": 2}))).await?;
    let message = "gadgets.fidelity.millrace.io \"a\" is invalid: metadata.resourceVersion: \
                   Invalid value: 0: must be specified for an update";
    refusal("gadget", &reply, (422, "Invalid", message))?;
    let leases = bench.group("coordination.k8s.io/v1", "leases");
    let lease = json!({ "metadata": { "name": "a" }, "spec": { "holderIdentity": "x" } });
    code("lease", &bench.post(&leases, &lease).await?, 201)?;
    let reply = bench.put(&format!("{leases}/a"), &lease).await?;
    code("lease", &reply, 422)
}

async fn names_in_url_and_body_must_agree(bench: &Bench) -> Checked {
    bench.post(&bench.core("configmaps"), &config_map("a", &json!({}))).await?;
    let reply = bench.put(&bench.core("configmaps/a"), &config_map("b", &json!({}))).await?;
    let message = "the name of the object (b) does not match the name on the URL (a)";
    refusal("name", &reply, (400, "BadRequest", message))?;
    let mut other = config_map("c", &json!({}));
    other["metadata"]["namespace"] = json!("elsewhere");
    let reply = bench.post(&bench.core("configmaps"), &other).await?;
    let message =
        "the namespace of the provided object does not match the namespace sent on the request";
    refusal("namespace", &reply, (400, "BadRequest", message))
}

async fn names_are_checked(bench: &Bench) -> Checked {
    let message = "ConfigMap \"A_b\" is invalid: metadata.name: Invalid value: \"A_b\": a lowercase \
        RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and \
        must start and end with an alphanumeric character (e.g. 'example.com', regex used for \
        validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
    let reply = bench.post(&bench.core("configmaps"), &config_map("A_b", &json!({}))).await?;
    refusal("name", &reply, (422, "Invalid", message))?;
    let mut labelled = config_map("a", &json!({}));
    labelled["metadata"]["labels"] = json!({"app": "not good"});
    let reply = bench.post(&bench.core("configmaps"), &labelled).await?;
    let message = "ConfigMap \"a\" is invalid: metadata.labels: Invalid value: \"not good\": a valid \
        label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and \
        must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or \
        '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
    refusal("label", &reply, (422, "Invalid", message))
}

async fn a_namespace_must_be_there(bench: &Bench) -> Checked {
    let path = "/api/v1/namespaces/no-such-namespace/configmaps";
    let reply = bench.post(path, &config_map("a", &json!({}))).await?;
    refusal("create", &reply, (404, "NotFound", "namespaces \"no-such-namespace\" not found"))?;
    let list = bench.get(path).await?;
    same("list", &(list.code, list.body["items"].clone()), &(200, json!([])))
}

async fn a_dry_run_changes_nothing(bench: &Bench) -> Checked {
    let path = format!("{}?dryRun=All", bench.core("configmaps"));
    code("create", &bench.post(&path, &config_map("a", &json!({}))).await?, 201)?;
    code("is not there", &bench.get(&bench.core("configmaps/a")).await?, 404)?;
    let made = bench.post(&bench.gadgets(""), &gadget("a", &json!({"size": 1}))).await?;
    let path = format!("{}?dryRun=All", bench.gadgets("/a"));
    let reply = bench.patch(&path, "merge", &json!({"spec": {"size": 2}})).await?;
    same("answer", &reply.body["spec"]["size"], &json!(2))?;
    same("generation", &reply.body["metadata"]["generation"], &json!(2))?;
    code("delete", &bench.delete(&path, &Value::Null).await?, 200)?;
    same("kept", &bench.get(&bench.gadgets("/a")).await?.body, &made.body)
}

async fn a_wrong_kind_or_version_is_refused(bench: &Bench) -> Checked {
    let mut other = gadget("a", &json!({}));
    other["kind"] = json!("Other");
    let reply = bench.post(&bench.gadgets(""), &other).await?;
    let message = "Other.fidelity.millrace.io \"a\" is invalid: kind: Invalid value: \"Other\": must \
                   be Gadget";
    refusal("kind", &reply, (422, "Invalid", message))?;
    let mut other = config_map("a", &json!({}));
    other["apiVersion"] = json!("v2");
    code("version", &bench.post(&bench.core("configmaps"), &other).await?, 400)?;
    let wrong = config_map("a", &json!({"k": 1}));
    let reply = bench.post(&bench.core("configmaps"), &wrong).await?;
    same("type", &(reply.code, reply.body["reason"].clone()), &(400, json!("BadRequest")))
}

async fn unknown_fields_are_dropped_or_refused(bench: &Bench) -> Checked {
    let mut body = config_map("a", &json!({}));
    body["nonsense"] = json!(1);
    let strict = format!("{}?fieldValidation=Strict", bench.core("configmaps"));
    let reply = bench.post(&strict, &body).await?;
    code("strict", &reply, 400)?;
    let text = reply.body["message"].as_str().unwrap_or_default();
    let expected = "strict decoding error: unknown field \"nonsense\"";
    same("text", &text.ends_with(expected), &true)?;
    let reply = bench.post(&bench.core("configmaps"), &body).await?;
    same("dropped", &(reply.code, reply.body.get("nonsense")), &(201, None))?;
    same("warning", &reply.warning.as_str(), &"299 - \"unknown field \\\"nonsense\\\"\"")
}

async fn leases_are_made_by_an_update(bench: &Bench) -> Checked {
    let path = bench.group("coordination.k8s.io/v1", "leases/a");
    let lease = json!({ "metadata": { "name": "a" }, "spec": { "holderIdentity": "x" } });
    let made = bench.put(&path, &lease).await?;
    code("lease", &made, 201)?;
    // One that was deleted is made anew by who knows its version, and not by who knows its uid.
    bench.delete(&path, &Value::Null).await?;
    let mut known = made.body;
    take_managed_fields(&mut known);
    code("of a uid", &bench.put(&path, &known).await?, 409)?;
    known["metadata"]["uid"].take();
    let again = bench.put(&path, &known).await?;
    code("of a version", &again, 201)?;
    same("another", &(version(&again.body) == version(&known)), &false)?;
    let path = bench.core("configmaps/a");
    code("config map", &bench.put(&path, &config_map("a", &json!({}))).await?, 404)
}

async fn system_metadata_is_the_servers_own(bench: &Bench) -> Checked {
    let mut body = config_map("a", &json!({}));
    body["metadata"]["creationTimestamp"] = json!("2001-01-01T00:00:00Z");
    body["metadata"]["deletionTimestamp"] = json!("2001-01-01T00:00:00Z");
    body["metadata"]["generation"] = json!(7);
    body["metadata"]["uid"] = json!("00000000-0000-4000-8000-000000000000");
    let made = bench.post(&bench.core("configmaps"), &body).await?;
    let metadata = &made.body["metadata"];
    same("uid", &(metadata["uid"] == body["metadata"]["uid"]), &false)?;
    same("made", &(metadata["creationTimestamp"] == "2001-01-01T00:00:00Z"), &false)?;
    same("deleted", &metadata["deletionTimestamp"], &Value::Null)?;
    let patch = json!({"metadata": {"deletionTimestamp": "2001-01-01T00:00:00Z"}});
    let reply = bench.patch(&bench.core("configmaps/a"), "merge", &patch).await?;
    let message = "ConfigMap \"a\" is invalid: metadata.deletionTimestamp: Invalid value: \
                   \"2001-01-01T00:00:00Z\": field is immutable";
    refusal("deletion time", &reply, (422, "Invalid", message))?;
    let patch = json!({"metadata": {"creationTimestamp": null, "generation": 7}});
    let reply = bench.patch(&bench.core("configmaps/a"), "merge", &patch).await?;
    same("kept", &reply.body["metadata"]["creationTimestamp"], &metadata["creationTimestamp"])?;
    let mut with_version = config_map("b", &json!({}));
    with_version["metadata"]["resourceVersion"] = json!("5");
    let reply = bench.post(&bench.core("configmaps"), &with_version).await?;
    let message = "resourceVersion should not be set on objects to be created";
    refusal("version", &reply, (500, "", message))
}

async fn events_have_two_faces(bench: &Bench) -> Checked {
    let event = json!({
        "metadata": { "name": "a" },
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "millrace.io/operator",
        "reportingInstance": "x",
        "action": "Rolling",
        "reason": "Rolled",
        "type": "Normal",
        "note": "pod 1 restarted",
        "regarding": { "kind": "Pod", "name": "p", "namespace": bench.namespace, "uid": "u" },
    });
    let reply = bench.post(&bench.group("events.k8s.io/v1", "events"), &event).await?;
    code("create", &reply, 201)?;
    let core = bench.get(&bench.core("events/a")).await?;
    same("message", &core.body["message"], &json!("pod 1 restarted"))?;
    same("kind", &core.body["involvedObject"]["name"], &json!("p"))?;
    same("component", &core.body["reportingComponent"], &json!("millrace.io/operator"))?;
    same("version", &version(&core.body), &version(&reply.body))?;
    for (selector, count) in [("type%3DNormal", 1), ("type%3DWarning", 0), ("reason%3DRolled", 1)] {
        let events = bench.group("events.k8s.io/v1", "events");
        let path = format!("{events}?fieldSelector=regarding.uid%3Du%2C{selector}");
        let listed = bench.get(&path).await?.body;
        same(selector, &listed["items"].as_array().map(Vec::len), &Some(count))?;
    }
    Ok(())
}

async fn nothing_is_served_at_other_paths(bench: &Bench) -> Checked {
    let none = "404 page not found\n".to_owned();
    for path in [
        bench.group("fidelity.millrace.io/v1", "nothings"),
        bench.group("fidelity.millrace.io/v9", "gadgets"),
    ] {
        let reply = bench.get(&path).await?;
        same(&path, &(reply.code, reply.body), &(404, Value::from(none.clone())))?;
    }
    let reply = bench.get(&bench.group("apps/v1", "nothings")).await?;
    let message = "the server could not find the requested resource";
    refusal("a group of the server's own", &reply, (404, "NotFound", message))
}

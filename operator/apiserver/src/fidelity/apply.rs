//! Server-side apply: ownership, conflicts, removal, lists by key.

use serde_json::{Value, json};

use super::bench::{
    Bench, Checked, Reply, cases, code, config_map, gadget, refusal, same, version,
};

cases![
    an_apply_makes_the_object_and_owns_what_it_named,
    an_apply_that_changes_nothing_keeps_the_version,
    a_field_of_another_manager_conflicts,
    many_conflicts_are_listed_by_manager,
    force_takes_the_field,
    fields_that_are_no_longer_applied_are_removed,
    fields_that_another_owns_too_stay,
    an_update_takes_fields_from_an_applier,
    lists_with_keys_are_owned_item_by_item,
    lists_without_keys_are_owned_whole,
    a_set_keeps_what_others_put_in,
    ports_are_told_apart_by_number_and_protocol,
    the_status_endpoint_is_a_writer_of_its_own,
    an_apply_needs_a_manager_and_no_managed_fields,
    unknown_fields_are_refused,
    metadata_is_owned_field_by_field,
    an_applied_version_must_be_the_newest,
    managed_fields_can_be_cleared,
    an_update_owns_what_it_made,
];

/// `fieldsV1` of a manager.
fn owned(object: &Value, manager: &str, operation: &str) -> Value {
    let all = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    let found = all.filter(|one| one["manager"] == manager && one["operation"] == operation);
    found.map(|one| one["fieldsV1"].clone()).next().unwrap_or(Value::Null)
}

async fn applied(bench: &Bench, manager: &str, spec: Value) -> Result<Reply, String> {
    bench.apply(&bench.gadgets("/a"), manager, &gadget("a", &spec)).await
}

async fn an_apply_makes_the_object_and_owns_what_it_named(bench: &Bench) -> Checked {
    let mut config = gadget("a", &json!({"size": 1, "labels": {"x": "y"}, "plain": {"u": {}}}));
    config["metadata"]["labels"] = json!({"app": "x"});
    let reply = bench.apply(&bench.gadgets("/a"), "one", &config).await?;
    code("create", &reply, 201)?;
    let expected = json!({
        "f:metadata": {"f:labels": {"f:app": {}}},
        "f:spec": {
            "f:labels": {"f:x": {}},
            "f:plain": {"f:u": {}},
            "f:size": {},
        },
    });
    same("owned", &owned(&reply.body, "one", "Apply"), &expected)?;
    let entry = &reply.body["metadata"]["managedFields"][0];
    same("version", &entry["apiVersion"], &json!("fidelity.millrace.io/v1"))?;
    same("type", &entry["fieldsType"], &json!("FieldsV1"))?;
    same("time", &entry["time"].is_string(), &true)?;
    let again = bench.apply(&bench.gadgets("/a"), "one", &config).await?;
    code("again", &again, 200)
}

async fn an_apply_that_changes_nothing_keeps_the_version(bench: &Bench) -> Checked {
    let first = applied(bench, "one", json!({"size": 1})).await?;
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let second = applied(bench, "one", json!({"size": 1})).await?;
    same("equal", &second.body, &first.body)?;
    // A second owner of the same value is news.
    let third = applied(bench, "two", json!({"size": 1})).await?;
    code("second owner", &third, 200)?;
    same("news", &(version(&third.body) != version(&second.body)), &true)
}

async fn a_field_of_another_manager_conflicts(bench: &Bench) -> Checked {
    applied(bench, "one", json!({"size": 1})).await?;
    let reply = applied(bench, "two", json!({"size": 2})).await?;
    let message = "Apply failed with 1 conflict: conflict with \"one\": .spec.size";
    refusal("conflict", &reply, (409, "Conflict", message))?;
    let causes = json!([{
        "reason": "FieldManagerConflict",
        "message": "conflict with \"one\"",
        "field": ".spec.size",
    }]);
    same("causes", &reply.body["details"]["causes"], &causes)
}

async fn many_conflicts_are_listed_by_manager(bench: &Bench) -> Checked {
    let made = gadget("a", &json!({"size": 1, "items": [{"name": "i", "value": "v"}]}));
    bench.post(&bench.gadgets(""), &made).await?;
    applied(bench, "one", json!({"name": "first"})).await?;
    let config = json!({"size": 2, "name": "xx", "items": [{"name": "i", "value": "w"}]});
    let reply = applied(bench, "two", config).await?;
    let message = "Apply failed with 3 conflicts: conflicts with \"fidelity\" using \
                   fidelity.millrace.io/v1:\n- .spec.size\n- .spec.items[name=\"i\"].value\n\
                   conflicts with \"one\":\n- .spec.name";
    refusal("conflicts", &reply, (409, "Conflict", message))
}

async fn force_takes_the_field(bench: &Bench) -> Checked {
    applied(bench, "one", json!({"size": 1, "name": "xx"})).await?;
    let config = gadget("a", &json!({"size": 2}));
    let reply = bench.force(&bench.gadgets("/a"), "two", &config).await?;
    code("force", &reply, 200)?;
    same("two", &owned(&reply.body, "two", "Apply"), &json!({"f:spec": {"f:size": {}}}))?;
    same("one", &owned(&reply.body, "one", "Apply"), &json!({"f:spec": {"f:name": {}}}))
}

async fn fields_that_are_no_longer_applied_are_removed(bench: &Bench) -> Checked {
    let full = json!({
        "size": 1,
        "labels": {"x": "1", "y": "2"},
        "items": [{"name": "i", "value": "v"}, {"name": "j"}],
        "plain": {"deep": {"u": 1}},
    });
    applied(bench, "one", full).await?;
    let less = json!({"size": 1, "labels": {"y": "2"}, "items": [{"name": "j"}]});
    let reply = applied(bench, "one", less).await?;
    let expected = json!({
        "color": "blue",
        "defaulted": {"inner": 7},
        "items": [{"name": "j", "port": 80}],
        "labels": {"y": "2"},
        "size": 1,
    });
    same("spec", &reply.body["spec"], &expected)?;
    let reply = applied(bench, "one", json!({"size": 1})).await?;
    let expected = json!({"color": "blue", "defaulted": {"inner": 7}, "size": 1});
    same("spec", &reply.body["spec"], &expected)
}

async fn fields_that_another_owns_too_stay(bench: &Bench) -> Checked {
    applied(bench, "one", json!({"size": 1, "labels": {"x": "1"}})).await?;
    applied(bench, "two", json!({"size": 1, "labels": {"z": "3"}})).await?;
    let reply = applied(bench, "one", json!({"labels": {}})).await?;
    let expected = json!({
        "color": "blue", "defaulted": {"inner": 7}, "labels": {"z": "3"}, "size": 1,
    });
    same("spec", &reply.body["spec"], &expected)
}

async fn an_update_takes_fields_from_an_applier(bench: &Bench) -> Checked {
    applied(bench, "one", json!({"size": 1, "name": "xx"})).await?;
    let patch = json!({"spec": {"size": 5}});
    let reply = bench.patch(&bench.gadgets("/a"), "merge", &patch).await?;
    same("one", &owned(&reply.body, "one", "Apply"), &json!({"f:spec": {"f:name": {}}}))?;
    let update = owned(&reply.body, "fidelity", "Update");
    same("update", &update, &json!({"f:spec": {"f:size": {}}}))?;
    let reply = applied(bench, "one", json!({"size": 1, "name": "xx"})).await?;
    let message = "Apply failed with 1 conflict: conflict with \"fidelity\" using \
                   fidelity.millrace.io/v1: .spec.size";
    refusal("conflict", &reply, (409, "Conflict", message))
}

async fn lists_with_keys_are_owned_item_by_item(bench: &Bench) -> Checked {
    applied(bench, "one", json!({"items": [{"name": "a", "value": "1"}]})).await?;
    let reply = applied(bench, "two", json!({"items": [{"name": "b", "value": "2"}]})).await?;
    let both = json!([
        {"name": "a", "port": 80, "value": "1"}, {"name": "b", "port": 80, "value": "2"},
    ]);
    same("both", &reply.body["spec"]["items"], &both)?;
    let expected = json!({
        "f:spec": {
            "f:items": {"k:{\"name\":\"b\"}": {".": {}, "f:name": {}, "f:value": {}}},
        },
    });
    same("owned", &owned(&reply.body, "two", "Apply"), &expected)?;
    let reply = applied(bench, "one", json!({"items": []})).await?;
    let left = json!([{"name": "b", "port": 80, "value": "2"}]);
    same("removed", &reply.body["spec"]["items"], &left)?;
    let twice = json!({"items": [{"name": "b"}, {"name": "b"}]});
    code("twice", &applied(bench, "two", twice).await?, 500)
}

async fn lists_without_keys_are_owned_whole(bench: &Bench) -> Checked {
    applied(bench, "one", json!({"words": ["a", "b"]})).await?;
    let reply = applied(bench, "two", json!({"words": ["a"]})).await?;
    let message = "Apply failed with 1 conflict: conflict with \"one\": .spec.words";
    refusal("conflict", &reply, (409, "Conflict", message))
}

async fn a_set_keeps_what_others_put_in(bench: &Bench) -> Checked {
    applied(bench, "one", json!({"tags": ["a", "b"]})).await?;
    let reply = applied(bench, "two", json!({"tags": ["c"]})).await?;
    same("all", &reply.body["spec"]["tags"], &json!(["a", "b", "c"]))?;
    let expected = json!({"f:spec": {"f:tags": {"v:\"c\"": {}}}});
    same("owned", &owned(&reply.body, "two", "Apply"), &expected)?;
    let reply = applied(bench, "one", json!({"tags": ["b"]})).await?;
    same("less", &reply.body["spec"]["tags"], &json!(["b", "c"]))
}

async fn ports_are_told_apart_by_number_and_protocol(bench: &Bench) -> Checked {
    let service = |ports: Value| {
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": { "name": "a" },
            "spec": { "clusterIP": "None", "selector": {"app": "x"}, "ports": ports },
        })
    };
    let path = bench.core("services/a");
    let ports = json!([{"name": "x", "port": 1}, {"name": "y", "port": 2, "protocol": "UDP"}]);
    let reply = bench.apply(&path, "one", &service(ports)).await?;
    code("create", &reply, 201)?;
    let expected = json!({
        "f:clusterIP": {},
        "f:ports": {
            "k:{\"port\":1,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}, "f:port": {}},
            "k:{\"port\":2,\"protocol\":\"UDP\"}": {
                ".": {}, "f:name": {}, "f:port": {}, "f:protocol": {},
            },
        },
        "f:selector": {},
    });
    same("owned", &owned(&reply.body, "one", "Apply")["f:spec"], &expected)?;
    let fewer = json!([{"name": "x", "port": 1}]);
    let reply = bench.apply(&path, "one", &service(fewer)).await?;
    let expected = json!([{"name": "x", "port": 1, "protocol": "TCP", "targetPort": 1}]);
    same("ports", &reply.body["spec"]["ports"], &expected)
}

async fn the_status_endpoint_is_a_writer_of_its_own(bench: &Bench) -> Checked {
    applied(bench, "one", json!({"size": 1})).await?;
    let mut status = gadget("a", &json!({"size": 9}));
    status["status"] = json!({
        "phase": "Ready",
        "conditions": [{"type": "Ready", "status": "True"}],
    });
    let reply = bench.apply(&bench.gadgets("/a/status"), "one", &status).await?;
    code("status", &reply, 200)?;
    same("spec", &reply.body["spec"]["size"], &json!(1))?;
    same("phase", &reply.body["status"]["phase"], &json!("Ready"))?;
    let all = reply.body["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    same("entries", &all.len(), &2)?;
    let of_status: Vec<&Value> = all.iter().filter(|one| one["subresource"] == "status").collect();
    let expected = json!({
        "f:status": {
            "f:conditions": {"k:{\"type\":\"Ready\"}": {".": {}, "f:status": {}, "f:type": {}}},
            "f:phase": {},
        },
    });
    let owned = of_status.first().map(|one| one["fieldsV1"].clone()).unwrap_or_default();
    same("owned", &owned, &expected)?;
    // The status in an apply of the object itself is taken no notice of.
    let mut both = gadget("a", &json!({"size": 2}));
    both["status"] = json!({"phase": "Other"});
    let reply = bench.apply(&bench.gadgets("/a"), "one", &both).await?;
    same("phase", &reply.body["status"]["phase"], &json!("Ready"))?;
    let reply =
        bench.apply(&bench.gadgets("/none/status"), "one", &gadget("none", &json!({}))).await?;
    code("status of nothing", &reply, 404)
}

async fn an_apply_needs_a_manager_and_no_managed_fields(bench: &Bench) -> Checked {
    let path = bench.gadgets("/a");
    let content_type = "application/apply-patch+yaml";
    let config = gadget("a", &json!({"size": 1}));
    let reply = bench.send("PATCH", &path, content_type, &config).await?;
    let message = "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is \
                   required for apply patch";
    refusal("manager", &reply, (422, "Invalid", message))?;
    let mut config = config;
    config["metadata"]["managedFields"] = json!([{"manager": "x"}]);
    let reply = bench.apply(&path, "one", &config).await?;
    refusal("fields", &reply, (400, "BadRequest", "metadata.managedFields must be nil"))
}

async fn unknown_fields_are_refused(bench: &Bench) -> Checked {
    let reply = applied(bench, "one", json!({"nonsense": 1})).await?;
    let message = "failed to create typed patch object (/a; fidelity.millrace.io/v1, \
                   Kind=Gadget): .spec.nonsense: field not declared in schema";
    refusal("custom", &reply, (500, "", message))?;
    let mut config = config_map("a", &json!({}));
    config["nonsense"] = json!(1);
    let reply = bench.apply(&bench.core("configmaps/a"), "one", &config).await?;
    code("built-in", &reply, 500)
}

async fn metadata_is_owned_field_by_field(bench: &Bench) -> Checked {
    let mut config = config_map("a", &json!({"k": "v"}));
    config["metadata"]["labels"] = json!({"l": "1"});
    config["metadata"]["annotations"] = json!({"n": "1"});
    config["metadata"]["finalizers"] = json!(["millrace.io/test"]);
    config["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "v1", "kind": "Namespace", "name": "x", "uid": "u-1",
    }]);
    let path = bench.core("configmaps/a");
    let reply = bench.apply(&path, "one", &config).await?;
    let expected = json!({
        "f:data": {"f:k": {}},
        "f:metadata": {
            "f:annotations": {"f:n": {}},
            "f:finalizers": {"v:\"millrace.io/test\"": {}},
            "f:labels": {"f:l": {}},
            "f:ownerReferences": {"k:{\"uid\":\"u-1\"}": {}},
        },
    });
    same("owned", &owned(&reply.body, "one", "Apply"), &expected)?;
    let reply = bench.apply(&path, "one", &config_map("a", &json!({"k": "v"}))).await?;
    let metadata = &reply.body["metadata"];
    for key in ["labels", "annotations", "finalizers", "ownerReferences"] {
        same(key, &metadata.get(key), &None)?;
    }
    Ok(())
}

async fn an_applied_version_must_be_the_newest(bench: &Bench) -> Checked {
    let first = applied(bench, "one", json!({"size": 1})).await?;
    applied(bench, "one", json!({"size": 2})).await?;
    let mut config = gadget("a", &json!({"size": 3}));
    config["metadata"]["resourceVersion"] = json!(version(&first.body));
    let reply = bench.apply(&bench.gadgets("/a"), "one", &config).await?;
    let message = "Operation cannot be fulfilled on gadgets.fidelity.millrace.io \"a\": the object \
                   has been modified; please apply your changes to the latest version and try again";
    refusal("old version", &reply, (409, "Conflict", message))?;
    let mut config = gadget("b", &json!({"size": 3}));
    config["metadata"]["uid"] = json!("u-1");
    let reply = bench.apply(&bench.gadgets("/b"), "one", &config).await?;
    let message = "Operation cannot be fulfilled on gadgets.fidelity.millrace.io \"b\": uid \
                   mismatch: the provided object specified uid u-1, and no existing object was found";
    refusal("uid of nothing", &reply, (409, "Conflict", message))
}

async fn managed_fields_can_be_cleared(bench: &Bench) -> Checked {
    applied(bench, "one", json!({"size": 1})).await?;
    let patch = json!({"metadata": {"managedFields": [{}]}});
    let reply = bench.patch(&bench.gadgets("/a"), "merge", &patch).await?;
    same("cleared", &reply.body["metadata"].get("managedFields"), &None)
}

async fn an_update_owns_what_it_made(bench: &Bench) -> Checked {
    let reply = bench.post(&bench.gadgets(""), &gadget("a", &json!({"size": 1}))).await?;
    let expected = json!({
        "f:spec": {
            ".": {}, "f:color": {}, "f:defaulted": {".": {}, "f:inner": {}}, "f:size": {},
        },
    });
    same("custom", &owned(&reply.body, "fidelity", "Update"), &expected)?;
    let mut body = config_map("a", &json!({"k": "v"}));
    body["metadata"]["labels"] = json!({"l": "1"});
    let reply = bench.post(&bench.core("configmaps"), &body).await?;
    let expected = json!({
        "f:data": {".": {}, "f:k": {}},
        "f:metadata": {"f:labels": {".": {}, "f:l": {}}},
    });
    same("built-in", &owned(&reply.body, "fidelity", "Update"), &expected)
}

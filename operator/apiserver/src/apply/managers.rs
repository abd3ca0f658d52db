//! `metadata.managedFields`: read, changed, written in the server's order.

use serde_json::{Value, json};

use super::set::FieldSet;

/// Who writes, as `managedFields` tells writers apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writer {
    /// The name: `fieldManager`, or the head of the user agent.
    pub name: String,
    /// Whether it applies (`Apply`) or writes in any other way (`Update`).
    pub is_apply: bool,
    /// The version that it writes.
    pub api_version: String,
    /// `status`, `scale`, or empty.
    pub subresource: String,
}

/// What one writer owns.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Who.
    pub writer: Writer,
    /// When it last changed something.
    pub time: Option<String>,
    /// What.
    pub set: FieldSet,
}

/// All writers of one object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Managers {
    entries: Vec<Entry>,
}

impl Managers {
    /// Reads an object's `managedFields`.
    pub fn read(managed_fields: &Value) -> Managers {
        let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        let entries = managed_fields.as_array().into_iter().flatten().map(|entry| Entry {
            writer: Writer {
                name: text(entry, "manager"),
                is_apply: entry["operation"] == "Apply",
                api_version: text(entry, "apiVersion"),
                subresource: text(entry, "subresource"),
            },
            time: entry["time"].as_str().map(str::to_owned),
            set: FieldSet::from_fields_v1(&entry["fieldsV1"]),
        });
        let mut managers = Managers { entries: entries.collect() };
        managers.drop_empty();
        managers
    }

    /// Writes `managedFields`, in the server's order.
    pub fn write(mut self) -> Value {
        self.drop_empty();
        self.entries.sort_by(|a, b| {
            let key = |entry: &Entry| {
                let writer = entry.writer.clone();
                let time = entry.time.clone().unwrap_or_default();
                (!writer.is_apply, time, writer.name, writer.api_version, writer.subresource)
            };
            key(a).cmp(&key(b))
        });
        self.entries.iter().map(Entry::to_json).collect()
    }

    /// What a writer owns.
    pub fn get(&self, writer: &Writer) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.writer == *writer)
    }

    /// The writer's entry; made if there is none.
    pub fn entry(&mut self, writer: &Writer) -> &mut Entry {
        let found = self.entries.iter().position(|entry| entry.writer == *writer);
        let at = found.unwrap_or_else(|| {
            let writer = writer.clone();
            self.entries.push(Entry { writer, time: None, set: FieldSet::default() });
            self.entries.len() - 1
        });
        &mut self.entries[at]
    }

    /// Everything that anybody owns.
    pub fn everything(&self) -> FieldSet {
        self.entries.iter().fold(FieldSet::default(), |all, entry| all.union(&entry.set))
    }

    /// Takes fields from all writers but one.
    pub fn give_up_all(&mut self, fields: &FieldSet, but: Option<&Writer>) {
        for entry in &mut self.entries {
            if Some(&entry.writer) != but {
                entry.set = entry.set.difference(fields);
            }
        }
    }

    /// Who, except one writer, owns any of these fields, and which, as the server names them.
    pub fn owners_of(&self, fields: &FieldSet, but: &Writer) -> Vec<(String, FieldSet)> {
        let mut all: Vec<(String, FieldSet)> = Vec::new();
        for entry in self.entries.iter().filter(|entry| entry.writer != *but) {
            let owned = entry.set.intersection(fields);
            if !owned.is_empty() {
                all.push((entry.text(), owned));
            }
        }
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// Forgets writers that own nothing.
    pub fn drop_empty(&mut self) {
        self.entries.retain(|entry| !entry.set.is_empty());
    }
}

impl Entry {
    fn to_json(&self) -> Value {
        let mut json = json!({
            "manager": self.writer.name,
            "operation": if self.writer.is_apply { "Apply" } else { "Update" },
            "apiVersion": self.writer.api_version,
            "fieldsType": "FieldsV1",
            "fieldsV1": self.set.to_fields_v1(),
        });
        if let Some(time) = &self.time {
            json["time"] = Value::from(time.clone());
        }
        if !self.writer.subresource.is_empty() {
            json["subresource"] = Value::from(self.writer.subresource.clone());
        }
        json
    }

    /// `"name" with subresource "status" using apps/v1`.
    fn text(&self) -> String {
        let writer = &self.writer;
        let mut text = format!("{:?}", writer.name);
        if !writer.subresource.is_empty() {
            text.push_str(&format!(" with subresource {:?}", writer.subresource));
        }
        if !writer.is_apply {
            text.push_str(&format!(" using {}", writer.api_version));
        }
        text
    }
}

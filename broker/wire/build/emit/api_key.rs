//! The enum of the APIs and their facts.

use super::line;
use crate::model::{Api, Message, Schema};

/// The text of `api_key.rs`.
pub fn file(schemas: &[Schema]) -> String {
    let apis: Vec<(&Api, &Message)> = schemas
        .iter()
        .filter_map(|schema| Some((schema.api.as_ref()?, schema.messages.first()?)))
        .collect();
    let mut text = String::new();
    line(&mut text, "/// An API of the Kafka protocol that we can read and write.");
    line(&mut text, "#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]");
    line(&mut text, "#[repr(i16)]\npub enum ApiKey {");
    for (api, _) in &apis {
        line(&mut text, &format!("/// API {}.\n{} = {},", api.key, api.name, api.key));
    }
    line(&mut text, "}\nimpl ApiKey {");
    line(&mut text, "/// Every API, by number.\npub const ALL: &'static [ApiKey] = &[");
    for (api, _) in &apis {
        line(&mut text, &format!("ApiKey::{},", api.name));
    }
    line(&mut text, "];\nconst fn facts(self) -> Facts { match self {");
    for (api, message) in &apis {
        line(&mut text, &facts(api, message));
    }
    line(&mut text, "} } }");
    text
}

fn facts(api: &Api, message: &Message) -> String {
    let (name, first, last) = (&api.name, message.versions.first, message.versions.last);
    let advertised = api.advertised.unwrap_or(first);
    let flexible = message.flexible;
    format!(
        "ApiKey::{name} => Facts {{ name: {name:?}, first: {first}, last: {last}, \
         advertised_first: {advertised}, flexible_first: {flexible:?} }},"
    )
}

//! What the server does for each verb.

pub mod apply;
pub mod create;
pub mod decode;
pub mod delete;
pub mod patch;
pub mod read;
pub mod scale;
pub mod scope;
pub mod update;

use serde_json::Value;

use crate::request::{Request, Verb};
use crate::status::ApiError;
use crate::world::World;
use scope::Scope;

/// What goes back to the client.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status code.
    pub code: u16,
    /// The body.
    pub body: Value,
    /// `Warning` headers.
    pub warnings: Vec<String>,
}

impl Answer {
    /// A plain 200.
    pub fn ok(body: Value) -> Answer {
        Answer { code: 200, body, warnings: Vec::new() }
    }
}

/// Does what a request asks for; watches are answered elsewhere.
///
/// # Errors
/// The refusal, as a real server words it.
pub fn answer(world: &mut World, request: &Request) -> Result<Answer, ApiError> {
    let scope = Scope::find(world, request)?;
    let subresource = request.target.subresource.as_str();
    match (request.verb, subresource) {
        (Verb::Get, "" | "status") => read::get(world, &scope, request),
        (Verb::List, "") => read::list(world, &scope, request),
        (Verb::Create, "") => create::create(world, &scope, request),
        (Verb::Create, "eviction") => delete::evict(world, &scope, request),
        (Verb::Update, "" | "status") => update::update(world, &scope, request),
        (Verb::Patch, "" | "status") => match request.content_type.as_str() {
            "application/apply-patch+yaml" => apply::apply(world, &scope, request),
            _ => patch::patch(world, &scope, request),
        },
        (Verb::Delete, "") => delete::delete(world, &scope, request),
        (Verb::DeleteCollection, "") => delete::delete_collection(world, &scope, request),
        (Verb::Get | Verb::Update | Verb::Patch, "scale") => scale::scale(world, &scope, request),
        _ => Err(ApiError::method_not_allowed()),
    }
}

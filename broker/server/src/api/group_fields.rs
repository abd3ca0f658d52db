//! What the messages about groups have in common: fields of the wire as the coordinator's types, and
//! its errors as codes.

use std::borrow::Cow;
use std::sync::Arc;

use millrace_core::group::{Client, Generation, GroupError, InstanceId, MemberId};
use millrace_types::{ErrorCode, GroupId};

use super::RequestContext;
use crate::group::Command;

/// Who sends the request. Kafka writes an address with a slash and without port.
pub(super) fn client(context: &RequestContext) -> Client {
    Client {
        id: context.client_id.clone().unwrap_or_default(),
        host: Arc::from(format!("/{}", context.connection.peer.ip().to_canonical())),
    }
}

/// Asks the coordinator of the command's group.
pub(super) async fn ask<C: Command>(context: &RequestContext, command: C) -> C::Answer {
    let image = context.broker.image();
    context.broker.groups().ask(&image, client(context), command).await
}

/// The code of a result; a failure is counted.
pub(super) fn code<T>(context: &RequestContext, result: &Result<T, GroupError>) -> i16 {
    result.as_ref().err().map_or(ErrorCode::None.code(), |error| refusal(context, error).code())
}

/// The code of a failure, which is counted.
pub(super) fn refusal(context: &RequestContext, error: &GroupError) -> ErrorCode {
    let code = ErrorCode::from(error);
    context.count(code);
    code
}

/// The group that a request names.
pub(super) fn group(name: &str) -> GroupId {
    GroupId::new(name)
}

/// The member that a request names.
pub(super) fn member(id: &str) -> Option<MemberId> {
    MemberId::from_wire(id)
}

/// The static name in a request.
pub(super) fn instance(id: Option<&Cow<'_, str>>) -> Option<InstanceId> {
    id.and_then(|id| InstanceId::from_wire(id))
}

/// The generation in a request.
pub(super) fn generation(number: i32) -> Option<Generation> {
    Generation::from_wire(number)
}

/// A text for an answer that outlives the request.
pub(super) fn text(text: &str) -> Cow<'static, str> {
    Cow::Owned(text.to_owned())
}

/// A member id for an answer, where `None` is the empty text.
pub(super) fn member_text(member: Option<&MemberId>) -> Cow<'static, str> {
    text(member.map_or("", MemberId::as_str))
}

/// A static name for an answer.
pub(super) fn instance_text(instance: Option<&InstanceId>) -> Option<Cow<'static, str>> {
    instance.map(|instance| text(instance.as_str()))
}

/// A protocol for an answer.
pub(super) fn optional_text(name: Option<&Arc<str>>) -> Option<Cow<'static, str>> {
    name.map(|name| text(name))
}

//! API 37: more partitions for topics. What is allowed is decided in
//! `core::metadata::decide::create_partitions`.

use millrace_core::metadata::decide::create_partitions::{self, CreatePartitions, GrownTopic};
use millrace_types::ErrorCode;
use millrace_wire::messages::create_partitions::{Request, RequestTopic, Response, ResponseResult};

use super::RequestContext;
use super::once::once;
use crate::refusal::Refusal;

/// Answers once the partitions can be written to.
pub async fn handle(
    context: &RequestContext,
    request: Request<'_>,
) -> Result<Response<'static>, Refusal> {
    let names: Vec<String> = request.topics.iter().map(|topic| topic.name.to_string()).collect();
    let command = CreatePartitions {
        topics: request.topics.into_iter().map(wanted).collect(),
        is_validate_only: request.validate_only,
    };
    let told = |name: String, refused: Option<(ErrorCode, String)>| {
        let (code, message) = refused.unzip();
        context.count(code.unwrap_or_default());
        ResponseResult {
            name: name.into(),
            error_code: code.unwrap_or_default().code(),
            error_message: message.map(Into::into),
        }
    };
    let reply = context
        .broker
        .metadata()
        .run(move |image, _| create_partitions::decide(image, &command))
        .await;
    let results: Vec<ResponseResult<'_>> = match reply {
        Ok(reply) => names
            .into_iter()
            .zip(reply)
            .map(|(name, result)| {
                told(name, result.err().map(|error| (error.code(), error.to_string())))
            })
            .collect(),
        Err(error) => names
            .into_iter()
            .map(|name| told(name, Some((error.code(), error.to_string()))))
            .collect(),
    };
    let results = once(results, |topic| topic.name.clone());
    Ok(Response { results, ..Response::default() })
}

fn wanted(topic: RequestTopic<'_>) -> GrownTopic {
    let assignments = topic.assignments.map(|assignments| {
        assignments.into_iter().map(|assignment| assignment.broker_ids).collect()
    });
    GrownTopic { name: topic.name.into_owned(), count: topic.count, assignments }
}

//! API 18: what is served, in which versions. The first request of most clients.

use millrace_types::ErrorCode;
use millrace_wire::ApiKey;
use millrace_wire::messages::api_versions::{
    Request, Response, ResponseApiKey, ResponseFinalizedFeature, ResponseSupportedFeature,
};

use super::{RequestContext, TABLE};
use crate::refusal::Refusal;
use crate::reply::Reply;

/// A feature that the whole cluster has switched on, and the levels that this broker knows.
struct Feature {
    name: &'static str,
    min: i16,
    max: i16,
    finalized: i16,
}

/// `metadata.version` 30 is Kafka's 4.3-IV0. `transaction.version` and `group.version` are left out
/// until transactions and the consumer protocol of KIP-848 are served: clients switch them on by it.
const FEATURES: &[Feature] =
    &[Feature { name: "metadata.version", min: 30, max: 30, finalized: 30 }];

/// Counts the changes of the cluster's features: there has been none.
const FEATURES_EPOCH: i64 = 0;

/// Answers with the table of the APIs.
pub async fn handle(
    context: &RequestContext,
    request: Request<'_>,
) -> Result<Response<'static>, Refusal> {
    let names_are_good = context.version < 3
        || (is_software_name(&request.client_software_name)
            && is_software_name(&request.client_software_version));
    if !names_are_good {
        context.count(ErrorCode::InvalidRequest);
        return Ok(Response {
            error_code: ErrorCode::InvalidRequest.code(),
            ..Response::default()
        });
    }
    tracing::debug!(
        peer = %context.connection.peer,
        software = %request.client_software_name,
        software_version = %request.client_software_version,
        "client introduced itself"
    );
    Ok(Response {
        api_keys: TABLE.iter().map(|api| row(api.key)).collect(),
        supported_features: FEATURES.iter().map(supported).collect(),
        finalized_features_epoch: FEATURES_EPOCH,
        finalized_features: FEATURES.iter().map(finalized).collect(),
        ..Response::default()
    })
}

/// The answer to an ApiVersions request of a version that we do not speak: in version 0, which
/// every client reads, with the versions that we do speak. `None` for any other request.
///
/// Source: KIP-511.
pub fn answer_to_unknown_version(frame: &[u8]) -> Option<Result<Reply, Refusal>> {
    let &[key_high, key_low, version_high, version_low, id @ ..] = frame.first_chunk::<8>()?;
    let key = ApiKey::from_wire(i16::from_be_bytes([key_high, key_low]))?;
    let version = i16::from_be_bytes([version_high, version_low]);
    if key != ApiKey::ApiVersions || key.has_version(version) {
        return None;
    }
    let response = Response {
        error_code: ErrorCode::UnsupportedVersion.code(),
        api_keys: vec![row(ApiKey::ApiVersions)],
        ..Response::default()
    };
    Some(super::reply_to(key, 0, i32::from_be_bytes(id), &response))
}

fn row(key: ApiKey) -> ResponseApiKey {
    ResponseApiKey {
        api_key: key.code(),
        min_version: key.version_min_advertised(),
        max_version: key.version_max(),
    }
}

fn supported(feature: &Feature) -> ResponseSupportedFeature<'static> {
    ResponseSupportedFeature {
        name: feature.name.into(),
        min_version: feature.min,
        max_version: feature.max,
    }
}

fn finalized(feature: &Feature) -> ResponseFinalizedFeature<'static> {
    ResponseFinalizedFeature {
        name: feature.name.into(),
        max_version_level: feature.finalized,
        min_version_level: feature.finalized,
    }
}

/// Whether a text is a name or version of a client's software, as Kafka wants it: letters, digits,
/// `.` and `-`, the first and last a letter or digit.
///
/// Source: Kafka's `ApiVersionsRequest.isValid`.
fn is_software_name(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
    let ends = [text.bytes().next(), text.bytes().last()];
    text.bytes().all(is_inner)
        && ends.iter().all(|end| end.is_some_and(|byte| byte.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use millrace_types::ErrorCode;
    use millrace_wire::messages::api_versions::Response;
    use millrace_wire::{ApiKey, Decode, Reader};

    use super::{answer_to_unknown_version, is_software_name};

    #[test]
    fn an_unknown_version_is_answered_in_version_0_with_the_versions_known() {
        for version in [5_i16, 99, -1] {
            let mut frame = 18_i16.to_be_bytes().to_vec();
            frame.extend_from_slice(&version.to_be_bytes());
            frame.extend_from_slice(&77_i32.to_be_bytes());
            let reply = answer_to_unknown_version(&frame).unwrap().unwrap();
            let (bytes, _) = reply.parts();
            assert_eq!(bytes[4..8], 77_i32.to_be_bytes());
            let response = Response::decode(&mut Reader::new(&bytes[8..]), 0).unwrap();
            assert_eq!(response.error_code, ErrorCode::UnsupportedVersion.code());
            assert_eq!(response.api_keys.len(), 1);
            assert_eq!(response.api_keys[0].api_key, 18);
            assert_eq!(response.api_keys[0].max_version, ApiKey::ApiVersions.version_max());
        }
    }

    #[test]
    fn known_versions_and_other_apis_go_the_ordinary_way() {
        for (key, version) in [(18_i16, 0_i16), (18, 4), (3, 99)] {
            let mut frame = key.to_be_bytes().to_vec();
            frame.extend_from_slice(&version.to_be_bytes());
            frame.extend_from_slice(&[0; 4]);
            assert!(answer_to_unknown_version(&frame).is_none());
        }
        assert!(answer_to_unknown_version(&[0, 18, 0, 99]).is_none());
    }

    #[test]
    fn software_names_follow_kafkas_rule() {
        for (text, is_good) in [
            ("librdkafka", true),
            ("v2.8.0-rc1", true),
            ("", false),
            ("-a", false),
            ("a.", false),
            ("a b", false),
            ("é", false),
        ] {
            assert_eq!(is_software_name(text), is_good, "{text}");
        }
    }
}

//! The headers in front of a request and of a response.

use std::borrow::Cow;

use crate::{ApiKey, DecodeError, EncodeError, Reader, write};

/// What stands in front of each request.
///
/// ```text
/// int16 api key | int16 version | int32 correlation id | nullable string client id | [tagged]
/// ```
/// The client id is never compact; the tagged fields are there only if `version` is flexible.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestHeader<'a> {
    /// The API.
    pub key: ApiKey,
    /// The version of the body and of its answer. Not checked: see [`ApiKey::has_version`].
    pub version: i16,
    /// A number that the answer must carry.
    pub correlation_id: i32,
    /// The name that the client gives itself.
    pub client_id: Option<Cow<'a, str>>,
}

impl<'a> RequestHeader<'a> {
    /// Reads a header from the front of a request.
    ///
    /// The version may be one that we do not speak, so that ApiVersions can be answered then too.
    ///
    /// # Errors
    /// If the API is unknown or the bytes are no header.
    pub fn decode(reader: &mut Reader<'a>) -> Result<RequestHeader<'a>, DecodeError> {
        let code = reader.int16("request header.request_api_key")?;
        let version = reader.int16("request header.request_api_version")?;
        let correlation_id = reader.int32("request header.correlation_id")?;
        let key = ApiKey::from_wire(code).ok_or(DecodeError::UnknownApi {
            key: code,
            version,
            correlation_id,
        })?;
        let client_id = reader.nullable_string("request header.client_id", false)?;
        if key.request_header_version(version) >= 2 {
            reader.skip_tagged_fields("request header")?;
        }
        Ok(RequestHeader { key, version, correlation_id, client_id })
    }

    /// Appends the header to `out`.
    ///
    /// # Errors
    /// If the client id is longer than a string may be.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.extend_from_slice(&self.key.code().to_be_bytes());
        out.extend_from_slice(&self.version.to_be_bytes());
        out.extend_from_slice(&self.correlation_id.to_be_bytes());
        write::string(out, "request header.client_id", false, self.client_id.as_deref())?;
        if self.key.request_header_version(self.version) >= 2 {
            out.push(0);
        }
        Ok(())
    }
}

/// What stands in front of each response: the correlation id and, if flexible, tagged fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseHeader {
    /// The number that the request carried.
    pub correlation_id: i32,
}

impl ResponseHeader {
    /// Reads a header from the front of the response to a request of `key` and `version`.
    ///
    /// # Errors
    /// If the bytes are no header.
    pub fn decode(
        reader: &mut Reader<'_>,
        key: ApiKey,
        version: i16,
    ) -> Result<ResponseHeader, DecodeError> {
        let correlation_id = reader.int32("response header.correlation_id")?;
        if key.response_header_version(version) >= 1 {
            reader.skip_tagged_fields("response header")?;
        }
        Ok(ResponseHeader { correlation_id })
    }

    /// Appends the header of the response to a request of `key` and `version`.
    pub fn encode(self, out: &mut Vec<u8>, key: ApiKey, version: i16) {
        out.extend_from_slice(&self.correlation_id.to_be_bytes());
        if key.response_header_version(version) >= 1 {
            out.push(0);
        }
    }
}

//! The APIs that we can read and write, and in which versions.

/// What a schema file says of its API.
struct Facts {
    name: &'static str,
    first: i16,
    last: i16,
    advertised_first: i16,
    flexible_first: Option<i16>,
}

include!(concat!(env!("OUT_DIR"), "/api_key.rs"));

impl ApiKey {
    /// Reads the wire's number; `None` for an API that we cannot read.
    pub fn from_wire(code: i16) -> Option<ApiKey> {
        ApiKey::ALL.iter().copied().find(|key| key.code() == code)
    }

    /// The number on the wire.
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// Kafka's name in camel case, such as `ListOffsets`.
    pub const fn name(self) -> &'static str {
        self.facts().name
    }

    /// Whether the API is our own: Kafka does not know it, and its clients do not ask for it.
    pub const fn is_own(self) -> bool {
        self.code() >= 20_000
    }

    /// The oldest version that can be read and written.
    pub const fn version_min(self) -> i16 {
        self.facts().first
    }

    /// The latest version that can be read and written.
    pub const fn version_max(self) -> i16 {
        self.facts().last
    }

    /// The oldest version to name in an ApiVersions response.
    ///
    /// Older than [`ApiKey::version_min`] for Produce only: librdkafka takes a broker without
    /// Produce 0 for one that cannot compress. Source: KAFKA-18659.
    pub const fn version_min_advertised(self) -> i16 {
        self.facts().advertised_first
    }

    /// Whether `version` can be read and written.
    pub const fn has_version(self, version: i16) -> bool {
        self.version_min() <= version && version <= self.version_max()
    }

    /// The first version with compact lengths and tagged fields, if there is one. Source: KIP-482.
    pub const fn flexible_from(self) -> Option<i16> {
        self.facts().flexible_first
    }

    /// Whether `version` has compact lengths and tagged fields.
    pub const fn is_flexible(self, version: i16) -> bool {
        match self.flexible_from() {
            Some(first) => version >= first,
            None => false,
        }
    }

    /// The version of the header in front of a request of `version`: 1, or 2 if flexible.
    pub const fn request_header_version(self, version: i16) -> i16 {
        if self.is_flexible(version) { 2 } else { 1 }
    }

    /// The version of the header in front of a response of `version`: 0, or 1 if flexible.
    ///
    /// Always 0 for ApiVersions: its client does not know yet what the broker speaks.
    pub const fn response_header_version(self, version: i16) -> i16 {
        if self.is_flexible(version) && !matches!(self, ApiKey::ApiVersions) { 1 } else { 0 }
    }
}

impl std::fmt::Display for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::ApiKey;

    #[test]
    fn every_api_is_found_by_its_number() {
        for &key in ApiKey::ALL {
            assert_eq!(ApiKey::from_wire(key.code()), Some(key), "{key}");
        }
        assert_eq!(ApiKey::from_wire(-1), None);
        assert_eq!(ApiKey::from_wire(4), None, "LeaderAndIsr left Kafka with 4.0");
    }

    #[test]
    fn the_traps_of_version_negotiation_are_kept() {
        assert_eq!(ApiKey::Produce.version_min_advertised(), 0);
        assert_eq!(ApiKey::Produce.version_min(), 3);
        assert_eq!(ApiKey::JoinGroup.version_min_advertised(), 0);
        assert_eq!(ApiKey::InitProducerId.version_max(), 5);
        assert_eq!(ApiKey::ApiVersions.request_header_version(4), 2);
        assert_eq!(ApiKey::ApiVersions.response_header_version(4), 0);
        assert_eq!(ApiKey::OffsetDelete.request_header_version(0), 1);
    }
}

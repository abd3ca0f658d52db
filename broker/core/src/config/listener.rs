//! Addresses that a broker listens on and those that it tells clients, as `NAME://host:port`.

use std::collections::BTreeMap;
use std::fmt;

use super::error::ConfigError;

/// A name, a host and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// The listener's name, in capitals.
    pub listener: String,
    /// A host name or an address without brackets; empty for "every address of the machine".
    pub host: String,
    /// The port; 0 for any free one, where it is listened on.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Endpoint { listener, host, port } = self;
        if host.contains(':') {
            write!(f, "{listener}://[{host}]:{port}")
        } else {
            write!(f, "{listener}://{host}:{port}")
        }
    }
}

impl Endpoint {
    /// Whether the host stands for every address of the machine: nowhere to connect to.
    pub fn is_unspecified(&self) -> bool {
        matches!(self.host.as_str(), "" | "0.0.0.0" | "::")
    }
}

/// What an endpoint looks like, for errors.
const EXPECTED: &str = "NAME://host:port with a port from 0 to 65535, separated by commas";

/// Reads the value of `listeners` or `advertised.listeners`.
///
/// # Errors
/// Says what is not an endpoint, or which name stands twice.
pub(super) fn parse_endpoints(
    config: &'static str,
    elements: &[String],
) -> Result<Vec<Endpoint>, ConfigError> {
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for element in elements {
        let wrong =
            || ConfigError::Type { name: config, value: element.clone(), expected: EXPECTED };
        let endpoint = parse_endpoint(element).ok_or_else(wrong)?;
        if endpoints.iter().any(|other| other.listener == endpoint.listener) {
            let limit = "a list in which each listener name stands once".to_owned();
            return Err(ConfigError::Limit { name: config, value: elements.join(","), limit });
        }
        endpoints.push(endpoint);
    }
    Ok(endpoints)
}

/// Source: the pattern in Kafka's `Utils.uriParsePattern`.
fn parse_endpoint(text: &str) -> Option<Endpoint> {
    let (name, address) = text.split_once("://")?;
    let (host, port) = address.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']')?,
        None => host,
    };
    let of_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '%' | '.' | '_' | ':');
    if !is_name(name) || !host.chars().all(of_host) {
        return None;
    }
    let port = port.parse().ok()?;
    Some(Endpoint { listener: name.to_ascii_uppercase(), host: host.to_owned(), port })
}

fn is_name(text: &str) -> bool {
    let of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !text.is_empty() && text.chars().all(of_name)
}

/// The protocols that Kafka knows.
const PROTOCOLS: [&str; 4] = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];

/// Reads the value of `listener.security.protocol.map`: names and protocols, in capitals.
///
/// # Errors
/// Says which element is not `NAME:PROTOCOL`.
pub(super) fn parse_protocol_map(
    config: &'static str,
    elements: &[String],
) -> Result<BTreeMap<String, &'static str>, ConfigError> {
    let mut protocols = BTreeMap::new();
    for element in elements {
        let wrong = || ConfigError::Type {
            name: config,
            value: element.clone(),
            expected: "NAME:PROTOCOL, separated by commas, with a protocol of PLAINTEXT, SSL, \
                       SASL_PLAINTEXT, SASL_SSL",
        };
        let (name, protocol) = element.split_once(':').ok_or_else(wrong)?;
        let protocol = PROTOCOLS.iter().find(|known| known.eq_ignore_ascii_case(protocol));
        match protocol {
            Some(protocol) if is_name(name) => {
                protocols.insert(name.to_ascii_uppercase(), *protocol)
            }
            Some(_) | None => return Err(wrong()),
        };
    }
    Ok(protocols)
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, parse_endpoint, parse_endpoints, parse_protocol_map};

    fn endpoint(listener: &str, host: &str, port: u16) -> Option<Endpoint> {
        Some(Endpoint { listener: listener.to_owned(), host: host.to_owned(), port })
    }

    #[test]
    fn endpoints_have_a_name_a_host_and_a_port() {
        for (text, expected) in [
            ("PLAINTEXT://:9092", endpoint("PLAINTEXT", "", 9092)),
            ("internal://broker-0.svc:0", endpoint("INTERNAL", "broker-0.svc", 0)),
            ("A_1://[::1]:65535", endpoint("A_1", "::1", 65535)),
            ("PLAINTEXT://host:65536", None),
            ("PLAINTEXT://host:-1", None),
            ("PLAINTEXT://host", None),
            ("host:9092", None),
            ("://host:9092", None),
            ("PLAINTEXT://ho st:9092", None),
            ("PLAINTEXT://[::1:9092", None),
        ] {
            assert_eq!(parse_endpoint(text), expected, "{text}");
        }
        assert_eq!(endpoint("A", "::1", 1).unwrap().to_string(), "A://[::1]:1");
    }

    #[test]
    fn a_listener_name_stands_once() {
        let twice = ["A://:1".to_owned(), "a://:2".to_owned()];
        assert_eq!(
            parse_endpoints("listeners", &twice).unwrap_err().to_string(),
            "invalid value \"A://:1,a://:2\" for config listeners: must be a list in which each \
             listener name stands once"
        );
    }

    #[test]
    fn the_protocol_map_knows_kafkas_protocols() {
        for text in ["A:TLS", "A", ":PLAINTEXT", "A:"] {
            assert!(parse_protocol_map("x", &[text.to_owned()]).is_err(), "{text}");
        }
        let map = parse_protocol_map("x", &["a:plaintext".to_owned(), "B:SSL".to_owned()]).unwrap();
        assert_eq!(map.get("A"), Some(&"PLAINTEXT"));
        assert_eq!(map.get("B"), Some(&"SSL"));
    }
}

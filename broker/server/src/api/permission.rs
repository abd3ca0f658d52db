//! What a client must be allowed to do before an API answers it, in the words of Kafka's ACLs.

use std::fmt;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are Kafka's AclOperation")]
pub enum Operation {
    Read,
    Write,
    Create,
    Delete,
    Alter,
    Describe,
    AlterConfigs,
    DescribeConfigs,
    IdempotentWrite,
}

/// What it is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are Kafka's ResourceType")]
pub enum Resource {
    Topic,
    Group,
    Cluster,
    /// Depends on the resource that the request names.
    Named,
}

/// The permission that an API asks for; where it asks for several, the one that is always needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permission(Option<(Operation, Resource)>);

impl Permission {
    /// Anybody who can connect is answered.
    pub const NONE: Permission = Permission(None);

    /// `operation` on `resource`.
    pub const fn to(operation: Operation, resource: Resource) -> Permission {
        Permission(Some((operation, resource)))
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("none"),
            Some((operation, Resource::Named)) => write!(f, "{operation:?}"),
            Some((operation, resource)) => write!(f, "{operation:?} {resource:?}"),
        }
    }
}

//! Why a piece of work was not done; it is done again later.

use millrace_client::ClientError;

/// Why a piece of work was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API of Kubernetes failed or refused.
    #[error("{what}: {}", api(source))]
    Api {
        /// What was asked.
        what: String,
        /// Why not.
        #[source]
        source: Box<kube::Error>,
    },
    /// A broker failed or refused.
    #[error("{what}: {}", chain(source))]
    Broker {
        /// What was asked.
        what: String,
        /// Why not.
        #[source]
        source: ClientError,
    },
    /// A broker did not answer in time.
    #[error("{what}: no answer in {seconds} s")]
    Timeout {
        /// What was asked.
        what: String,
        /// How long was waited.
        seconds: u64,
    },
    /// What the API has cannot be read.
    #[error("{what} cannot be read")]
    Unreadable {
        /// What.
        what: String,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
}

impl Error {
    /// The API failed at this.
    pub fn api(what: impl Into<String>, source: kube::Error) -> Error {
        Error::Api { what: what.into(), source: Box::new(source) }
    }

    /// What was said, without what was asked.
    pub fn words(&self) -> String {
        match self {
            Error::Api { source, .. } => api(source),
            Error::Broker { .. } | Error::Timeout { .. } | Error::Unreadable { .. } => {
                self.to_string()
            }
        }
    }

    /// The API's status code, where it answered.
    pub fn status(&self) -> Option<u16> {
        match self {
            Error::Api { source, .. } => code(source),
            Error::Broker { .. } | Error::Timeout { .. } | Error::Unreadable { .. } => None,
        }
    }

    /// Whether the API says no because the namespace is being deleted: nothing can be made there.
    pub fn is_of_going_namespace(&self) -> bool {
        let Error::Api { source, .. } = self else { return false };
        let kube::Error::Api(status) = &**source else { return false };
        let causes = status.details.iter().flat_map(|details| &details.causes);
        causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating")
    }

    /// Whether the API says no for good, and not for now.
    pub fn is_refusal(&self) -> bool {
        matches!(self.status(), Some(400 | 403 | 405 | 413 | 415 | 422))
    }
}

/// The API's status code, where it answered.
pub fn code(error: &kube::Error) -> Option<u16> {
    if let kube::Error::Api(status) = error { Some(status.code) } else { None }
}

/// The API's words without our client's frame around them.
fn api(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error { status.message.clone() } else { chain(error) }
}

/// An error with its causes, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}

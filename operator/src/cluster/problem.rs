//! What is wrong with a cluster and needs a person.

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// In one word, for machines: the reason of a condition.
    pub reason: &'static str,
    /// For people: what, where, and what may be.
    pub message: String,
}

impl Problem {
    /// The resource asks for what cannot be.
    pub fn invalid(message: String) -> Problem {
        Problem { reason: "InvalidSpec", message }
    }
}

//! From the topics as they are and as a manifest wants them: what to do, and why.

use std::collections::BTreeMap;
use std::fmt;

use millrace_client::{Configs, TopicState};

/// A topic as the manifest wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedTopic {
    /// The name of the resource, for people.
    pub resource: String,
    /// The topic's name.
    pub name: String,
    /// How it is to be.
    pub state: TopicState,
}

/// One change of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The topic is not there.
    Create {
        /// The topic's name.
        name: String,
        /// How it is to be.
        state: TopicState,
    },
    /// The topic has fewer partitions than it should.
    Grow {
        /// The topic's name.
        name: String,
        /// How many it has.
        from: i32,
        /// How many it is to have.
        to: i32,
    },
    /// The topic has other configs than it should.
    Configure {
        /// The topic's name.
        name: String,
        /// The configs that it has.
        from: Configs,
        /// All configs that are to be set on it.
        to: Configs,
    },
}

/// What to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Changes, in their order.
    pub steps: Vec<Step>,
    /// Topics that are as they should be.
    pub unchanged: Vec<String>,
    /// Topics that are there and not wanted. They keep their records: a line that is missing in a
    /// file is no order to delete.
    pub unmanaged: Vec<String>,
}

/// A wish that cannot be granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "Topic/{resource}: spec.partitions: {wanted} is below the {seen} that the topic has, and \
     partitions can only be added"
)]
pub struct TooFewPartitions {
    resource: String,
    wanted: i32,
    seen: i32,
}

/// Compares what is seen with what is wanted.
///
/// # Errors
/// The first topic that is to have fewer partitions than it has; nothing is to be done then.
pub fn plan(
    seen: &BTreeMap<String, TopicState>,
    wanted: &[WantedTopic],
) -> Result<Plan, TooFewPartitions> {
    let mut plan = Plan::default();
    for WantedTopic { resource, name, state } in wanted {
        let Some(there) = seen.get(name) else {
            plan.steps.push(Step::Create { name: name.clone(), state: state.clone() });
            continue;
        };
        if state.partitions < there.partitions {
            let (wanted, seen) = (state.partitions, there.partitions);
            return Err(TooFewPartitions { resource: resource.clone(), wanted, seen });
        }
        let steps_before = plan.steps.len();
        if state.partitions > there.partitions {
            let (from, to) = (there.partitions, state.partitions);
            plan.steps.push(Step::Grow { name: name.clone(), from, to });
        }
        if state.configs != there.configs {
            let (from, to) = (there.configs.clone(), state.configs.clone());
            plan.steps.push(Step::Configure { name: name.clone(), from, to });
        }
        if plan.steps.len() == steps_before {
            plan.unchanged.push(name.clone());
        }
    }
    let is_wanted = |name: &&String| wanted.iter().any(|topic| topic.name == **name);
    plan.unmanaged = seen.keys().filter(|name| !is_wanted(name)).cloned().collect();
    Ok(plan)
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Create { name, state } => {
                let plural = if state.partitions == 1 { "" } else { "s" };
                write!(f, "+ {name}: {} partition{plural}", state.partitions)?;
                state.configs.iter().try_for_each(|(key, value)| write!(f, ", {key}={value}"))
            }
            Step::Grow { name, from, to } => write!(f, "~ {name}: {from} -> {to} partitions"),
            Step::Configure { name, from, to } => {
                write!(f, "~ {name}:")?;
                let changed = to.iter().filter(|&(key, value)| from.get(key) != Some(value));
                changed.into_iter().try_for_each(|(key, value)| write!(f, " {key}={value}"))?;
                let gone = from.keys().filter(|key| !to.contains_key(*key));
                gone.into_iter().try_for_each(|key| write!(f, " {key}=(default)"))
            }
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps.iter().try_for_each(|step| writeln!(f, "  {step}"))?;
        self.unchanged.iter().try_for_each(|name| writeln!(f, "  = {name}"))?;
        self.unmanaged
            .iter()
            .try_for_each(|name| writeln!(f, "  ? {name}: not in the manifest, kept as it is"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use expect_test::{Expect, expect};
    use millrace_client::TopicState;

    use super::{WantedTopic, plan};

    fn state(text: &str) -> TopicState {
        let mut words = text.split_whitespace();
        let partitions = words.next().unwrap().parse().unwrap();
        let config = |word: &str| {
            let (key, value) = word.split_once('=').unwrap();
            (key.to_owned(), value.to_owned())
        };
        TopicState { partitions, configs: words.map(config).collect() }
    }

    fn check(seen: &[(&str, &str)], wanted: &[(&str, &str)], expected: &Expect) {
        let seen: BTreeMap<String, TopicState> =
            seen.iter().map(|(name, text)| ((*name).to_owned(), state(text))).collect();
        let topic = |(name, text): &(&str, &str)| WantedTopic {
            resource: format!("my-{name}"),
            name: (*name).to_owned(),
            state: state(text),
        };
        let wanted: Vec<WantedTopic> = wanted.iter().map(topic).collect();
        let told = match plan(&seen, &wanted) {
            // `expect!` takes away what all lines are indented by.
            Ok(plan) => format!("plan\n{plan}"),
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&told);
    }

    #[test]
    fn each_difference_is_one_step_with_its_numbers() {
        check(
            &[("b", "1"), ("c", "3 x=1 y=2"), ("d", "1 x=1"), ("e", "9")],
            &[("a", "2 x=1"), ("b", "4"), ("c", "3 x=5"), ("d", "1 x=1")],
            &expect![[r#"
                plan
                  + a: 2 partitions, x=1
                  ~ b: 1 -> 4 partitions
                  ~ c: x=5 y=(default)
                  = d
                  ? e: not in the manifest, kept as it is
            "#]],
        );
    }

    #[test]
    fn fewer_partitions_are_refused_with_both_numbers() {
        check(
            &[("a", "3")],
            &[("new", "1"), ("a", "2")],
            &expect![
                "Topic/my-a: spec.partitions: 2 is below the 3 that the topic has, and partitions can only be added"
            ],
        );
    }
}

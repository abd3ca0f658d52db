//! What an administrator's client sees of a cluster: topics, and configs of a broker.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

use crate::inside::Inside;
use crate::wait;

/// A topic as clients see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its id: another one if it was deleted and made anew.
    pub id: String,
    /// How many partitions it has.
    pub partitions: usize,
    /// The configs that were set on it, `KEY=VALUE,...` sorted by key.
    pub configs: String,
}

/// What there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Described {
    /// The topics by name, internal ones too.
    pub topics: BTreeMap<String, Topic>,
    /// The configs of one broker.
    pub broker: BTreeMap<String, String>,
}

impl Inside {
    /// Asks for all topics and configs. It is asked again where nobody answers yet: the network of
    /// Kubernetes takes a moment to lead to a broker that has just become ready.
    ///
    /// # Errors
    /// The client fails all the time.
    pub fn describe(&self, bootstrap: &str) -> Result<Described> {
        wait::until("an answer to describe", wait::MAX, || self.describe_once(bootstrap).map(Ok))
    }

    fn describe_once(&self, bootstrap: &str) -> Result<Described> {
        let mut described = Described::default();
        for line in self.verb("describe", &[bootstrap])?.hear_all(wait::MAX)? {
            described.take(&line).with_context(|| format!("a client said {line:?}"))?;
        }
        Ok(described)
    }

    /// Makes a topic as a program would, past the operator, once a broker can be reached.
    ///
    /// # Errors
    /// The client fails.
    pub fn create(&self, bootstrap: &str, topic: &str, partitions: usize) -> Result<()> {
        self.describe(bootstrap)?;
        let words = [bootstrap, topic, &partitions.to_string()];
        self.verb("create", &words)?.hear_all(wait::MAX).map(drop)
    }

    /// Sets a config, `KEY=VALUE`, of a topic, or of all brokers (`-`), past the operator, once a
    /// broker can be reached.
    ///
    /// # Errors
    /// The client fails.
    pub fn set(&self, bootstrap: &str, topic: &str, config: &str) -> Result<()> {
        self.describe(bootstrap)?;
        self.verb("set", &[bootstrap, topic, config])?.hear_all(wait::MAX).map(drop)
    }

    /// Waits until what is described is as wanted; `look` tells what it saw instead.
    ///
    /// # Errors
    /// It does not become so in time.
    pub fn wait_until(
        &self,
        bootstrap: &str,
        what: &str,
        look: impl Fn(&Described) -> bool,
    ) -> Result<Described> {
        wait::until(what, wait::MAX, || {
            let seen = self.describe(bootstrap)?;
            Ok(if look(&seen) { Ok(seen) } else { Err(format!("{:?}", seen.topics)) })
        })
    }
}

impl Described {
    fn take(&mut self, line: &str) -> Result<()> {
        let (kind, rest) = line.split_once(' ').context("one word")?;
        if kind == "broker" {
            let (key, value) = rest.split_once('=').context("no value")?;
            self.broker.insert(key.to_owned(), value.to_owned());
            return Ok(());
        }
        ensure!(kind == "topic", "no such word");
        let mut words = rest.split(' ');
        let mut next = || words.next().map(str::to_owned).context("too short");
        let name = next()?;
        let topic = Topic { id: next()?, partitions: next()?.parse()?, configs: next()? };
        self.topics.insert(name, topic);
        Ok(())
    }

    /// A topic that must be there.
    ///
    /// # Errors
    /// It is not.
    pub fn topic(&self, name: &str) -> Result<&Topic> {
        self.topics.get(name).with_context(|| format!("no topic {name} in {:?}", self.topics))
    }
}

#[cfg(test)]
mod tests {
    use super::Described;

    #[test]
    fn lines_become_topics_and_configs() {
        let mut described = Described::default();
        described.take("topic orders abc three a=1").unwrap_err();
        described.take("topic orders abc 3 a=1,b=2").unwrap();
        described.take("topic plain def 1 ").unwrap();
        described.take("broker cleanup.policy=delete").unwrap();
        assert_eq!(described.topic("orders").unwrap().configs, "a=1,b=2");
        assert_eq!(described.topic("plain").unwrap().configs, "");
        assert_eq!(described.broker["cleanup.policy"], "delete");
        assert!(described.topic("none").is_err());
        assert!(described.take("what is this").is_err());
    }
}

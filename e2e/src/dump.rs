//! Reads back all of a topic, for comparison with what was acknowledged.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::client::Client;
use crate::group::{Told, told};

/// All that a topic holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dump {
    /// First offset and end of each partition.
    pub bounds: BTreeMap<i32, (i64, i64)>,
    /// Its records in the order in which they were read.
    pub records: Vec<Told>,
}

impl Dump {
    /// Reads the topic through librdkafka, checksums checked.
    ///
    /// # Errors
    /// The client meets an error, or has not read all in two minutes.
    pub fn read(bootstrap: &str, topic: &str, partitions: i32) -> Result<Dump> {
        let words = [bootstrap, topic, &partitions.to_string()];
        let program = Client::ConfluentKafka.verb(topic, "dump", &words)?;
        let mut dump = Dump::default();
        for line in program.hear_all(Duration::from_secs(120))? {
            let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match word {
                "record" => dump.records.push(told(rest)?),
                "bounds" => {
                    let (partition, low, high) = told(rest)?;
                    dump.bounds.insert(partition, (low, high.parse().context("no end")?));
                }
                "left" => {}
                _ => bail!("dump said {line:?}"),
            }
        }
        Ok(dump)
    }

    /// Fails unless the topic holds each acknowledged record at its place, each value at most once,
    /// offsets without a gap, and the values of each partition in the order of their numbers.
    ///
    /// A value ends with its number, `anything-17`; numbers grow within a partition.
    ///
    /// # Errors
    /// Names the first record that breaks the promise.
    pub fn check(&self, acked: &[Told]) -> Result<()> {
        let mut places = BTreeMap::new();
        let mut seen: BTreeMap<&str, (i32, i64)> = BTreeMap::new();
        let mut last: BTreeMap<i32, (i64, u64)> = BTreeMap::new();
        for (partition, offset, value) in &self.records {
            if let Some(before) = seen.insert(value, (*partition, *offset)) {
                bail!("{value} is twice: at {before:?} and at {:?}", (partition, offset));
            }
            let number = value.rsplit('-').next().unwrap_or_default();
            let number: u64 = number.parse().with_context(|| format!("value {value:?}"))?;
            if let Some((last_offset, last_number)) = last.insert(*partition, (*offset, number)) {
                if last_offset + 1 != *offset {
                    bail!("partition {partition}: {offset} follows {last_offset}");
                }
                if last_number >= number {
                    bail!("partition {partition} at {offset}: {value} follows {last_number}");
                }
            }
            places.insert((*partition, *offset), value);
        }
        for (partition, offset, value) in acked {
            match places.get(&(*partition, *offset)) {
                Some(found) if *found == value => {}
                found => bail!(
                    "acknowledged {value} at {partition}:{offset}, but there is {found:?}; \
                     bounds {:?}",
                    self.bounds
                ),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Dump;
    use crate::group::Told;

    fn told(rows: &[(i32, i64, &str)]) -> Vec<Told> {
        rows.iter()
            .map(|(partition, offset, value)| (*partition, *offset, (*value).to_owned()))
            .collect()
    }

    /// Checks what is read against what was acknowledged; the error's text, if any.
    fn check(read: &[(i32, i64, &str)], acked: &[(i32, i64, &str)]) -> String {
        let dump = Dump { records: told(read), ..Dump::default() };
        dump.check(&told(acked)).err().map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn each_broken_promise_is_seen() {
        let good = [(0, 5, "v-1"), (1, 0, "v-2"), (0, 6, "v-3")];
        assert_eq!(check(&good, &good), "");
        assert_eq!(check(&good, &good[..1]), "", "what was never acknowledged may be there");
        let lost = check(&good[..2], &good);
        assert!(lost.starts_with("acknowledged v-3 at 0:6, but there is None"), "{lost}");
        let moved = check(&good, &[(0, 6, "v-1")]);
        assert!(moved.contains("there is Some(\"v-3\")"), "{moved}");
        let twice = check(&[(0, 5, "v-1"), (0, 6, "v-1")], &[]);
        assert!(twice.starts_with("v-1 is twice"), "{twice}");
        let gap = check(&[(0, 5, "v-1"), (0, 7, "v-2")], &[]);
        assert_eq!(gap, "partition 0: 7 follows 5");
        let order = check(&[(0, 5, "v-2"), (0, 6, "v-1")], &[]);
        assert_eq!(order, "partition 0 at 6: v-1 follows 2");
    }
}

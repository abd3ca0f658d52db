//! Members of a consumer group, each a program of a foreign client, and what they said so far.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::client::Client;
use crate::program::Program;

/// How long members may take to agree on something; far above what any needs.
const AGREE_MAX: Duration = Duration::from_secs(120);
/// How long an agreement must hold to count as one.
const AGREED_FOR: Duration = Duration::from_millis(400);

/// A record as a member or a feeder told of it: partition, offset, value.
pub type Told = (i32, i64, String);

/// One member and all that it said.
pub struct Member {
    program: Program,
    /// Its name, also its client id.
    pub name: String,
    /// The partitions it owns now.
    pub owned: BTreeSet<i32>,
    /// What it consumed, in its order.
    pub records: Vec<Told>,
    /// How often it was given partitions, and each set that it had to give up.
    pub assignments: usize,
    /// Sets of partitions that it had to give up, in its order.
    pub revocations: Vec<BTreeSet<i32>>,
    /// What it committed last, by partition.
    pub committed: BTreeMap<i32, i64>,
    /// How many commits it was told the end of, good or bad.
    pub commits: usize,
    /// Codes of its failed commits.
    pub commit_failures: Vec<String>,
    /// Codes of its other errors.
    pub errors: Vec<String>,
    /// Whether it has left in order.
    pub left: bool,
}

impl Member {
    /// Starts a member of `group` on `topic`; `options` as in `clients/python/roles.py`.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn join(
        client: Client,
        bootstrap: &str,
        group: &str,
        topic: &str,
        options: &[&str],
    ) -> Result<Member> {
        let name = options.iter().find_map(|option| option.strip_prefix("name="));
        let name = name.unwrap_or("member").to_owned();
        let mut words = vec![bootstrap, group, topic];
        words.extend(options);
        let program = client.verb(&name, "member", &words)?;
        Ok(Member {
            program,
            name,
            owned: BTreeSet::new(),
            records: Vec::new(),
            assignments: 0,
            revocations: Vec::new(),
            committed: BTreeMap::new(),
            commits: 0,
            commit_failures: Vec::new(),
            errors: Vec::new(),
            left: false,
        })
    }

    /// Takes in what the member said since; waits up to `wait` for a first line.
    ///
    /// # Errors
    /// The member has ended without a word, or says what is no line of a member.
    pub fn pump(&mut self, mut wait: Duration) -> Result<()> {
        while !self.left
            && let Some(line) = self.program.hear(wait)?
        {
            wait = Duration::ZERO;
            self.take(&line).with_context(|| format!("{} said {line:?}", self.program.name()))?;
        }
        Ok(())
    }

    fn take(&mut self, line: &str) -> Result<()> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "assigned" => {
                self.owned = partitions(rest)?;
                self.assignments += 1;
            }
            "revoked" | "lost" => {
                let gone = partitions(rest)?;
                self.owned.retain(|partition| !gone.contains(partition));
                self.revocations.push(gone);
            }
            "record" => self.records.push(told(rest)?),
            "committed" => {
                for place in rest.split(',').filter(|place| *place != "-") {
                    let (partition, offset) = place.split_once(':').context("no colon")?;
                    self.committed.insert(partition.parse()?, offset.parse()?);
                }
                self.commits += 1;
            }
            "commit-failed" => {
                self.commit_failures.push(rest.to_owned());
                self.commits += 1;
            }
            "error" => self.errors.push(rest.to_owned()),
            "left" => self.left = true,
            _ => bail!("no such word"),
        }
        Ok(())
    }

    /// Tells the member to commit what it has seen, and waits for the end of that.
    ///
    /// # Errors
    /// It says nothing in time.
    pub fn commit(&mut self) -> Result<()> {
        let before = self.commits;
        self.program.say("commit")?;
        let start = Instant::now();
        while self.commits == before {
            if start.elapsed() > AGREE_MAX {
                bail!("{}: no end of a commit after {AGREE_MAX:?}", self.name);
            }
            self.pump(Duration::from_millis(20))?;
        }
        Ok(())
    }

    /// Tells the member to leave, and waits until it has.
    ///
    /// # Errors
    /// It does not leave in time.
    pub fn leave(&mut self) -> Result<()> {
        self.program.say("leave")?;
        let start = Instant::now();
        while !self.left {
            if start.elapsed() > AGREE_MAX {
                bail!("{}: not left after {AGREE_MAX:?}", self.name);
            }
            self.pump(Duration::from_millis(20))?;
        }
        self.owned.clear();
        Ok(())
    }

    /// The program behind it, for signals.
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    /// Ends the member as a crash does; it owns nothing any more.
    ///
    /// # Errors
    /// Its last words cannot be understood.
    pub fn kill(&mut self) -> Result<()> {
        self.program.kill();
        while let Ok(Some(line)) = self.program.hear(Duration::from_millis(200)) {
            // A crash may cut the last line short.
            if self.take(&line).is_err() {
                break;
            }
        }
        self.left = true;
        self.owned.clear();
        Ok(())
    }
}

/// Waits until `condition` holds over the members, pumping all of them.
///
/// # Errors
/// It does not hold in time; the message tells what each member owns.
pub fn wait_until(
    what: &str,
    members: &mut [&mut Member],
    condition: impl Fn(&[&mut Member]) -> bool,
) -> Result<()> {
    let start = Instant::now();
    let mut since = None;
    loop {
        for member in members.iter_mut() {
            member.pump(Duration::from_millis(10))?;
        }
        if condition(members) {
            let since = since.get_or_insert_with(Instant::now);
            if since.elapsed() >= AGREED_FOR {
                return Ok(());
            }
        } else {
            since = None;
        }
        if start.elapsed() > AGREE_MAX {
            let tell = |member: &&mut Member| {
                format!(
                    "{} owns {:?}, {} records, {} errors, the last {:?}, failed commits {:?}",
                    member.name,
                    member.owned,
                    member.records.len(),
                    member.errors.len(),
                    member.errors.last(),
                    member.commit_failures
                )
            };
            let told: Vec<String> = members.iter().map(tell).collect();
            bail!("after {AGREE_MAX:?} still not: {what}; {}", told.join("; "));
        }
    }
}

/// Waits until the members own all of `count` partitions, each one owner, `sizes` each (in any order).
///
/// # Errors
/// They do not agree so in time.
pub fn settle(members: &mut [&mut Member], count: i32, sizes: &[usize]) -> Result<()> {
    let mut wanted = sizes.to_vec();
    wanted.sort_unstable();
    let all: BTreeSet<i32> = (0..count).collect();
    wait_until(&format!("{count} partitions shared as {sizes:?}"), members, |members| {
        let mut sizes: Vec<usize> = members.iter().map(|member| member.owned.len()).collect();
        sizes.sort_unstable();
        let owned: BTreeSet<i32> =
            members.iter().flat_map(|member| member.owned.iter().copied()).collect();
        // As the sizes add up to the count, covering all means that no partition has two owners.
        sizes == wanted && owned == all
    })
}

/// Produces to the partitions of a topic through a client's `feed` and keeps what was acknowledged.
pub struct Feeder {
    program: Program,
    /// What was acknowledged, in that order.
    pub acked: Vec<Told>,
    /// Values whose fate the client gave up on, with the code.
    pub failed: Vec<(String, String)>,
    /// How many values were handed over.
    pub sent: usize,
    /// Whether the program has said its last word.
    pub left: bool,
}

impl Feeder {
    /// Starts a feeder of `topic`.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(client: Client, bootstrap: &str, topic: &str, options: &[&str]) -> Result<Feeder> {
        let mut words = vec![bootstrap, topic];
        words.extend(options);
        let program = client.verb(topic, "feed", &words)?;
        Ok(Feeder { program, acked: Vec::new(), failed: Vec::new(), sent: 0, left: false })
    }

    /// Hands one value over.
    ///
    /// # Errors
    /// The program has ended.
    pub fn send(&mut self, partition: i32, value: &str) -> Result<()> {
        self.sent += 1;
        self.program.say(&format!("{partition} {value}"))
    }

    /// Takes in the acknowledgements so far; waits up to `wait` for a first one.
    ///
    /// # Errors
    /// The program has ended without a word, or says what is no line of a feeder.
    pub fn pump(&mut self, mut wait: Duration) -> Result<()> {
        while !self.left
            && let Some(line) = self.program.hear(wait)?
        {
            wait = Duration::ZERO;
            let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match word {
                "acked" => self.acked.push(told(rest)?),
                "failed" => {
                    let (code, value) = rest.split_once(' ').unwrap_or((rest, ""));
                    self.failed.push((code.to_owned(), value.to_owned()));
                }
                "left" => self.left = true,
                _ => bail!("a feeder said {line:?}"),
            }
        }
        Ok(())
    }

    /// Waits until every value handed over is acknowledged or given up.
    ///
    /// # Errors
    /// That takes longer than `max`.
    pub fn settle(&mut self, max: Duration) -> Result<()> {
        let start = Instant::now();
        while self.acked.len() + self.failed.len() < self.sent {
            if start.elapsed() > max {
                let open = self.sent - self.acked.len() - self.failed.len();
                bail!("{open} of {} values without an answer after {max:?}", self.sent);
            }
            self.pump(Duration::from_millis(50))?;
        }
        Ok(())
    }

    /// The program behind it, for signals.
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
    }
}

fn partitions(text: &str) -> Result<BTreeSet<i32>> {
    text.split(',').filter(|word| *word != "-").map(|word| Ok(word.parse()?)).collect()
}

/// Reads `P OFFSET VALUE`.
///
/// # Errors
/// The line is not of that form.
pub fn told(rest: &str) -> Result<Told> {
    let mut words = rest.splitn(3, ' ');
    let partition = words.next().context("no partition")?.parse()?;
    let offset = words.next().context("no offset")?.parse()?;
    Ok((partition, offset, words.next().unwrap_or_default().to_owned()))
}

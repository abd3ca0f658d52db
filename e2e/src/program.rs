//! A client's program as a process that speaks in lines.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// A running program; killed when dropped.
pub struct Program {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Program {
    /// Starts the command; its standard error goes to this test's own.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(name: &str, command: &mut Command) -> Result<Program> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        let input = child.stdin.take();
        let output = child.stdout.take().context("no output")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                // Ends when the program does, or when nobody listens any more.
                if line.is_ok_and(|line| sender.send(line).is_err()) {
                    return;
                }
            }
        });
        Ok(Program { name: name.to_owned(), child, input, lines })
    }

    /// Writes one line to the program.
    ///
    /// # Errors
    /// The program has ended.
    pub fn say(&mut self, line: &str) -> Result<()> {
        let input = self.input.as_mut().context("the input is closed")?;
        writeln!(input, "{line}").with_context(|| format!("{} does not listen", self.name))?;
        Ok(())
    }

    /// The next line of the program, or none if there is none within `wait`.
    ///
    /// # Errors
    /// The program has ended and said all.
    pub fn hear(&mut self, wait: Duration) -> Result<Option<String>> {
        match self.lines.recv_timeout(wait) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.child.wait()?;
                bail!("{} ended with {status}", self.name)
            }
        }
    }

    /// All lines up to the program's end; none may be missing after `wait`.
    ///
    /// # Errors
    /// The program does not end in time, or ends with another status than 0.
    pub fn hear_all(mut self, wait: Duration) -> Result<Vec<String>> {
        self.input = None;
        let (mut heard, start) = (Vec::new(), Instant::now());
        loop {
            match self.lines.recv_timeout(wait.saturating_sub(start.elapsed())) {
                Ok(line) => heard.push(line),
                Err(RecvTimeoutError::Timeout) => {
                    bail!("{} not ended after {wait:?}; it said {heard:?}", self.name)
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let status = self.child.wait()?;
        if !status.success() {
            bail!("{} ended with {status}; it said {heard:?}", self.name);
        }
        Ok(heard)
    }

    /// The program's name in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends a signal to the program.
    ///
    /// # Errors
    /// The program has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let id = i32::try_from(self.child.id())?;
        let pid = Pid::from_raw(id).with_context(|| format!("process id {id}"))?;
        Ok(kill_process(pid, signal)?)
    }

    /// Ends the program at once, as a crash does.
    pub fn kill(&mut self) {
        // Fails only for a process that has ended and been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

//! The operator's binary as a process, and what the system says of it. `MILLRACE_OPERATOR` names
//! another binary than the one that was just built.

use std::fs;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::api::Api;

/// A running operator; it ends with this.
pub struct Operator {
    child: Child,
    http: String,
    _config: tempfile::NamedTempFile,
}

impl Operator {
    /// Starts one that works on this API, and waits until it serves its metrics.
    pub async fn start(api: &Api) -> Operator {
        let mut config = tempfile::NamedTempFile::new().expect("a file");
        write!(
            config,
            "apiVersion: v1\nkind: Config\ncurrent-context: x\n\
             clusters: [{{ name: x, cluster: {{ server: \"http://{}\" }} }}]\n\
             contexts: [{{ name: x, context: {{ cluster: x, user: x }} }}]\n\
             users: [{{ name: x, user: {{}} }}]\n",
            api.address
        )
        .expect("a file");
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let http = free.local_addr().expect("an address").to_string();
        drop(free);
        let ours = env!("CARGO_BIN_EXE_millrace-operator");
        let binary = std::env::var("MILLRACE_OPERATOR").unwrap_or_else(|_| ours.to_owned());
        let child = Command::new(binary)
            .arg(format!("--http={http}"))
            .arg("--log=warn")
            .env("KUBECONFIG", config.path())
            .stdin(Stdio::null())
            .spawn()
            .expect("the operator's binary");
        let operator = Operator { child, http, _config: config };
        while operator.metrics().await.is_none() {
            sleep(Duration::from_millis(2)).await;
        }
        operator
    }

    async fn metrics(&self) -> Option<String> {
        let mut stream = TcpStream::connect(&self.http).await.ok()?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await.ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await.ok()?;
        Some(text)
    }

    /// Waits until it knows that many resources.
    pub async fn wait_until_known(&self, clusters: usize, topics: usize) {
        let wanted = [
            format!("millrace_operator_clusters {clusters}\n"),
            format!("millrace_operator_topics {topics}\n"),
        ];
        loop {
            let text = self.metrics().await.unwrap_or_default();
            if wanted.iter().all(|line| text.contains(line)) {
                return;
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    fn file(&self, name: &str) -> String {
        let path = format!("/proc/{}/{name}", self.child.id());
        fs::read_to_string(path).expect("the operator runs")
    }

    /// Its resident memory now and at most, in MiB.
    pub fn memory(&self) -> (f64, f64) {
        let text = self.file("status");
        let of = |name: &str| -> f64 {
            let line = text.lines().find(|line| line.starts_with(name)).expect("a line");
            let kib = line.split_whitespace().nth(1).expect("a number");
            kib.parse::<f64>().expect("a number") / 1024.0
        };
        (of("VmRSS:"), of("VmHWM:"))
    }

    /// The processor time that it has used.
    pub fn processor(&self) -> Duration {
        let text = self.file("stat");
        let (_, fields) = text.rsplit_once(") ").expect("a name in brackets");
        let field = |index: usize| -> u64 {
            let field = fields.split_whitespace().nth(index).expect("a field");
            field.parse().expect("a number")
        };
        let ticks = field(11) + field(12);
        // Linux tells it in hundredths of a second on every machine.
        Duration::from_millis(ticks * 10)
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        // It ends with us, whatever it says.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

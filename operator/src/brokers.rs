//! Asking brokers: Kafka's protocol for what they are and have, HTTP for why they do not serve yet.

use std::time::Duration;

use millrace_client::{Admin, Router, State};
use millrace_crds::listener::HTTP_PORT;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::context::Reach;
use crate::error::{Error, chain};

/// How many bytes of a broker's reasons are read.
const REASONS_BYTES_MAX: u64 = 4_096;

/// What one broker said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrokerSeen {
    /// It serves.
    Serves(State),
    /// It does not serve yet, for these reasons.
    Starts(String),
    /// It could not be asked.
    Silent(String),
}

/// An administrator of the broker at this host and port.
pub fn admin<C: Reach>(connect: &C, host: &str, port: i32) -> Admin<C> {
    Admin::new(Router::new(connect.clone(), "millrace-operator", vec![address(host, port)]))
}

/// Asks a broker what it is, or why it does not serve.
pub async fn ask<C: Reach>(connect: &C, host: &str, port: i32, limit: Duration) -> BrokerSeen {
    let mut admin = admin(connect, host, port);
    match in_time("describe state", limit, admin.state(Some(&[]))).await {
        Ok(state) => BrokerSeen::Serves(state),
        Err(error) => match reasons(connect, host, limit).await {
            Some(reasons) => BrokerSeen::Starts(reasons),
            None => BrokerSeen::Silent(chain(&error)),
        },
    }
}

/// Waits for a broker's answer, but not for ever.
///
/// # Errors
/// The broker failed, refused, or did not answer.
pub async fn in_time<T>(
    what: &str,
    limit: Duration,
    call: impl Future<Output = Result<T, millrace_client::ClientError>>,
) -> Result<T, Error> {
    match tokio::time::timeout(limit, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(source)) => Err(Error::Broker { what: what.to_owned(), source }),
        Err(_) => Err(Error::Timeout { what: what.to_owned(), seconds: limit.as_secs() }),
    }
}

/// The words of `/readyz`, in one line; none where all is well, as far as that goes.
async fn reasons<C: Reach>(connect: &C, host: &str, limit: Duration) -> Option<String> {
    let ask = async {
        let mut stream = connect.connect(&address(host, HTTP_PORT)).await.ok()?;
        let request = format!("GET /readyz HTTP/1.0\r\nHost: {host}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.take(REASONS_BYTES_MAX).read_to_end(&mut answer).await.ok()?;
        let text = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = text.split_once("\r\n\r\n")?;
        if head.split_whitespace().nth(1) == Some("200") {
            return None;
        }
        let lines: Vec<&str> = body.lines().map(str::trim).filter(|it| !it.is_empty()).collect();
        (!lines.is_empty()).then(|| lines.join("; "))
    };
    tokio::time::timeout(limit, ask).await.ok().flatten()
}

fn address(host: &str, port: i32) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

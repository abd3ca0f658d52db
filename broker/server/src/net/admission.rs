//! Who is connected, and who may still connect.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts connections, in all and for each address.
#[derive(Debug)]
pub struct Admission {
    descriptors_max: usize,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    connections_max: usize,
    per_ip_max: usize,
    connections: usize,
    by_ip: BTreeMap<IpAddr, usize>,
}

/// Why a connection is closed before its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There are too many connections.
    #[error("{connections} connections reach max.connections={limit}")]
    Connections {
        /// How many there are.
        connections: usize,
        /// How many there may be.
        limit: usize,
    },
    /// The process has no more file descriptors to give to connections.
    #[error(
        "{connections} connections are as many as the limit of open files leaves room for; raise \
         it (ulimit -n)"
    )]
    Descriptors {
        /// How many there are.
        connections: usize,
    },
    /// The address has too many connections.
    #[error("{connections} connections from {ip} reach max.connections.per.ip={limit}")]
    ConnectionsOfIp {
        /// The address.
        ip: IpAddr,
        /// How many it has.
        connections: usize,
        /// How many it may have.
        limit: usize,
    },
}

impl Admission {
    /// Nobody is connected. More than `descriptors_max` never will be, whatever the limits.
    pub fn new(
        descriptors_max: usize,
        connections_max: usize,
        per_ip_max: usize,
    ) -> Arc<Admission> {
        let counts = Counts { connections_max, per_ip_max, ..Counts::default() };
        Arc::new(Admission { descriptors_max, counts: Mutex::new(counts) })
    }

    /// Changes the limits. Who is connected stays.
    pub fn set_limits(&self, connections_max: usize, per_ip_max: usize) {
        let mut counts = self.counts();
        counts.connections_max = connections_max;
        counts.per_ip_max = per_ip_max;
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.counts().connections
    }

    /// Lets a connection in; it counts until the ticket is dropped.
    ///
    /// # Errors
    /// The limit that is reached.
    pub fn admit(self: &Arc<Self>, ip: IpAddr) -> Result<Ticket, Refused> {
        let mut counts = self.counts();
        let connections = counts.connections;
        if connections >= counts.connections_max {
            return Err(Refused::Connections { connections, limit: counts.connections_max });
        }
        if connections >= self.descriptors_max {
            return Err(Refused::Descriptors { connections });
        }
        let limit = counts.per_ip_max;
        let of_ip = counts.by_ip.entry(ip).or_default();
        if *of_ip >= limit {
            let connections = *of_ip;
            return Err(Refused::ConnectionsOfIp { ip, connections, limit });
        }
        *of_ip = of_ip.saturating_add(1);
        counts.connections = connections.saturating_add(1);
        Ok(Ticket { admission: Arc::clone(self), ip })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's place.
#[derive(Debug)]
pub struct Ticket {
    admission: Arc<Admission>,
    ip: IpAddr,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut counts = self.admission.counts();
        counts.connections = counts.connections.saturating_sub(1);
        if let Some(of_ip) = counts.by_ip.get_mut(&self.ip) {
            *of_ip = of_ip.saturating_sub(1);
            if *of_ip == 0 {
                counts.by_ip.remove(&self.ip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::{Admission, Refused};

    const A: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    const B: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

    #[test]
    fn both_limits_hold_and_places_come_back() {
        let admission = Admission::new(4, 3, 2);
        let first = admission.admit(A).unwrap();
        let _second = admission.admit(A).unwrap();
        assert_eq!(
            admission.admit(A).unwrap_err(),
            Refused::ConnectionsOfIp { ip: A, connections: 2, limit: 2 }
        );
        let _third = admission.admit(B).unwrap();
        assert_eq!(
            admission.admit(B).unwrap_err(),
            Refused::Connections { connections: 3, limit: 3 }
        );
        drop(first);
        let _again = admission.admit(A).unwrap();
        assert_eq!(admission.connections(), 3);
        admission.set_limits(10, 10);
        let _fourth = admission.admit(B).unwrap();
        assert_eq!(admission.admit(B).unwrap_err(), Refused::Descriptors { connections: 4 });
    }
}

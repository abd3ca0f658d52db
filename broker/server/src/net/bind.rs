//! Taking a port, on every address of the machine where that is asked for.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::SockRef;
use tokio::net::TcpSocket;

/// Takes the port of an address; nobody can connect yet. `[::]` stands for every address of the
/// machine, those of IPv4 too, and for `0.0.0.0` where the kernel has no IPv6.
///
/// # Errors
/// The system refuses.
pub fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    match bind_one(address) {
        Err(error) if is_every(address) && error.kind() != io::ErrorKind::AddrInUse => {
            bind_one(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
        }
        bound => bound,
    }
}

/// Every address of the machine, with a port.
pub fn every(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))
}

/// The address of a client as it wrote it itself: one of IPv4 does not look like one of IPv6,
/// though its listener takes both.
pub fn canonical(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

fn is_every(address: SocketAddr) -> bool {
    address.ip() == Ipv6Addr::UNSPECIFIED
}

fn bind_one(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if is_every(address) {
        // The system's default is a setting of the machine.
        SockRef::from(&socket).set_only_v6(false)?;
    }
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use tokio::net::TcpStream;

    use super::{bind, canonical, every};

    #[tokio::test]
    async fn every_address_is_of_either_family() {
        let listener = bind(every(0)).unwrap().listen(16).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut ways: Vec<IpAddr> = vec![Ipv4Addr::LOCALHOST.into()];
        // Only where the kernel has it.
        if std::net::UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
            ways.push(Ipv6Addr::LOCALHOST.into());
        }
        for way in ways {
            let client = TcpStream::connect((way, port)).await.unwrap();
            let (_, peer) = listener.accept().await.unwrap();
            assert_eq!(canonical(peer), client.local_addr().unwrap());
        }
    }

    #[tokio::test]
    async fn a_port_that_somebody_has_is_not_taken_in_part() {
        let first = bind(every(0)).unwrap().listen(16).unwrap();
        let port = first.local_addr().unwrap().port();
        let second = bind(every(port)).and_then(|socket| socket.listen(16));
        assert_eq!(second.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    }
}

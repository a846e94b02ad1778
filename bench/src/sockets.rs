//! Makes the pairs of sockets that `cancel` waits on.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};

/// A connection over loopback: both ends.
///
/// # Errors
///
/// Those of the network.
pub fn tcp_pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    Ok((listener.accept()?.0, client))
}

//! Listeners: one for each thread, on one address.

use std::fmt;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Listeners, one for each thread, on one address. A socket file is removed in the end.
pub(crate) struct Listening {
    sockets: Vec<OwnedFd>,
    address: Address,
}

enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Listening {
    /// Listens on a TCP address.
    pub(crate) fn tcp(address: &str, threads: usize) -> io::Result<Self> {
        let at = |error: io::Error| io::Error::new(error.kind(), format!("{address}: {error}"));
        let first = TcpListener::bind(address).map_err(at)?;
        let address = first.local_addr().map_err(at)?;
        let mut sockets: Vec<OwnedFd> = Vec::new();
        for _ in 1..threads {
            sockets.push(first.try_clone().map_err(at)?.into());
        }
        sockets.push(first.into());
        Ok(Self {
            sockets,
            address: Address::Tcp(address),
        })
    }

    /// Listens on a Unix socket, a file that is made here. A socket file of a server that is gone is
    /// replaced; any other file is an error.
    pub(crate) fn unix(path: &Path, threads: usize) -> io::Result<Self> {
        let at =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        remove_stale(path).map_err(at)?;
        let first = UnixListener::bind(path).map_err(at)?;
        let mut this = Self {
            sockets: Vec::new(),
            address: Address::Unix(path.to_owned()),
        };
        // They share one queue of connections.
        for _ in 1..threads {
            this.sockets.push(first.try_clone().map_err(at)?.into());
        }
        this.sockets.push(first.into());
        Ok(this)
    }

    /// The listeners.
    pub(super) fn take_sockets(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.sockets)
    }
}

/// Removes the socket file of a server that does not listen any more.
fn remove_stale(path: &Path) -> io::Result<()> {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !metadata.file_type().is_socket() {
        let text = "there is a file that is no socket";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        // Somebody listens, or might: let the kernel say that the address is in use.
        _ => Ok(()),
    }
}

impl fmt::Display for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) => path.display().fmt(f),
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Address::Unix(path) = &self.address {
            let _ = fs::remove_file(path);
        }
    }
}

// Not every server offers it.
const _: () = {
    let _ = Listening::unix;
};

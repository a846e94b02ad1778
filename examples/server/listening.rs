//! Listeners: one for each thread, on one address.

use std::fmt;
use std::fs;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use sendio::prelude::*;
use sendio::{SocketConfig, SocketOptions, TcpListener};

use super::ServerArgs;

/// Listeners, one for each thread, on one address. A socket file is removed in the end.
pub(crate) struct Listening {
    sockets: Vec<OwnedFd>,
    address: Address,
}

enum Address {
    Tcp(Endpoint),
    Unix(PathBuf),
}

impl Listening {
    /// Listens on a TCP address: `host:port`, or a name.
    pub(crate) fn tcp(args: &ServerArgs) -> io::Result<Self> {
        let address = &args.listen;
        let at = |error: io::Error| io::Error::new(error.kind(), format!("{address}: {error}"));
        let mut result = Err(io::ErrorKind::AddrNotAvailable.into());
        for address in address.to_socket_addrs().map_err(at)? {
            result = Self::tcp_at(address, args);
            if result.is_ok() {
                break;
            }
        }
        result.map_err(at)
    }

    fn tcp_at(address: SocketAddr, args: &ServerArgs) -> io::Result<Self> {
        // No operation is made, but sockets belong to a context.
        let ctx = args.backend.context()?;
        let bind = |address, config| TcpListener::bind_with(ctx.local(), address, &config);
        // What is accepted has this from its listener.
        let config = SocketConfig::new().nodelay(true);
        let mut first = bind(address.into(), config)?;
        let address = first.local_endpoint()?;
        let mut sockets = Vec::new();
        if args.threads > 1 {
            // The kernel deals out connections between listeners that all say so. The first one did
            // not, so the address is ours and not shared with another server by mistake.
            let config = config.reuse_port(true);
            drop(first);
            first = bind(address, config)?;
            for _ in 1..args.threads {
                sockets.push(bind(address, config)?.into());
            }
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

//! The files that are served, and how one is found.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use sendio::prelude::*;

use crate::conditional::Validators;
use crate::path::FilePath;
use crate::pool::Pool;
use crate::response::Clock;
use crate::session::Client;
use crate::status::Status;

/// How long a client may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// From the first byte of a request until its head is complete; also for its body.
    pub(crate) head: Duration,
    /// To take a block of the response.
    pub(crate) send: Duration,
}

/// What the sessions of a thread share.
#[derive(Debug)]
pub(crate) struct Site {
    /// The directory whose files are served.
    pub(crate) root: Arc<File>,
    pub(crate) limits: Limits,
    pub(crate) clock: Clock,
    pub(crate) pool: Pool,
}

/// What is at a path.
#[derive(Debug)]
pub(crate) enum Found {
    File {
        file: Rc<File>,
        validators: Validators,
        path: FilePath,
    },
    /// A directory whose path has no slash at its end.
    Directory(FilePath),
    Refused(Status),
}

/// Below the root. What waits for another process, or is a terminal, does neither here.
const FILE: OpenOptions = OpenOptions::new()
    .read(true)
    .beneath(true)
    .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
/// For directories alone.
const DIRECTORY: OpenOptions = FILE.custom_flags(libc::O_DIRECTORY);

/// Opens what is at `path`, a directory's index in place of the directory.
pub(crate) fn find<'a>(
    client: &'a Client<'_>,
    path: FilePath,
) -> impl LocalSender<Value = Found, Error = io::Error> + 'a {
    let directory = path.is_directory.then(|| path.clone());
    let path = if path.is_directory {
        path.index()
    } else {
        path
    };
    let (io, root) = (client.io(), &client.state().root);
    let opened = io.open_at(root, path.as_path(), FILE);
    opened
        .then(|file| File::from(OwnedFd::from(file)))
        .into_result()
        .cast_err()
        .let_value(move |opened| {
            let is_missing = matches!(&opened, Err(error) if status(error) == Status::NotFound);
            match directory.filter(|_| is_missing) {
                None => Either::Left(ready(look(opened, path))),
                // Without an index the directory may not be listed; if there is one.
                Some(directory) => Either::Right(
                    io.open_at(root, directory.as_path(), DIRECTORY)
                        .then(|_| Status::Forbidden)
                        .upon_error(|error| status(&error))
                        .then(Found::Refused)
                        .cast_err()
                        .boxed_local(),
                ),
            }
        })
}

/// What an open file is.
fn look(opened: io::Result<File>, path: FilePath) -> Found {
    // The file is open, so what a local file system knows of it is in memory, and this call does not
    // wait. (A ring would hand it to a worker thread, which costs more than all the rest.) A root on
    // a network file system is another matter.
    let known = opened.and_then(|file| Ok((file.metadata()?, file)));
    match known {
        Ok((metadata, file)) if metadata.is_file() => Found::File {
            validators: Validators {
                modified: metadata.modified().unwrap_or(std::time::UNIX_EPOCH),
                len: metadata.len(),
            },
            file: Rc::new(file),
            path,
        },
        Ok((metadata, _)) if metadata.is_dir() => Found::Directory(path),
        Ok(_) => Found::Refused(Status::Forbidden),
        Err(error) => Found::Refused(status(&error)),
    }
}

/// The status for a file that cannot be opened.
fn status(error: &io::Error) -> Status {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR | libc::ENAMETOOLONG | libc::ELOOP) => Status::NotFound,
        // A link out of the root, a file of others, a socket.
        Some(libc::EXDEV | libc::EACCES | libc::EPERM | libc::ENXIO) => Status::Forbidden,
        Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM) => Status::Unavailable,
        _ => Status::InternalError,
    }
}

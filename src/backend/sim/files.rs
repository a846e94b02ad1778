//! The file system in memory: a tree of names over files that are the kernel's memory files.
//!
//! The content of a file is a `memfd`, so what is done with a descriptor (reads, writes, positions,
//! `fallocate`) is done for real. Names, directories, the size of the disk and what `stat` says are
//! simulated: `tree` has the names, `stat` the answers.
//!
//! # Safety
//! INV-SLOT-1: paths and places of a request in flight. INV-OPEN-1: descriptors that are made here.

#![expect(unsafe_code, reason = "memfd_create, open, and the paths of requests")]

mod stat;
mod tree;

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Component;

use libc::c_char;

use super::config::SimConfig;
use super::descriptor::{Ident, Object, told};
use super::spans::{spans_of, total};
use crate::backend::readiness::guard::status_flags;
use crate::backend::request::{CURRENT_POSITION, OpenHow, Request};
use tree::{Found, Node, NodeId, ROOT, Tree, What};

/// A disk in memory.
#[derive(Debug)]
pub(super) struct Files {
    tree: Tree,
    disk: u64,
}

/// What becomes of a request that makes a file larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// As many bytes at most.
    Limit(u32),
    /// Nothing fits.
    Full,
}

impl Files {
    pub(super) fn new(config: &SimConfig) -> io::Result<Self> {
        let mut files = Self {
            tree: Tree::new(memory_file()?),
            disk: config.disk,
        };
        for (path, content) in &config.preset {
            let invalid = || {
                let text = format!("{} cannot be a file of the simulation", path.display());
                io::Error::new(io::ErrorKind::InvalidInput, text)
            };
            let mut names: Vec<Vec<u8>> = Vec::new();
            for component in path.components() {
                match component {
                    Component::Normal(name) => names.push(name.as_bytes().to_vec()),
                    Component::RootDir | Component::CurDir => {}
                    Component::ParentDir | Component::Prefix(_) => return Err(invalid()),
                }
            }
            let name = names.pop().ok_or_else(invalid)?;
            let mut dir = ROOT;
            for name in names {
                dir = match files.tree.child(dir, &name) {
                    Some(child) => child,
                    None => files.tree.add_dir(dir, &name, 0o755, memory_file()?),
                };
            }
            if files.tree.child(dir, &name).is_some() || !files.tree.is_dir(dir) {
                return Err(invalid());
            }
            let file = File::from(memory_file()?);
            file.write_all_at(content, 0)?;
            files
                .tree
                .add_file(dir, Some(&name), 0o644, OwnedFd::from(file), 0);
        }
        Ok(files)
    }

    /// The result of a request that names a path; `None` if it is no such request.
    ///
    /// # Safety
    ///
    /// - The request is in flight.
    pub(super) unsafe fn perform(&mut self, request: &Request, now: u64) -> Option<i32> {
        // SAFETY: paths end with a NUL and are good, and so is the place for an answer (contract).
        let result = unsafe {
            match *request {
                Request::Open {
                    dir,
                    path,
                    flags,
                    mode,
                } => {
                    let how = OpenHow {
                        flags: u64::from(flags.cast_unsigned()),
                        mode: u64::from(mode),
                        resolve: 0,
                    };
                    self.open(dir, bytes_of(path), &how, now)
                }
                Request::OpenHow { dir, path, how } => self.open(dir, bytes_of(path), &*how, now),
                Request::Unlink { dir, path, flags } => self.unlink(dir, bytes_of(path), flags),
                Request::Rename {
                    from_dir,
                    from,
                    to_dir,
                    to,
                    flags,
                } => {
                    let from = (from_dir, bytes_of(from));
                    self.rename(from, (to_dir, bytes_of(to)), flags)
                }
                Request::MakeDir { dir, path, mode } => self.make_dir(dir, bytes_of(path), mode),
                Request::Statx {
                    dir,
                    path,
                    flags,
                    buf,
                    ..
                } => match self.stat(dir, bytes_of(path), flags) {
                    Ok(answer) => {
                        buf.write(answer);
                        Ok(0)
                    }
                    Err(error) => Err(error),
                },
                _ => return None,
            }
        };
        Some(result.unwrap_or_else(|error| -error))
    }

    /// The directory that a number names.
    fn directory(&self, fd: RawFd) -> Result<NodeId, i32> {
        if fd == libc::AT_FDCWD {
            return Ok(ROOT);
        }
        let node = self.node_of(fd).ok_or(libc::EBADF)?;
        if self.tree.is_dir(node) {
            Ok(node)
        } else {
            Err(libc::ENOTDIR)
        }
    }

    /// What a path names; a relative one is not looked at beyond an absolute one's descriptor.
    fn find(&self, dir: RawFd, path: &[u8]) -> Result<Found, i32> {
        if path.is_empty() {
            return Err(libc::ENOENT);
        }
        let start = if path[0] == b'/' {
            ROOT
        } else {
            self.directory(dir)?
        };
        self.tree.walk(start, path, ROOT)
    }

    /// The node behind a descriptor.
    fn node_of(&self, fd: RawFd) -> Option<NodeId> {
        self.tree.by_ident(Object::of(fd)?.ident)
    }

    fn open(&mut self, dir: RawFd, path: &[u8], how: &OpenHow, now: u64) -> Result<i32, i32> {
        let flags = i32::try_from(how.flags & 0x7fff_ffff).unwrap_or(0);
        if flags & libc::O_TMPFILE == libc::O_TMPFILE {
            let found = self.find(dir, path)?;
            let parent = found.node.ok_or(libc::ENOENT)?;
            if !self.tree.is_dir(parent) {
                return Err(libc::ENOTDIR);
            }
            let content = memory_file().map_err(|error| code(&error))?;
            let node = self.tree.add_file(parent, None, mode_of(how), content, now);
            return self.reopen(node, flags & !libc::O_TMPFILE);
        }
        let found = if how.resolve & (libc::RESOLVE_BENEATH | libc::RESOLVE_IN_ROOT) == 0 {
            self.find(dir, path)?
        } else {
            let root = self.directory(dir)?;
            if how.resolve & libc::RESOLVE_BENEATH != 0
                && (path.first() == Some(&b'/') || Tree::escapes(path))
            {
                return Err(libc::EXDEV);
            }
            self.tree.walk(root, path, root)?
        };
        let node = match found.node {
            Some(_) if flags & (libc::O_CREAT | libc::O_EXCL) == libc::O_CREAT | libc::O_EXCL => {
                return Err(libc::EEXIST);
            }
            Some(node) => node,
            None if flags & libc::O_CREAT == 0 => return Err(libc::ENOENT),
            None if found.must_be_dir => return Err(libc::EISDIR),
            None => {
                let content = memory_file().map_err(|error| code(&error))?;
                let name = found.name.as_slice();
                self.tree
                    .add_file(found.parent, Some(name), mode_of(how), content, now)
            }
        };
        let is_dir = self.tree.is_dir(node);
        if !is_dir && (flags & libc::O_DIRECTORY != 0 || found.must_be_dir) {
            return Err(libc::ENOTDIR);
        }
        let writes = flags & libc::O_ACCMODE != libc::O_RDONLY;
        if is_dir && (writes || flags & libc::O_CREAT != 0) && flags & libc::O_PATH == 0 {
            return Err(libc::EISDIR);
        }
        self.reopen(node, flags)
    }

    /// A new description of what a node has, with a position and a mode of its own.
    fn reopen(&self, node: NodeId, flags: i32) -> Result<i32, i32> {
        let content = self.tree.descriptor(node).ok_or(libc::ENOENT)?;
        let path = format!("/proc/self/fd/{content}\0");
        let not_for_the_link = libc::O_CREAT
            | libc::O_EXCL
            | libc::O_NOFOLLOW
            | libc::O_DIRECTORY
            | libc::O_DIRECT
            | libc::O_PATH;
        // SAFETY: the path ends with a NUL.
        let fd = told(unsafe { libc::open(path.as_ptr().cast(), flags & !not_for_the_link) });
        if fd < 0 { Err(-fd) } else { Ok(fd) }
    }

    fn unlink(&mut self, dir: RawFd, path: &[u8], flags: i32) -> Result<i32, i32> {
        let found = self.find(dir, path)?;
        let node = found.node.ok_or(libc::ENOENT)?;
        let wants_dir = flags & libc::AT_REMOVEDIR != 0;
        match (self.tree.is_dir(node), wants_dir) {
            (true, false) => return Err(libc::EISDIR),
            (false, true) => return Err(libc::ENOTDIR),
            (true, true) if found.name.is_empty() => return Err(libc::EBUSY),
            (true, true) if !self.tree.is_empty_dir(node) => return Err(libc::ENOTEMPTY),
            (false, false) if found.must_be_dir => return Err(libc::ENOTDIR),
            _ => {}
        }
        self.tree.unlink(found.parent, &found.name);
        Ok(0)
    }

    fn make_dir(&mut self, dir: RawFd, path: &[u8], mode: libc::mode_t) -> Result<i32, i32> {
        let found = self.find(dir, path)?;
        if found.node.is_some() {
            return Err(libc::EEXIST);
        }
        let place = memory_file().map_err(|error| code(&error))?;
        self.tree.add_dir(found.parent, &found.name, mode, place);
        Ok(0)
    }

    fn rename(
        &mut self,
        (from_dir, from): (RawFd, &[u8]),
        (to_dir, to): (RawFd, &[u8]),
        flags: u32,
    ) -> Result<i32, i32> {
        let (from, to) = (self.find(from_dir, from)?, self.find(to_dir, to)?);
        self.tree.rename(&from, &to, flags)?;
        Ok(0)
    }

    /// How much of a request may be done, if it would make a file of this disk larger.
    ///
    /// # Safety
    ///
    /// - The request is in flight.
    pub(super) unsafe fn room(
        &mut self,
        request: &Request,
        object: Option<Object>,
        now: u64,
    ) -> Option<Room> {
        let (fd, offset, len) = match *request {
            Request::Write { fd, offset, .. } | Request::Writev { fd, offset, .. } => {
                // SAFETY: in flight (contract).
                let spans = unsafe { spans_of(request, 0, u32::MAX) };
                (fd, offset, total(&spans) as u64)
            }
            Request::Ftruncate { fd, len } => (fd, len, 0),
            Request::Fallocate {
                fd, offset, len, ..
            } => (fd, offset, len),
            Request::Splice {
                to, to_offset, len, ..
            } => (to, to_offset, u64::from(len)),
            _ => return None,
        };
        let known = match request {
            Request::Write { .. } | Request::Writev { .. } => object,
            _ => Object::of(fd),
        };
        let node = self.tree.by_ident(known?.ident)?;
        self.tree.touch(node, now);
        if self.disk == u64::MAX {
            return None;
        }
        // It may have grown since the request came.
        let object = Object::of(fd)?;
        let start = match offset {
            _ if status_flags(fd).ok()? & libc::O_APPEND != 0 => object.size,
            // SAFETY: no memory is passed.
            CURRENT_POSITION => unsafe { libc::lseek(fd, 0, libc::SEEK_CUR) }.unsigned_abs(),
            offset => offset,
        };
        let mut end_max = 0;
        for attempt in 0..2 {
            let free = self.disk.saturating_sub(self.tree.bytes());
            end_max = object.size.saturating_add(free);
            if start.saturating_add(len) <= end_max {
                return None;
            }
            if attempt == 0 {
                self.tree.purge();
            }
        }
        match u32::try_from(end_max.saturating_sub(start)) {
            // Room is all or nothing for what is no transfer.
            Ok(left) if left > 0 && is_transfer(request) => Some(Room::Limit(left)),
            Ok(_) => Some(Room::Full),
            Err(_) => None,
        }
    }
}

const fn is_transfer(request: &Request) -> bool {
    matches!(
        request,
        Request::Write { .. } | Request::Writev { .. } | Request::Splice { .. }
    )
}

fn mode_of(how: &OpenHow) -> libc::mode_t {
    libc::mode_t::try_from(how.mode & 0o7777).unwrap_or(0)
}

fn code(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}

/// # Safety
///
/// - `path` ends with a NUL, and is good for reading for `'a`.
const unsafe fn bytes_of<'a>(path: *const c_char) -> &'a [u8] {
    // SAFETY: the contract is the same.
    unsafe { CStr::from_ptr(path) }.to_bytes()
}

/// A new file without a name.
fn memory_file() -> io::Result<OwnedFd> {
    // SAFETY: the name ends with a NUL.
    let fd = unsafe { libc::memfd_create(c"sendio-sim".as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made it (INV-OPEN-1).
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The object behind a descriptor that is owned here.
fn ident_of(fd: &OwnedFd) -> Option<Ident> {
    Some(Object::of(fd.as_raw_fd())?.ident)
}

impl Node {
    fn is_dir(&self) -> bool {
        matches!(self.what, What::Dir(_))
    }
}

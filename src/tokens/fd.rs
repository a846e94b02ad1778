//! [`BasicFd`]: a borrowed descriptor that answers questions about itself.
//!
//! Nothing is stored but the number. Access mode, blocking mode and kind are asked of the kernel at
//! each call, so they cannot be out of date.
//!
//! # Kernel
//!
//! `fcntl` with `F_GETFD` and `F_GETFL`, and `fstat`. None of them blocks on a local file system.
//!
//! # Safety
//!
//! The number is that of an open descriptor for the lifetime, by the invariant of
//! [`std::os::fd::BorrowedFd`]. The calls made here would merely fail if it were not.

#![expect(unsafe_code, reason = "fcntl and fstat")]

use std::fmt;
use std::hash::{Hash, Hasher};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use libc::c_int;
use static_assertions::{assert_impl_all, const_assert_eq};

/// An open descriptor, borrowed for `'fd`: a `Copy` token of 4 bytes that does not close it.
///
/// Like [`BorrowedFd`], to and from which it converts, it is made safely of anything that is
/// [`AsFd`]; `Option<BasicFd>` has 4 bytes too. What is known about the descriptor is asked of the
/// kernel, never remembered.
///
/// Two tokens are equal if they name the same descriptor number.
///
/// # Examples
///
/// ```
/// use std::os::fd::AsFd;
/// use sendio::{AccessMode, BasicFd, FileKind};
///
/// # fn main() -> std::io::Result<()> {
/// let file = std::fs::File::open("/dev/null")?;
/// let fd = BasicFd::from(file.as_fd());
/// assert!(fd.is_valid());
/// assert_eq!(fd.access_mode()?, AccessMode::ReadOnly);
/// assert_eq!(fd.kind()?, FileKind::CharDevice);
/// assert!(!fd.is_nonblocking()?);
/// # Ok(())
/// # }
/// ```
///
/// The token cannot outlive the owner of the descriptor:
///
/// ```compile_fail,E0597
/// use std::os::fd::AsFd;
///
/// let fd = {
///     let file = std::fs::File::open("/dev/null").expect("it is always there");
///     sendio::BasicFd::from(file.as_fd())
/// };
/// assert!(fd.is_valid());
/// ```
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct BasicFd<'fd>(BorrowedFd<'fd>);

const_assert_eq!(size_of::<BasicFd<'static>>(), 4);
const_assert_eq!(size_of::<Option<BasicFd<'static>>>(), 4);
const_assert_eq!(align_of::<BasicFd<'static>>(), align_of::<RawFd>());
assert_impl_all!(BasicFd<'static>: Send, Sync, Copy);

impl<'fd> BasicFd<'fd> {
    /// The token of a descriptor number.
    ///
    /// # Safety
    ///
    /// - `fd` is an open descriptor, and stays open for `'fd`. In particular it is not -1.
    pub const unsafe fn from_raw(fd: RawFd) -> Self {
        // SAFETY: the contract is the same.
        Self(unsafe { BorrowedFd::borrow_raw(fd) })
    }

    /// The descriptor number, for calls that this crate does not make.
    pub fn native_handle(self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// This token as `std`'s.
    pub const fn as_borrowed(self) -> BorrowedFd<'fd> {
        self.0
    }

    /// Whether the kernel knows the number as an open descriptor.
    ///
    /// A token made safely always is, except for placeholders such as `AT_FDCWD`, which some crates
    /// offer as a `BorrowedFd`. For a token made by [`from_raw`](Self::from_raw) it checks what the
    /// caller promised, as far as that is possible: the number may have been given to another file.
    pub fn is_valid(self) -> bool {
        self.fcntl(libc::F_GETFD).is_ok()
    }

    /// What the descriptor was opened for.
    ///
    /// # Errors
    ///
    /// The kernel's error if this is not an open descriptor.
    pub fn access_mode(self) -> io::Result<AccessMode> {
        let flags = self.fcntl(libc::F_GETFL)?;
        Ok(match flags & libc::O_ACCMODE {
            _ if flags & libc::O_PATH != 0 => AccessMode::Neither,
            libc::O_RDONLY => AccessMode::ReadOnly,
            libc::O_WRONLY => AccessMode::WriteOnly,
            libc::O_RDWR => AccessMode::ReadWrite,
            _ => AccessMode::Neither,
        })
    }

    /// Whether `O_NONBLOCK` is set: calls that would block return `EAGAIN` instead.
    ///
    /// # Errors
    ///
    /// The kernel's error if this is not an open descriptor.
    pub fn is_nonblocking(self) -> io::Result<bool> {
        Ok(self.fcntl(libc::F_GETFL)? & libc::O_NONBLOCK != 0)
    }

    /// What is behind the descriptor.
    ///
    /// # Errors
    ///
    /// The kernel's error if this is not an open descriptor, or if the file system cannot tell.
    pub fn kind(self) -> io::Result<FileKind> {
        let mut stat = MaybeUninit::<libc::stat>::uninit();
        // SAFETY: the pointer is good for writing one `stat`; the kernel does not keep it.
        let result = unsafe { libc::fstat(self.native_handle(), stat.as_mut_ptr()) };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: filled in, since the call did not fail.
        let stat = unsafe { stat.assume_init() };
        Ok(FileKind::from_mode(stat.st_mode))
    }

    /// A query of `fcntl` that takes no argument.
    fn fcntl(self, command: c_int) -> io::Result<c_int> {
        // SAFETY: the commands given read flags and touch no memory of ours.
        let result = unsafe { libc::fcntl(self.native_handle(), command) };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(result)
    }
}

impl fmt::Debug for BasicFd<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BasicFd")
            .field(&self.native_handle())
            .finish()
    }
}

impl PartialEq for BasicFd<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.native_handle() == other.native_handle()
    }
}

impl Eq for BasicFd<'_> {}

impl Hash for BasicFd<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.native_handle().hash(state);
    }
}

impl<'fd> From<BorrowedFd<'fd>> for BasicFd<'fd> {
    fn from(fd: BorrowedFd<'fd>) -> Self {
        Self(fd)
    }
}

impl<'fd> From<BasicFd<'fd>> for BorrowedFd<'fd> {
    fn from(fd: BasicFd<'fd>) -> Self {
        fd.0
    }
}

impl AsFd for BasicFd<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0
    }
}

impl AsRawFd for BasicFd<'_> {
    fn as_raw_fd(&self) -> RawFd {
        self.native_handle()
    }
}

/// What a descriptor was opened for: [`BasicFd::access_mode`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccessMode {
    /// To be read.
    ReadOnly,
    /// To be written.
    WriteOnly,
    /// To be read and written.
    ReadWrite,
    /// To be neither read nor written: a place in the file system (`O_PATH`), or device control only.
    Neither,
}

impl AccessMode {
    /// Whether it may be read.
    pub const fn can_read(self) -> bool {
        matches!(self, Self::ReadOnly | Self::ReadWrite)
    }

    /// Whether it may be written.
    pub const fn can_write(self) -> bool {
        matches!(self, Self::WriteOnly | Self::ReadWrite)
    }
}

/// What a file is: [`BasicFd::kind`], [`Metadata::kind`](crate::Metadata::kind).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A pipe, with or without a name.
    Fifo,
    /// A socket.
    Socket,
    /// A character device, such as a terminal.
    CharDevice,
    /// A block device, such as a disk.
    BlockDevice,
    /// Something that has no place in a file system, such as an `eventfd`, an `epoll` or a ring.
    Other,
}

impl FileKind {
    /// The kind that the upper bits of `st_mode` name.
    pub(crate) const fn from_mode(mode: libc::mode_t) -> Self {
        match mode & libc::S_IFMT {
            libc::S_IFREG => Self::File,
            libc::S_IFDIR => Self::Directory,
            libc::S_IFLNK => Self::Symlink,
            libc::S_IFIFO => Self::Fifo,
            libc::S_IFSOCK => Self::Socket,
            libc::S_IFCHR => Self::CharDevice,
            libc::S_IFBLK => Self::BlockDevice,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::os::fd::OwnedFd;
    use std::os::unix::fs::OpenOptionsExt;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn fd(owner: &impl AsFd) -> BasicFd<'_> {
        BasicFd::from(owner.as_fd())
    }

    #[test]
    fn basic_fd_open_file_is_valid_and_equal_to_itself() {
        let file = File::open("/dev/null").expect("open");
        let other = file.try_clone().expect("dup");
        // SAFETY: `file` stays open to the end of the test.
        let raw = unsafe { BasicFd::from_raw(file.as_raw_fd()) };
        assert!(raw.is_valid());
        assert_eq!(raw, fd(&file));
        assert_ne!(raw, fd(&other));
        assert_eq!(raw.native_handle(), file.as_raw_fd());
        assert_eq!(raw.as_fd().as_raw_fd(), file.as_raw_fd());
        assert_eq!(format!("{raw:?}"), format!("BasicFd({})", raw.as_raw_fd()));
    }

    #[test]
    fn basic_fd_placeholder_is_not_valid_and_queries_fail() {
        // SAFETY: the placeholder is not a descriptor that anybody could close or reuse.
        let here = unsafe { BasicFd::from_raw(libc::AT_FDCWD) };
        assert!(!here.is_valid());
        for error in [
            here.access_mode().expect_err("not open"),
            here.is_nonblocking().expect_err("not open"),
            here.kind().expect_err("not open"),
        ] {
            assert_eq!(error.raw_os_error(), Some(libc::EBADF));
        }
    }

    #[test]
    fn basic_fd_access_mode_follows_open() {
        let open = |options: &OpenOptions| options.open("/dev/null").expect("open");
        let mode = |file: &File| fd(file).access_mode().expect("query");
        let read = open(OpenOptions::new().read(true));
        let write = open(OpenOptions::new().write(true));
        let both = open(OpenOptions::new().read(true).write(true));
        let path = open(OpenOptions::new().read(true).custom_flags(libc::O_PATH));
        assert_eq!(mode(&read), AccessMode::ReadOnly);
        assert_eq!(mode(&write), AccessMode::WriteOnly);
        assert_eq!(mode(&both), AccessMode::ReadWrite);
        assert_eq!(mode(&path), AccessMode::Neither);
        assert!(mode(&read).can_read() && !mode(&read).can_write());
        assert!(!mode(&write).can_read() && mode(&write).can_write());
        assert!(mode(&both).can_read() && mode(&both).can_write());
        assert!(!mode(&path).can_read() && !mode(&path).can_write());
    }

    #[test]
    fn basic_fd_is_nonblocking_follows_the_flag() {
        let (left, right) = UnixStream::pair().expect("socketpair");
        assert!(!fd(&left).is_nonblocking().expect("query"));
        left.set_nonblocking(true).expect("set");
        assert!(fd(&left).is_nonblocking().expect("query"));
        assert!(!fd(&right).is_nonblocking().expect("query"));
    }

    #[test]
    fn basic_fd_kind_of_each_file() {
        let kind = |owner: OwnedFd| fd(&owner).kind().expect("query");
        let open = |path: &str| File::open(path).expect("open").into();
        let (pipe, _writer) = io::pipe().expect("pipe");
        let (socket, _peer) = UnixStream::pair().expect("socketpair");
        let file = tempfile::tempfile().expect("temporary file");
        // SAFETY: no pointers.
        let event = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
        assert!(event >= 0, "eventfd");
        // SAFETY: just made, so it is ours.
        let event = unsafe { <OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(event) };
        assert_eq!(kind(file.into()), FileKind::File);
        assert_eq!(kind(open("/")), FileKind::Directory);
        assert_eq!(kind(open("/dev/null")), FileKind::CharDevice);
        assert_eq!(kind(pipe.into()), FileKind::Fifo);
        assert_eq!(kind(socket.into()), FileKind::Socket);
        assert_eq!(kind(event), FileKind::Other);
    }
}

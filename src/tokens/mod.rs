//! Descriptor tokens: copyable values that name an open descriptor for a lifetime, and ask the
//! kernel about it instead of remembering; handles that own one; addresses.

pub(crate) mod cwd;
pub(crate) mod endpoint;
pub(crate) mod fd;
pub(crate) mod file_handle;
pub(crate) mod protocol;
pub(crate) mod socket_config;
pub(crate) mod socket_fd;
pub(crate) mod socket_handle;
pub(crate) mod socket_options;
pub(crate) mod sockopt;

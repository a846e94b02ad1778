//! Which backend `Auto` is.
//!
//! Named, it is that one or an error that says who named it. Otherwise each is made for real, the best
//! first, until one can be. A refusal that concerns the machine rather than the backend (no descriptor
//! left, an option that cannot be) is not passed over: the next one would only fail less clearly.

use std::env;
use std::io;
use std::sync::OnceLock;

use super::{Auto, Inner};
use crate::backend::Backend;
use crate::backend::aio::Aio;
use crate::backend::epoll::Epoll;
use crate::backend::options::Options;
use crate::backend::report::{BackendKind, Refusal};
#[cfg(feature = "sim")]
use crate::backend::sim::Sim;
use crate::backend::uring::Uring;

/// The variable of the environment that names a backend.
const VARIABLE: &str = "SENDIO_BACKEND";

/// From the best to the one that works everywhere.
const ORDER: [BackendKind; 3] = [BackendKind::Uring, BackendKind::Aio, BackendKind::Epoll];

/// The backend for these options.
pub(super) fn choose(options: &Options) -> io::Result<Auto> {
    if let Some(kind) = options.backend {
        return named(kind, "named by the program", options);
    }
    match env::var(VARIABLE) {
        Ok(name) => match parse(&name)? {
            Some(kind) => named(kind, "named by SENDIO_BACKEND", options),
            None => best(options),
        },
        Err(env::VarError::NotPresent) => best(options),
        Err(error) => Err(invalid(format!("{VARIABLE}: {error}"))),
    }
}

/// The backend with this name; `None` for `auto`.
fn parse(name: &str) -> io::Result<Option<BackendKind>> {
    if name.is_empty() || name == "auto" {
        return Ok(None);
    }
    match name.parse() {
        Ok(kind) => Ok(Some(kind)),
        Err(error) => Err(invalid(format!("{VARIABLE}: {error}, or auto"))),
    }
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

/// This backend, or why it cannot be.
fn named(kind: BackendKind, reason: &'static str, options: &Options) -> io::Result<Auto> {
    match make(kind, options) {
        Ok(inner) => Ok(Auto {
            inner,
            reason,
            refused: Vec::new(),
        }),
        // The text is the kernel's, or about an option, and another backend would say the same.
        Err(error) if !is_of_the_backend(&error) => Err(error),
        Err(error) => Err(io::Error::new(
            error.kind(),
            format!("{}, and it is {reason}", Refusal::new(kind, &error)),
        )),
    }
}

/// The first that works.
fn best(options: &Options) -> io::Result<Auto> {
    let mut refused = Vec::new();
    for kind in ORDER {
        let error = match make(kind, options) {
            Ok(inner) => {
                let reason = "the best that works";
                return Ok(Auto {
                    inner,
                    reason,
                    refused,
                });
            }
            Err(error) => error,
        };
        if !is_of_the_backend(&error) {
            return Err(error);
        }
        refused.push(Refusal::new(kind, &error));
    }
    let reasons: Vec<String> = refused.iter().map(ToString::to_string).collect();
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        format!("no backend can be used here: {}", reasons.join("; ")),
    ))
}

/// Whether another backend may do better.
fn is_of_the_backend(error: &io::Error) -> bool {
    match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE) => false,
        Some(_) => true,
        None => error.kind() != io::ErrorKind::InvalidInput,
    }
}

fn make(kind: BackendKind, options: &Options) -> io::Result<Inner> {
    match kind {
        BackendKind::Uring => {
            let ring = Uring::new(options)?;
            lacking(&ring)?;
            Ok(Inner::Uring(ring))
        }
        BackendKind::Epoll => Ok(Inner::Epoll(Epoll::new(options)?)),
        BackendKind::Aio => Ok(Inner::Aio(Aio::new(options)?)),
        #[cfg(feature = "sim")]
        BackendKind::Sim => Ok(Inner::Sim(Sim::new(options)?)),
        #[cfg(not(feature = "sim"))]
        BackendKind::Sim => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this program was built without the feature `sim` of sendio",
        )),
    }
}

/// Fails if the kernel's rings lack an operation that every program needs. That is the same for all
/// rings of a process, so the kernel is asked once.
fn lacking(ring: &Uring) -> io::Result<()> {
    static LACKING: OnceLock<Option<&'static str>> = OnceLock::new();
    match LACKING.get_or_init(|| ring.lacks()) {
        None => Ok(()),
        Some(operation) => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!("the kernel's io_uring cannot {operation}: Linux 5.19 can"),
        )),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn parse_takes_names_auto_and_nothing() {
        assert_eq!(parse("").ok(), Some(None));
        assert_eq!(parse("auto").ok(), Some(None));
        assert_eq!(parse("aio").ok(), Some(Some(BackendKind::Aio)));
        let error = parse("io_uring").expect_err("no name");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let text = error.to_string();
        assert!(
            text.contains(VARIABLE) && text.contains("`io_uring`") && text.contains("uring, aio")
        );
    }

    #[test]
    fn refusals_of_the_machine_are_not_passed_over() {
        let of = |code| is_of_the_backend(&io::Error::from_raw_os_error(code));
        assert!(of(libc::EPERM) && of(libc::ENOSYS) && of(libc::ENOMEM) && of(libc::EAGAIN));
        assert!(!of(libc::EMFILE) && !of(libc::ENFILE));
        assert!(!is_of_the_backend(&invalid("entries".to_owned())));
    }
}

//! Which backend a context runs on, and why not on another one.

use std::fmt;
use std::io;
use std::str::FromStr;

/// The backends of this library, by name.
///
/// # Examples
///
/// ```
/// use sendio::BackendKind;
///
/// assert_eq!("epoll".parse(), Ok(BackendKind::Epoll));
/// assert_eq!(BackendKind::Uring.to_string(), "uring");
/// let error = "kqueue".parse::<BackendKind>().unwrap_err();
/// assert!(error.to_string().contains("uring, aio, epoll or sim"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BackendKind {
    /// io_uring.
    Uring,
    /// Linux AIO for files opened with `O_DIRECT`, readiness and threads for the rest.
    Aio,
    /// epoll and calls that do not block, with threads for files.
    Epoll,
    /// The simulator; with the feature `sim`.
    Sim,
}

impl BackendKind {
    /// The name, as in `SENDIO_BACKEND`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uring => "uring",
            Self::Aio => "aio",
            Self::Epoll => "epoll",
            Self::Sim => "sim",
        }
    }
}

impl fmt::Display for BackendKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A text is no name of a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseBackendError {
    text: String,
}

impl fmt::Display for ParseBackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no backend: use uring, aio, epoll or sim",
            self.text
        )
    }
}

impl std::error::Error for ParseBackendError {}

impl FromStr for BackendKind {
    type Err = ParseBackendError;

    fn from_str(text: &str) -> Result<Self, ParseBackendError> {
        [Self::Uring, Self::Aio, Self::Epoll, Self::Sim]
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| ParseBackendError {
                text: text.to_owned(),
            })
    }
}

/// Which backend a context runs on, what it found, and which were refused before it and why.
///
/// It is for people: [`Display`](fmt::Display) is a few lines.
///
/// # Examples
///
/// ```
/// use sendio::IoContext;
///
/// let ctx = IoContext::new()?;
/// println!("{}", ctx.backend_report());
/// assert!(!ctx.backend_report().name().is_empty());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct BackendReport {
    name: &'static str,
    kind: Option<BackendKind>,
    details: String,
    reason: &'static str,
    refused: Vec<Refusal>,
}

/// A backend that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    kind: BackendKind,
    code: Option<i32>,
    why: String,
}

impl Refusal {
    pub(crate) fn new(kind: BackendKind, error: &io::Error) -> Self {
        Self {
            kind,
            code: error.raw_os_error(),
            why: error.to_string(),
        }
    }

    /// Which backend it was.
    #[must_use]
    pub const fn kind(&self) -> BackendKind {
        self.kind
    }

    /// The kernel's error number, if that was it.
    #[must_use]
    pub const fn raw_os_error(&self) -> Option<i32> {
        self.code
    }

    /// Why, as a text.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be used: {}", self.kind, self.why)
    }
}

impl BackendReport {
    /// The report of one of this library's backends. `details` is what it found, for people.
    pub(crate) fn new(kind: BackendKind, details: String) -> Self {
        Self {
            name: kind.name(),
            kind: Some(kind),
            details,
            reason: "named by the program",
            refused: Vec::new(),
        }
    }

    /// The report of a backend of somebody else: the name of its type.
    pub fn of_type<B>() -> Self {
        let path = std::any::type_name::<B>();
        Self {
            name: path.rsplit("::").next().unwrap_or(path),
            kind: None,
            details: String::new(),
            reason: "named by the program",
            refused: Vec::new(),
        }
    }

    /// Adds what the backend found, for people.
    pub fn with_details(mut self, details: impl Into<String>) -> Self {
        self.details = details.into();
        self
    }

    pub(crate) fn chosen(mut self, reason: &'static str, refused: Vec<Refusal>) -> Self {
        self.reason = reason;
        self.refused = refused;
        self
    }

    /// The name of the backend.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Which backend of this library it is, if it is one.
    #[must_use]
    pub const fn kind(&self) -> Option<BackendKind> {
        self.kind
    }

    /// The backends that were tried before it, and why they could not be used.
    #[must_use]
    pub fn refused(&self) -> &[Refusal] {
        &self.refused
    }
}

impl fmt::Display for BackendReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "backend {}, {}", self.name, self.reason)?;
        if !self.details.is_empty() {
            write!(f, ": {}", self.details)?;
        }
        for refusal in &self.refused {
            write!(f, "\n  {refusal}")?;
        }
        Ok(())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn report_says_what_was_refused_and_why() {
        let error = io::Error::from_raw_os_error(libc::EPERM);
        let refused = vec![Refusal::new(BackendKind::Uring, &error)];
        let report = BackendReport::new(BackendKind::Aio, "room for 128".to_owned())
            .chosen("the first that works", refused);
        assert_eq!(report.kind(), Some(BackendKind::Aio));
        assert_eq!(report.refused()[0].raw_os_error(), Some(libc::EPERM));
        let text = report.to_string();
        assert_eq!(
            text,
            "backend aio, the first that works: room for 128\n  uring cannot be used: Operation not \
             permitted (os error 1)"
        );
    }

    #[test]
    fn report_of_type_is_its_last_name() {
        struct Mine;
        let report = BackendReport::of_type::<Mine>().with_details("two queues");
        assert_eq!((report.name(), report.kind()), ("Mine", None));
        assert!(report.to_string().contains("two queues"));
    }

    #[test]
    fn kind_names_and_parses() {
        for name in ["uring", "aio", "epoll", "sim"] {
            assert_eq!(name.parse::<BackendKind>().map(BackendKind::name), Ok(name));
        }
        assert!("".parse::<BackendKind>().is_err());
        assert!("Epoll".parse::<BackendKind>().is_err());
    }
}

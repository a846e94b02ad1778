//! What surrounds the copy: arguments, the source, an output that appears when it is complete, and
//! progress.
#![expect(
    clippy::print_stdout,
    reason = "the summary line is the program's output"
)]
#![expect(clippy::print_stderr, reason = "errors go to stderr, one line each")]

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use sendio::StopSource;

use backend::BackendArgs;

#[path = "../common/backend.rs"]
mod backend;

/// What direct I/O wants buffers, offsets and lengths to be multiples of.
const ALIGN: usize = 4096;
/// The most memory that the buffers of a copy may take together.
const MEMORY_MAX: u64 = 4 << 30;

/// Copies a file with many blocks in flight.
#[derive(Parser)]
pub(crate) struct Args {
    /// How many blocks are in flight
    #[arg(long, default_value_t = 8)]
    pub(crate) depth: usize,
    /// Bytes in a block
    #[arg(long, default_value_t = 256 * 1024)]
    pub(crate) block: u64,
    /// Bypass the page cache (O_DIRECT)
    #[arg(long)]
    pub(crate) direct: bool,
    /// Wait until the copy is on the device
    #[arg(long)]
    pub(crate) sync: bool,
    #[command(flatten)]
    pub(crate) backend: BackendArgs,
    /// The file to copy
    source: PathBuf,
    /// The file to make of it
    target: PathBuf,
}

impl Args {
    /// The unit of transfers.
    pub(crate) fn align(&self) -> usize {
        if self.direct { ALIGN } else { 1 }
    }

    fn check(&self) -> io::Result<()> {
        let complain = |text: String| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        if self.depth == 0 {
            return complain("--depth must be at least 1".into());
        }
        if self.block == 0 {
            return complain("--block must be at least 1 byte".into());
        }
        if self.direct && !self.block.is_multiple_of(ALIGN as u64) {
            return complain(format!(
                "--block must be a multiple of {ALIGN} with --direct"
            ));
        }
        match self.block.checked_mul(self.depth as u64) {
            Some(bytes) if bytes <= MEMORY_MAX => Ok(()),
            _ => complain(format!(
                "--depth {} times --block {} is more than {MEMORY_MAX} bytes of buffers",
                self.depth, self.block
            )),
        }
    }
}

/// Adds what was being done to an error.
fn at(path: &Path) -> impl Fn(io::Error) -> io::Error + '_ {
    move |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// The source, and its length if it is a regular file.
pub(crate) fn open_source(args: &Args) -> io::Result<(File, Option<u64>)> {
    let at = at(&args.source);
    let metadata = fs::metadata(&args.source).map_err(&at)?;
    if metadata.is_dir() {
        return Err(at(io::Error::from(io::ErrorKind::IsADirectory)));
    }
    let flags = if args.direct && metadata.is_file() {
        libc::O_DIRECT
    } else {
        0
    };
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(&args.source)
        .map_err(&at)?;
    // Some regular files (in /proc, say) have content but no length; they are read as streams.
    let len = (metadata.is_file() && (metadata.len() > 0 || metadata.blocks() > 0))
        .then_some(metadata.len());
    Ok((file, len))
}

/// The output: a file beside the target that takes its name when it is complete, and is removed if
/// that never happens; or the target itself, if it is a device or a pipe.
pub(crate) struct Output {
    file: File,
    unfinished: Option<PathBuf>,
    target: PathBuf,
    source_mode: u32,
}

impl Output {
    pub(crate) fn create(args: &Args, source: &File) -> io::Result<Self> {
        // What a link points to is what is replaced, as with any other copy.
        let target = fs::canonicalize(&args.target).unwrap_or_else(|_| args.target.clone());
        let at = at(&args.target);
        let source = source.metadata()?;
        let existing = fs::metadata(&target).ok();
        if let Some(existing) = &existing {
            if existing.is_dir() {
                return Err(at(io::Error::from(io::ErrorKind::IsADirectory)));
            }
            if existing.dev() == source.dev() && existing.ino() == source.ino() {
                let text = "source and destination are the same file";
                return Err(at(io::Error::new(io::ErrorKind::InvalidInput, text)));
            }
            if !existing.is_file() {
                let file = OpenOptions::new().write(true).open(&target).map_err(&at)?;
                return Ok(Self {
                    file,
                    unfinished: None,
                    target,
                    source_mode: source.mode(),
                });
            }
            // A file that may not be written must not be replaced either.
            OpenOptions::new().write(true).open(&target).map_err(&at)?;
        }
        let name = target
            .file_name()
            .ok_or_else(|| at(io::ErrorKind::InvalidFilename.into()))?;
        let unfinished =
            target.with_file_name(format!(".{}.{}.part", name.display(), std::process::id()));
        let direct = if args.direct && source.is_file() {
            libc::O_DIRECT
        } else {
            0
        };
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(direct)
            .open(&unfinished)
            .map_err(&at)?;
        Ok(Self {
            file,
            unfinished: Some(unfinished),
            target,
            source_mode: source.mode(),
        })
    }

    pub(crate) fn is_regular(&self) -> bool {
        self.unfinished.is_some()
    }

    /// Gives the complete copy its mode and its name.
    pub(crate) fn publish(mut self) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        if let Some(unfinished) = &self.unfinished {
            let mode = fs::Permissions::from_mode(self.source_mode & 0o7777);
            self.file.set_permissions(mode).map_err(at(&self.target))?;
            fs::rename(unfinished, &self.target).map_err(at(&self.target))?;
            self.unfinished = None;
        }
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some(unfinished) = &self.unfinished {
            let _ = fs::remove_file(unfinished);
        }
    }
}

impl AsFd for Output {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// A buffer with a block that direct I/O accepts: the bytes, and where the block begins in them.
pub(crate) fn aligned_buffer(block: u64) -> (Vec<u8>, usize) {
    let block = usize::try_from(block).expect("checked against the memory limit");
    let bytes = vec![0; block + ALIGN];
    let start = bytes.as_ptr().align_offset(ALIGN);
    (bytes, start)
}

/// Complains if a block came short: then the source was cut while it was copied.
pub(crate) fn enough(n: usize, len: usize) -> io::Result<()> {
    if n < len {
        let text = "the source became shorter while it was copied";
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
    }
    Ok(())
}

/// Counts bytes, and draws a bar if stderr is a terminal.
pub(crate) struct Progress {
    bar: ProgressBar,
    begin: Instant,
}

impl Progress {
    pub(crate) fn new(len: Option<u64>) -> Self {
        let bar = len.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let style = "{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        bar.set_style(
            ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        Self {
            bar,
            begin: Instant::now(),
        }
    }

    pub(crate) fn add(&self, bytes: usize) {
        self.bar.inc(bytes as u64);
    }

    fn summary(&self) -> String {
        self.bar.finish_and_clear();
        let (bytes, seconds) = (self.bar.position(), self.begin.elapsed().as_secs_f64());
        let rate = bytes as f64 / seconds.max(1e-9) / 1e6;
        format!("{bytes} bytes in {seconds:.3} s, {rate:.1} MB/s")
    }
}

/// Parses, copies, and reports: one line on stdout for a copy, one on stderr for an error.
pub(crate) fn run(
    stop: &'static StopSource,
    copy: fn(&Args) -> io::Result<Option<Progress>>,
) -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) if !error.use_stderr() => error.exit(),
        Err(error) => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or("wrong arguments");
            eprintln!("cp: {}", line.trim_start_matches("error: "));
            return ExitCode::FAILURE;
        }
    };
    let copied = args
        .check()
        .and_then(|()| ctrlc::set_handler(|| _ = stop.request_stop()).map_err(io::Error::other))
        .and_then(|()| copy(&args));
    match copied {
        Ok(Some(progress)) => {
            println!("{}", progress.summary());
            ExitCode::SUCCESS
        }
        Ok(None) => {
            eprintln!("cp: stopped");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("cp: {error}");
            ExitCode::FAILURE
        }
    }
}

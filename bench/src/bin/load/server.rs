//! The server under load: a child process that obeys lines on its stdin.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use sendio_bench::args::Args;
use sendio_bench::contender::Failure;

/// How long a run may take; then the server is killed, which ends every wait for it.
const LIMIT: Duration = Duration::from_secs(240);

/// Why there is no result.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The server ended before it listened, with this status.
    Ended(u8),
    Failure(Failure),
}

impl<F: Into<Failure>> From<F> for Refused {
    fn from(failure: F) -> Self {
        Self::Failure(failure.into())
    }
}

/// A server that listens.
pub(crate) struct Server {
    process: Arc<Mutex<Child>>,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    port: u16,
    has_quit: bool,
    /// Tells the thread that watches the time that there is nothing to watch.
    _over: mpsc::Sender<()>,
}

impl Server {
    /// Starts `command` with the options of `args` that concern a server.
    pub(crate) fn start(args: &Args, command: &[String]) -> Result<Self, Refused> {
        let mut child = Command::new(&command[0])
            .args(&command[1..])
            .args(server_words(args))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(Failure::from)?;
        let pipes = (child.stdin.take(), child.stdout.take());
        let (Some(commands), Some(answers)) = pipes else {
            return Err(Failure::from(io::Error::other("the server has no pipes")).into());
        };
        let (over, watched) = mpsc::channel();
        let process = Arc::new(Mutex::new(child));
        let mut server = Self {
            process: Arc::clone(&process),
            commands,
            answers: BufReader::new(answers),
            port: 0,
            has_quit: false,
            _over: over,
        };
        thread::spawn(move || {
            if watched.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
                // It may have ended meanwhile.
                drop(lock(&process).kill());
            }
        });
        match server.answer().map_err(Failure::from)? {
            Some(line) => server.port = port(&line).map_err(Failure::from)?,
            None => return Err(server.ended()),
        }
        Ok(server)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Gives one command and answers with its answer.
    pub(crate) fn ask(&mut self, command: &str) -> io::Result<String> {
        writeln!(self.commands, "{command}")?;
        let gone = || io::Error::other(format!("the server ended, asked to {command:?}"));
        self.answer()?.ok_or_else(gone)
    }

    /// Gives one command that has only one answer.
    pub(crate) fn expect(&mut self, command: &str, answer: &str) -> io::Result<()> {
        let answered = self.ask(command)?;
        if answered == answer {
            return Ok(());
        }
        let what = format!("the server answers {command:?} with {answered:?}");
        Err(io::Error::other(what))
    }

    /// Ends it, once; an error if it fails in its last moment.
    pub(crate) fn quit(&mut self) -> io::Result<()> {
        if self.has_quit {
            return Ok(());
        }
        self.has_quit = true;
        writeln!(self.commands, "quit")?;
        while self.answer()?.is_some() {}
        let status = lock(&self.process).wait()?;
        if status.success() {
            return Ok(());
        }
        Err(io::Error::other(format!("the server ended with {status}")))
    }

    /// The next line that is not empty; `None` at the end.
    fn answer(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        while line.trim().is_empty() {
            line.clear();
            if self.answers.read_line(&mut line)? == 0 {
                return Ok(None);
            }
        }
        Ok(Some(line.trim().to_owned()))
    }

    fn ended(&self) -> Refused {
        match lock(&self.process).wait() {
            Ok(status) => {
                let code = status.code().and_then(|code| u8::try_from(code).ok());
                Refused::Ended(code.filter(|code| *code != 0).unwrap_or(1))
            }
            Err(error) => Refused::Failure(error.into()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut process = lock(&self.process);
        // After `quit` both have been done.
        drop(process.kill());
        drop(process.wait());
    }
}

fn lock(process: &Mutex<Child>) -> MutexGuard<'_, Child> {
    process.lock().unwrap_or_else(PoisonError::into_inner)
}

fn port(line: &str) -> io::Result<u16> {
    line.strip_prefix("READY ")
        .and_then(|port| port.parse().ok())
        .ok_or_else(|| io::Error::other(format!("the server begins with {line:?}")))
}

fn server_words(args: &Args) -> Vec<String> {
    let workload = match args.workload.as_str() {
        "idle" => "tcp-echo",
        other => other,
    };
    let mut words = vec![workload.to_owned()];
    let mut option = |name: &str, value: String| words.extend([name.to_owned(), value]);
    option("--size", args.size.to_string());
    option("--buf", args.buf.to_string());
    if let Some(cpu) = args.cpu {
        option("--cpu", cpu.to_string());
    }
    if !args.variant.is_empty() {
        option("--variant", args.variant.clone());
    }
    words
}

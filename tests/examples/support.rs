//! Starts an example as a process and ends it, and clients for it.
//!
//! Whoever runs all tests builds the examples too. If only this binary was asked for, they are built
//! here, with the profile and the target that this binary has.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime};

use crate::common::wait::{PATIENCE, soon, wait_until};

/// The program of an example, built from the sources that are there now.
fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("the path of this program");
    let profile = own
        .parent()
        .and_then(Path::parent)
        .expect("target/PROFILE/deps");
    let program = profile.join("examples").join(name);
    let built = fs::metadata(&program).and_then(|file| file.modified());
    if built.is_ok_and(|built| built >= newest_source()) {
        return program;
    }
    let last = |path: &Path| {
        path.file_name()
            .map(|name| name.to_string_lossy().into_owned())
    };
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--example", name]);
    match last(profile).as_deref() {
        Some("debug") => {}
        Some(profile) => _ = cargo.args(["--profile", profile]),
        None => unreachable!("a profile has a name"),
    }
    let mut target = profile.parent().expect("target/PROFILE");
    if let Some(triple) = last(target).filter(|name| name.contains("-linux-")) {
        cargo.args(["--target", &triple]);
        target = target.parent().expect("target/TRIPLE");
    }
    cargo.arg("--target-dir").arg(target);
    let status = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status();
    assert!(status.expect("cargo runs").success(), "{cargo:?}");
    program
}

/// When a source file of the examples or of the crate was last changed.
fn newest_source() -> SystemTime {
    fn newest(dir: &Path) -> SystemTime {
        let entries = fs::read_dir(dir).expect("a directory of sources");
        let times = entries.map(|entry| {
            let entry = entry.expect("an entry");
            let metadata = entry.metadata().expect("its metadata");
            match metadata.is_dir() {
                true => newest(&entry.path()),
                false => metadata.modified().expect("a time"),
            }
        });
        times.max().unwrap_or(SystemTime::UNIX_EPOCH)
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    newest(&root.join("examples")).max(newest(&root.join("src")))
}

/// An example that serves; ended with the test.
pub(crate) struct Server {
    child: Child,
    /// What it listens on.
    pub(crate) address: String,
}

impl Server {
    /// Starts the example `name`, and waits until it listens.
    pub(crate) fn start(name: &str, args: &[&str]) -> Self {
        let mut command = Command::new(program(name));
        command.args(args);
        Self::spawn(command)
    }

    /// Starts it with room for `files` descriptors.
    pub(crate) fn start_with_few_files(name: &str, files: u32, args: &[&str]) -> Self {
        let mut command = Command::new("sh");
        let script = format!(r#"ulimit -n {files} && exec "$0" "$@""#);
        command.arg("-c").arg(script).arg(program(name)).args(args);
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let stdout = child.stdout.take().expect("its output is a pipe");
        let (lines, line) = mpsc::channel();
        thread::spawn(move || {
            // Whoever waited in vain does not take it.
            _ = BufReader::new(stdout)
                .lines()
                .try_for_each(|line| lines.send(line));
        });
        let mut this = Self {
            child,
            address: String::new(),
        };
        let line = line
            .recv_timeout(PATIENCE)
            .expect("it says where it listens");
        let line = line.expect("text");
        let address = line
            .strip_prefix("listening on ")
            .expect("where it listens");
        address.clone_into(&mut this.address);
        this
    }

    /// A client.
    pub(crate) fn connect(&self) -> TcpStream {
        client(&self.address).expect("it listens")
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// Stops it until `go_on`: what comes meanwhile waits for it in the kernel.
    pub(crate) fn pause(&self) {
        self.signal("STOP");
        let stat = format!("/proc/{}/stat", self.child.id());
        wait_until(soon(), "it has stopped", || {
            // proc_pid_stat(5): its state comes after its name.
            let stat = fs::read_to_string(&stat).expect("it is there");
            let (_, state) = stat.rsplit_once(") ").expect("a name");
            state.starts_with('T')
        });
    }

    /// Lets it run again.
    pub(crate) fn go_on(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &kill]).status();
        assert!(status.expect("a shell").success());
    }

    /// Waits until it has noticed that it shall end: until nobody listens.
    pub(crate) fn wait_until_closing(&self) {
        wait_until(soon(), "nobody listens", || client(&self.address).is_err());
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until(soon(), "it has ended", || {
            status = self.child.try_wait().expect("a child");
            status.is_some()
        });
        status.expect("it has ended")
    }

    /// Asks it to end, and expects that it does so with success.
    pub(crate) fn end(mut self) {
        self.terminate();
        let status = self.wait();
        assert!(status.success(), "{status}");
    }

    /// How many descriptors it has.
    pub(crate) fn files(&self) -> usize {
        let files = fs::read_dir(format!("/proc/{}/fd", self.child.id()));
        files.expect("it runs").count()
    }

    /// How many of them are sockets. Other ones may still come while its threads begin.
    pub(crate) fn sockets(&self) -> usize {
        let files = fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("it runs");
        files
            .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
            .filter(|target| target.to_string_lossy().starts_with("socket:"))
            .count()
    }

    /// How many bytes of memory it uses.
    pub(crate) fn memory(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("it runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<usize>().ok());
        1024 * kibibytes.expect("proc_pid_status(5) has it")
    }

    /// How long its threads ran, or wanted to: on a busy machine they may have to wait.
    pub(crate) fn busy_time(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("it runs");
        let nanos = tasks.map(|task| {
            let task = task.expect("a thread").path();
            let stat = fs::read_to_string(task.join("schedstat")).expect("its times");
            // Documentation/scheduler/sched-stats.rst: running, waiting to run, how often.
            let fields = stat.split_whitespace().take(2);
            let fields = fields.map(|field| field.parse::<u64>().expect("a number"));
            fields.sum::<u64>()
        });
        Duration::from_nanos(nanos.sum())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Without effect if it has ended.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Runs an example that must refuse: exit code 1, and this line on stderr.
pub(crate) fn refuses(name: &str, args: &[&str]) -> String {
    let output = Command::new(program(name)).args(args).output();
    let output = output.expect("it starts");
    assert_eq!(output.status.code(), Some(1), "{args:?}");
    assert_eq!(output.stdout, b"", "{args:?}");
    let text = String::from_utf8(output.stderr).expect("text");
    assert_eq!(text.lines().count(), 1, "{args:?}: {text}");
    text
}

/// A client that does not wait for ever.
pub(crate) fn client(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    patient(&stream);
    Ok(stream)
}

/// Bounds how long a socket waits.
pub(crate) fn patient(stream: &TcpStream) {
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    stream.set_write_timeout(Some(PATIENCE)).expect("a socket");
}

/// Bytes of which each place has its own.
pub(crate) fn pattern(len: usize, seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[1]
    };
    (0..len).map(step).collect()
}

/// Sends a message and expects it back.
pub(crate) fn ping(mut stream: &TcpStream, message: &[u8]) {
    stream.write_all(message).expect("it takes a message");
    let mut answer = vec![0; message.len()];
    stream.read_exact(&mut answer).expect("it answers");
    assert!(answer == message, "another message came back");
}

/// Sends all of `bytes` and the end, while it receives until the end.
pub(crate) fn exchange(stream: &TcpStream, bytes: &[u8]) -> Vec<u8> {
    thread::scope(|threads| {
        threads.spawn(|| {
            let mut writer = stream;
            writer.write_all(bytes).expect("it takes the bytes");
            writer.shutdown(Shutdown::Write).expect("connected");
        });
        read_all(stream).expect("it answers to the end")
    })
}

/// Receives until the end.
pub(crate) fn read_all(mut stream: &TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Makes closing the socket a reset.
pub(crate) fn reset(stream: TcpStream) {
    use sendio::SocketOptions;
    use std::os::fd::AsFd;
    let socket: sendio::SocketFd<'_> = stream.as_fd().into();
    socket.set_linger(Some(Duration::ZERO)).expect("a socket");
    drop(stream);
}

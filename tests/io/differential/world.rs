//! What a program of the differential test acts on, and what it says about each step.

use std::fmt::Debug;
use std::fs;
use std::io::{self, PipeReader, PipeWriter};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use sendio::prelude::*;
use sendio::{BackendKind, MsgFlags, PollEvents, SendSender, TcpStream};
use tempfile::TempDir;

use super::super::common::files::{pattern, temp_dir};
use super::super::sockets::{tcp_listener, tcp_pair, unix_pair};
use super::{Link, Step};

/// What a socket or a pipe has room for without waiting.
const ROOM: usize = 4096;

/// One run: a context on a backend, and its own files and sockets.
pub(super) struct World {
    ctx: IoContext,
    dir: TempDir,
    file: Option<OwnedFd>,
    pipe: (PipeReader, PipeWriter),
    in_pipe: usize,
    unix: Pair,
    tcp: Pair,
    listener: TcpListener,
    refusing: SocketAddr,
    written: u64,
}

/// Two connected sockets: the far one sends, the near one receives.
struct Pair {
    near: OwnedFd,
    far: OwnedFd,
    waiting: usize,
    ended: bool,
}

impl Pair {
    fn new(near: impl Into<OwnedFd>, far: impl Into<OwnedFd>) -> Self {
        Self {
            near: near.into(),
            far: far.into(),
            waiting: 0,
            ended: false,
        }
    }
}

/// How a step ended, the same for equal endings on every backend.
fn told<T: Debug>(result: io::Result<Option<T>>) -> String {
    match result {
        Ok(Some(value)) => format!("{value:?}"),
        Ok(None) => "stopped".to_owned(),
        Err(error) => format!("{:?}: {error}", error.kind()),
    }
}

/// A short name for bytes.
fn sum(bytes: &[u8]) -> u64 {
    let step = |sum: u64, byte: &u8| sum.wrapping_mul(31).wrapping_add(u64::from(*byte));
    bytes.iter().fold(bytes.len() as u64, step)
}

fn read<B: AsRef<[u8]>>((n, bytes): (usize, B)) -> (usize, u64) {
    (n, sum(&bytes.as_ref()[..n]))
}

impl World {
    pub(super) fn new(kind: BackendKind) -> Self {
        let ctx = IoContext::builder().backend(kind).build();
        let listener = tcp_listener();
        let closed = tcp_listener();
        let refusing = closed.local_addr().expect("address");
        let (unix, tcp) = (unix_pair(), tcp_pair());
        Self {
            ctx: ctx.expect("a context"),
            dir: temp_dir(),
            file: None,
            pipe: io::pipe().expect("a pipe"),
            in_pipe: 0,
            unix: Pair::new(unix.0, unix.1),
            tcp: Pair::new(tcp.0, tcp.1),
            listener,
            refusing,
            written: 0,
        }
    }

    /// The tree of files, in the end.
    pub(super) fn files(&self) -> String {
        let entries = fs::read_dir(self.dir.path()).expect("the directory");
        let mut told: Vec<_> = entries
            .map(|entry| {
                let path = entry.expect("an entry").path();
                let bytes = fs::read(&path).ok();
                (
                    path.file_name().map(ToOwned::to_owned),
                    bytes.map(|bytes| sum(&bytes)),
                )
            })
            .collect();
        told.sort();
        format!("{told:?}")
    }

    fn path(&self, name: u8) -> PathBuf {
        self.dir.path().join(format!("file-{name}"))
    }

    fn pair(&self, on: Link) -> &Pair {
        match on {
            Link::Unix => &self.unix,
            Link::Tcp => &self.tcp,
        }
    }

    fn run<T: Debug, S>(&self, sender: S) -> String
    where
        S: SendSender + Sender<Value = T, Error = io::Error>,
    {
        told(self.ctx.block_on(sender))
    }

    /// Bytes that were not written before.
    fn bytes(&mut self, len: usize) -> Vec<u8> {
        self.written += 1;
        pattern(self.written, 0, len)
    }

    /// Does a step, and says how it ended.
    pub(super) fn take(&mut self, step: &Step) -> String {
        match *step {
            Step::PipeWrite { .. } | Step::PipeRead { .. } => self.take_pipe(step),
            Step::Send { on, .. }
            | Step::Recv { on, .. }
            | Step::Shutdown { on, .. }
            | Step::Poll { on, .. } => self.take_socket(step, on),
            Step::RecvStopped { on } => self.take_exchange(step, self.pair(on), &[]),
            Step::Exchange { len, on } => {
                let bytes = self.bytes(len.into());
                self.take_exchange(step, self.pair(on), &bytes)
            }
            Step::AcceptConnect | Step::ConnectRefused | Step::Misuse { .. } => self.take_odd(step),
            Step::Metadata { .. }
            | Step::Rename { .. }
            | Step::Unlink { .. }
            | Step::Mkdir { .. }
            | Step::Rmdir { .. } => self.take_path(step),
            Step::Open { name, how } => self.open(name, how),
            _ => self.take_file(step),
        }
    }

    fn open(&mut self, name: u8, how: u8) -> String {
        let options = match how {
            0 => OpenOptions::new().read(true),
            1 => OpenOptions::new().read(true).write(true).create(true),
            2 => OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true),
            3 => OpenOptions::new().read(true).write(true).create_new(true),
            4 => OpenOptions::new().read(true).append(true).create(true),
            _ => OpenOptions::new().write(true),
        };
        let opened = self
            .ctx
            .block_on(self.ctx.scheduler().open(self.path(name), options));
        let opened = opened.map(|file| file.map(OwnedFd::from));
        let told = told(
            opened
                .as_ref()
                .map(|_| Some("opened"))
                .map_err(|error| io::Error::new(error.kind(), error.to_string())),
        );
        if let Ok(Some(file)) = opened {
            self.file = Some(file);
        }
        told
    }

    fn take_file(&mut self, step: &Step) -> String {
        let new = self.bytes(match *step {
            Step::WriteAt { len, .. } | Step::WriteSome { len } | Step::Writev { len, .. } => {
                usize::from(len)
            }
            _ => 0,
        });
        let Some(file) = &self.file else {
            return "no file".to_owned();
        };
        let io = self.ctx.scheduler();
        match *step {
            Step::ReadAt { at, len } => {
                self.run(io.read_at(file, vec![0; len.into()], at.into()).then(read))
            }
            Step::ReadExactAt { at, len } => {
                let whole = io.read_exact_at(file, vec![0; len.into()], at.into());
                self.run(whole.then(|bytes| sum(&bytes)))
            }
            Step::ReadSome { len } => self.run(io.read_some(file, vec![0; len.into()]).then(read)),
            Step::Readv { at, len } => {
                let halves = [vec![0; usize::from(len) / 2], vec![0; usize::from(len) / 3]];
                let halves = halves.map(Vec::into_boxed_slice);
                let both = io.readv_at(file, halves, at.into());
                self.run(both.then(|(n, halves)| (n, sum(&halves.concat()[..n]))))
            }
            Step::WriteAt { at, .. } => {
                self.run(io.write_at(file, new, at.into()).then(|(n, _)| n))
            }
            Step::WriteSome { .. } => self.run(io.write_some(file, new).then(|(n, _)| n)),
            Step::Writev { at, .. } => {
                let halves = new.split_at(new.len() / 3);
                self.run(
                    io.writev_at(file, [halves.0, halves.1], at.into())
                        .then(|(n, _)| n),
                )
            }
            Step::Ftruncate { len } => self.run(io.ftruncate(file, len.into())),
            Step::Fallocate { at, len } => self.run(io.fallocate(file, 0, at.into(), len.into())),
            Step::Sync { data: true } => self.run(io.fdatasync(file)),
            _ => self.run(io.fsync(file)),
        }
    }

    fn take_path(&self, step: &Step) -> String {
        let io = self.ctx.scheduler();
        match *step {
            Step::Metadata { name } => {
                let metadata = io.metadata_of(self.path(name));
                self.run(metadata.then(|metadata| {
                    let len = metadata.is_file().then(|| metadata.size());
                    (metadata.kind(), metadata.permissions(), len)
                }))
            }
            Step::Rename {
                from,
                to,
                replace: true,
            } => self.run(io.rename(self.path(from), self.path(to))),
            Step::Rename { from, to, .. } => {
                self.run(io.rename_noreplace(self.path(from), self.path(to)))
            }
            Step::Unlink { name } => self.run(io.unlink(self.path(name))),
            Step::Mkdir { name } => self.run(io.mkdir(self.path(name), 0o755)),
            Step::Rmdir { name } => self.run(io.rmdir(self.path(name))),
            _ => unreachable!("a step on paths"),
        }
    }

    fn take_pipe(&mut self, step: &Step) -> String {
        match *step {
            Step::PipeWrite { len } => {
                let len = usize::from(len).min(ROOM - self.in_pipe);
                let bytes = self.bytes(len);
                self.in_pipe += len;
                self.run(
                    self.ctx
                        .scheduler()
                        .write_all(&self.pipe.1, bytes)
                        .then(|bytes| bytes.len()),
                )
            }
            Step::PipeRead { len } if self.in_pipe > 0 => {
                let taken = usize::from(len).min(self.in_pipe);
                self.in_pipe -= taken;
                self.run(
                    self.ctx
                        .scheduler()
                        .read_some(&self.pipe.0, vec![0; len.into()])
                        .then(read),
                )
            }
            _ => {
                let io = self.ctx.scheduler();
                let stop = StopSource::new();
                let read = io
                    .read_some(&self.pipe.0, [0; 8])
                    .with_stop_token(stop.token());
                let soon = io.schedule().then(|()| stop.request_stop());
                self.run(when_all((read.stopped_as_optional(), soon)))
            }
        }
    }

    fn take_socket(&mut self, step: &Step, on: Link) -> String {
        let bytes = self.bytes(match *step {
            Step::Send { len, .. } => len.into(),
            _ => 0,
        });
        let io = self.ctx.scheduler();
        let pair = match on {
            Link::Unix => &mut self.unix,
            Link::Tcp => &mut self.tcp,
        };
        match *step {
            Step::Send { .. } => {
                let bytes = &bytes[..bytes.len().min(ROOM - pair.waiting)];
                let sent = self
                    .ctx
                    .block_on(io.send_all(&pair.far, bytes).then(<[u8]>::len));
                pair.waiting += sent.as_ref().ok().copied().flatten().unwrap_or(0);
                told(sent)
            }
            Step::Recv { len, flags, .. } => {
                let ready = pair.waiting > 0 || pair.ended;
                let flags = match flags {
                    0 if ready => MsgFlags::NONE,
                    1 => MsgFlags::PEEK | MsgFlags::DONTWAIT,
                    _ => MsgFlags::DONTWAIT,
                };
                let taken = if flags == (MsgFlags::PEEK | MsgFlags::DONTWAIT) {
                    0
                } else {
                    len
                };
                let received =
                    self.ctx
                        .block_on(io.recv_with(&pair.near, vec![0; len.into()], flags));
                pair.waiting -= usize::from(taken).min(pair.waiting);
                told(received.map(|value| value.map(read)))
            }
            Step::Shutdown { how, .. } => {
                pair.ended |= how > 0;
                let how = match how {
                    0 => std::net::Shutdown::Read,
                    1 => std::net::Shutdown::Write,
                    _ => std::net::Shutdown::Both,
                };
                told(self.ctx.block_on(io.shutdown(&pair.far, how)))
            }
            Step::Poll { events, .. } => {
                let events = match events {
                    0 if pair.waiting > 0 || pair.ended => PollEvents::IN,
                    _ => PollEvents::OUT,
                };
                told(self.ctx.block_on(io.poll(&pair.near, events)))
            }
            _ => "nothing".to_owned(),
        }
    }

    /// Steps in which both ends take part, or nobody sends.
    fn take_exchange(&self, step: &Step, pair: &Pair, bytes: &[u8]) -> String {
        let io = self.ctx.scheduler();
        match *step {
            Step::RecvStopped { .. } if pair.waiting == 0 => {
                let stop = StopSource::new();
                let recv = io
                    .recv_exact(&pair.near, [0; 8])
                    .with_stop_token(stop.token());
                let soon = io.schedule().then(|()| stop.request_stop());
                told(
                    self.ctx
                        .block_on(when_all((recv.stopped_as_optional(), soon))),
                )
            }
            Step::Exchange { .. } if pair.waiting == 0 && !pair.ended => {
                let recv = io.recv_exact(&pair.near, vec![0; bytes.len()]);
                let send = io.send_all(&pair.far, bytes);
                let both = when_all((recv, send));
                told(
                    self.ctx
                        .block_on(both.then(|(received, sent)| received == sent)),
                )
            }
            _ => "nothing".to_owned(),
        }
    }

    fn take_odd(&self, step: &Step) -> String {
        let io = self.ctx.scheduler();
        match *step {
            Step::AcceptConnect => {
                let address = self.listener.local_addr().expect("address");
                let connected =
                    when_all((io.accept(&self.listener), TcpStream::connect(io, address)));
                self.run(connected.then(|_| "connected"))
            }
            Step::ConnectRefused => {
                self.run(TcpStream::connect(io, self.refusing).then(|_| "connected"))
            }
            Step::Misuse { which } => match which {
                0 => self.run(io.recv(&self.pipe.0, [0; 4]).then(read)),
                1 => self.run(io.write_some(&self.pipe.0, "x").then(|(n, _)| n)),
                2 => self.run(io.fdatasync(&self.unix.near)),
                3 => self.run(io.accept(&self.unix.near).then(|_| "accepted")),
                4 => self.run(io.fsync(&self.pipe.1)),
                _ => self.run(io.ftruncate(&self.unix.near, 0)),
            },
            _ => unreachable!("an odd step"),
        }
    }
}

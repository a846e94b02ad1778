//! The contender `compio`.

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::rc::Rc;

use compio::BufResult;
use compio::buf::{IntoInner, IoBuf};
use compio::fs::OpenOptions;
use compio::io::{AsyncRead, AsyncReadAt, AsyncWriteExt};
use compio::net::{TcpListener, TcpStream, UdpSocket};
use compio::runtime::Runtime;
use sendio_bench::args::Args;
use sendio_bench::contender::{self, Failure, Workload};
use sendio_bench::file::{BLOCK, BlockFile};
use sendio_bench::meter::{Meter, Scope};
use sendio_bench::report::Report;
use sendio_bench::serve::Control;
use sendio_bench::work::{Random, share};

const WORKLOADS: &[Workload] = &[
    Workload {
        name: "file-randread",
        run: file_randread,
    },
    Workload {
        name: "tcp-echo",
        run: tcp_echo,
    },
    Workload {
        name: "udp-echo",
        run: udp_echo,
    },
];

fn main() -> ExitCode {
    contender::main(WORKLOADS)
}

fn runtime(args: &Args) -> Result<Runtime, Failure> {
    if !args.variant.is_empty() {
        return Err(Failure::variant(args));
    }
    Ok(Runtime::new()?)
}

/// Through the page cache only: a plain vector is not aligned as `O_DIRECT` wants it.
fn file_randread(args: &Args) -> Result<Report, Failure> {
    if args.direct {
        return Err(Failure::Unsupported("O_DIRECT".to_owned()));
    }
    let blocks = BlockFile::open(args)?.blocks;
    let random = Rc::new(RefCell::new(Random::new(7)));
    let meter = Meter::new(args, Scope::Process)?;
    let runtime = runtime(args)?;
    let file = runtime.block_on(async { OpenOptions::new().read(true).open(&args.path).await })?;
    meter.measure(args, 500_000, |ops| {
        runtime.block_on(async {
            let tasks: Vec<_> = (0..args.qd)
                .map(|task| {
                    let (file, random) = (file.clone(), Rc::clone(&random));
                    let count = share(ops, args.qd, task);
                    compio::runtime::spawn(async move {
                        let mut buffer = Vec::with_capacity(BLOCK);
                        for _ in 0..count {
                            let block = random.borrow_mut().below(blocks);
                            buffer.clear();
                            let BufResult(result, returned) =
                                file.read_at(buffer, u64::from(block) * BLOCK as u64).await;
                            buffer = returned;
                            assert_eq!(result?, BLOCK, "a whole block");
                        }
                        Ok::<(), std::io::Error>(())
                    })
                })
                .collect();
            for task in tasks {
                task.await.expect("no panic")?;
            }
            Ok(())
        })
    })
}

fn tcp_echo(args: &Args) -> Result<Report, Failure> {
    let control = Control::open(args)?;
    let len = args.buf;
    runtime(args)?.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        control.ready(listener.local_addr()?)?;
        loop {
            let (stream, _) = listener.accept().await?;
            compio::runtime::spawn(session(stream, len)).detach();
        }
    })
}

async fn session(mut stream: TcpStream, len: usize) {
    let mut buffer = Vec::with_capacity(len);
    loop {
        buffer.clear();
        let BufResult(result, returned) = stream.read(buffer).await;
        let Ok(n @ 1..) = result else { return };
        let BufResult(result, returned) = stream.write_all(returned.slice(..n)).await;
        if result.is_err() {
            return;
        }
        buffer = returned.into_inner();
    }
}

fn udp_echo(args: &Args) -> Result<Report, Failure> {
    let control = Control::open(args)?;
    let len = args.buf;
    runtime(args)?.block_on(async {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        control.ready(socket.local_addr()?)?;
        let tasks: Vec<_> = (0..64)
            .map(|_| {
                let socket = socket.clone();
                compio::runtime::spawn(async move {
                    let mut buffer = Vec::with_capacity(len);
                    loop {
                        buffer.clear();
                        let BufResult(result, returned) = socket.recv_from(buffer).await;
                        let Ok((n, from)) = result else { return };
                        let BufResult(result, returned) =
                            socket.send_to(returned.slice(..n), from).await;
                        if result.is_err() {
                            return;
                        }
                        buffer = returned.into_inner();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no panic");
        }
        Err(std::io::Error::other("every task has failed").into())
    })
}

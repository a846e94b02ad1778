//! The contender `tokio-uring`.

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::rc::Rc;

use sendio_bench::args::Args;
use sendio_bench::contender::{self, Failure, Workload};
use sendio_bench::file::{BLOCK, BlockFile};
use sendio_bench::meter::{Meter, Scope};
use sendio_bench::report::Report;
use sendio_bench::serve::Control;
use sendio_bench::work::{Random, share};
use tokio_uring::buf::BoundedBuf;
use tokio_uring::fs::File;
use tokio_uring::net::{TcpListener, TcpStream, UdpSocket};

const WORKLOADS: &[Workload] = &[
    Workload {
        name: "nop-batch",
        run: nop_batch,
    },
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

fn plain(args: &Args) -> Result<(), Failure> {
    if args.variant.is_empty() {
        return Ok(());
    }
    Err(Failure::variant(args))
}

fn nop_batch(args: &Args) -> Result<Report, Failure> {
    plain(args)?;
    let meter = Meter::new(args, Scope::Process)?;
    let runtime = tokio_uring::Runtime::new(&tokio_uring::builder())?;
    meter.measure(args, 1_000_000, |ops| {
        runtime.block_on(async {
            let tasks: Vec<_> = (0..args.depth)
                .map(|task| {
                    let count = share(ops, args.depth, task);
                    tokio_uring::spawn(async move {
                        for _ in 0..count {
                            tokio_uring::no_op().await?;
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

fn file_randread(args: &Args) -> Result<Report, Failure> {
    plain(args)?;
    let source = BlockFile::open(args)?;
    let blocks = source.blocks;
    let random = Rc::new(RefCell::new(Random::new(7)));
    let meter = Meter::new(args, Scope::Process)?;
    let runtime = tokio_uring::Runtime::new(&tokio_uring::builder())?;
    let file = runtime.block_on(async { Rc::new(File::from_std(source.file)) });
    meter.measure(args, if args.direct { 50_000 } else { 500_000 }, |ops| {
        runtime.block_on(async {
            let tasks: Vec<_> = (0..args.qd)
                .map(|task| {
                    let (file, random) = (Rc::clone(&file), Rc::clone(&random));
                    let count = share(ops, args.qd, task);
                    tokio_uring::spawn(async move {
                        let mut buffer = Page::new();
                        for _ in 0..count {
                            let block = random.borrow_mut().below(blocks);
                            let (result, returned) =
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

/// A buffer that `O_DIRECT` takes.
struct Page(Box<sendio_bench::file::Block>);

impl Page {
    fn new() -> Self {
        Self(Box::new(sendio_bench::file::Block::ZERO))
    }
}

// SAFETY: the memory is on the heap, of one length, and initialised.
unsafe impl tokio_uring::buf::IoBuf for Page {
    fn stable_ptr(&self) -> *const u8 {
        self.0.0.as_ptr()
    }
    fn bytes_init(&self) -> usize {
        BLOCK
    }
    fn bytes_total(&self) -> usize {
        BLOCK
    }
}

// SAFETY: as above; all of it is initialised, always.
unsafe impl tokio_uring::buf::IoBufMut for Page {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.0.0.as_mut_ptr()
    }
    unsafe fn set_init(&mut self, _: usize) {}
}

fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn tcp_echo(args: &Args) -> Result<Report, Failure> {
    plain(args)?;
    let control = Control::open(args)?;
    let len = args.buf;
    tokio_uring::start(async {
        let listener = TcpListener::bind(loopback())?;
        control.ready(listener.local_addr()?)?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio_uring::spawn(session(stream, len));
        }
    })
}

async fn session(stream: TcpStream, len: usize) {
    let mut buffer = vec![0_u8; len];
    loop {
        let (result, returned) = stream.read(buffer).await;
        let Ok(n @ 1..) = result else { return };
        let (result, returned) = stream.write_all(returned.slice(..n)).await;
        if result.is_err() {
            return;
        }
        buffer = returned.into_inner();
    }
}

fn udp_echo(args: &Args) -> Result<Report, Failure> {
    plain(args)?;
    let control = Control::open(args)?;
    let len = args.buf;
    tokio_uring::start(async {
        let socket = Rc::new(UdpSocket::bind(loopback()).await?);
        control.ready(socket.local_addr()?)?;
        let tasks: Vec<_> = (0..64)
            .map(|_| {
                let socket = Rc::clone(&socket);
                tokio_uring::spawn(async move {
                    let mut buffer = vec![0_u8; len];
                    loop {
                        let (result, returned) = socket.recv_from(buffer).await;
                        let Ok((n, from)) = result else { return };
                        let (result, returned) = socket.send_to(returned.slice(..n), from).await;
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

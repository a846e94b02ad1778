//! The contender `monoio`, with its io_uring driver.

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::rc::Rc;

use monoio::buf::IoBuf;
use monoio::fs::File;
use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::udp::UdpSocket;
use monoio::net::{TcpListener, TcpStream};
use monoio::{IoUringDriver, Runtime, RuntimeBuilder};
use sendio_bench::args::Args;
use sendio_bench::contender::{self, Failure, Workload};
use sendio_bench::file::{BLOCK, Block, BlockFile};
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

fn runtime(args: &Args) -> Result<Runtime<IoUringDriver>, Failure> {
    if !args.variant.is_empty() {
        return Err(Failure::variant(args));
    }
    Ok(RuntimeBuilder::<IoUringDriver>::new().build()?)
}

fn file_randread(args: &Args) -> Result<Report, Failure> {
    let source = BlockFile::open(args)?;
    let blocks = source.blocks;
    let random = Rc::new(RefCell::new(Random::new(7)));
    let meter = Meter::new(args, Scope::Process)?;
    let mut runtime = runtime(args)?;
    let file = Rc::new(runtime.block_on(async { File::from_std(source.file) })?);
    meter.measure(args, if args.direct { 50_000 } else { 500_000 }, |ops| {
        runtime.block_on(async {
            let tasks: Vec<_> = (0..args.qd)
                .map(|task| {
                    let (file, random) = (Rc::clone(&file), Rc::clone(&random));
                    let count = share(ops, args.qd, task);
                    monoio::spawn(async move {
                        let mut buffer = Page(Box::new(Block::ZERO));
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
                task.await?;
            }
            Ok(())
        })
    })
}

/// A buffer that `O_DIRECT` takes.
struct Page(Box<Block>);

// SAFETY: the memory is on the heap, of one length, and initialised.
unsafe impl monoio::buf::IoBufMut for Page {
    fn write_ptr(&mut self) -> *mut u8 {
        self.0.0.as_mut_ptr()
    }
    fn bytes_total(&mut self) -> usize {
        BLOCK
    }
    unsafe fn set_init(&mut self, _: usize) {}
}

fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn tcp_echo(args: &Args) -> Result<Report, Failure> {
    let control = Control::open(args)?;
    let len = args.buf;
    runtime(args)?.block_on(async {
        let listener = TcpListener::bind(loopback())?;
        control.ready(listener.local_addr()?)?;
        loop {
            let (stream, _) = listener.accept().await?;
            monoio::spawn(session(stream, len));
        }
    })
}

async fn session(mut stream: TcpStream, len: usize) {
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
    let control = Control::open(args)?;
    let len = args.buf;
    runtime(args)?.block_on(async {
        let socket = Rc::new(UdpSocket::bind(loopback())?);
        control.ready(socket.local_addr()?)?;
        let tasks: Vec<_> = (0..64)
            .map(|_| {
                let socket = Rc::clone(&socket);
                monoio::spawn(async move {
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
            task.await;
        }
        Err(std::io::Error::other("every task has failed").into())
    })
}

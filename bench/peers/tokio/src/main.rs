//! The contender `tokio`: its current-thread runtime, which stands on epoll.

use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::Duration;

use sendio_bench::args::Args;
use sendio_bench::contender::{self, Failure, Workload};
use sendio_bench::meter::{Meter, Scope};
use sendio_bench::report::Report;
use sendio_bench::serve::{self, Control};
use sendio_bench::work::{share, timeout_ms};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinSet, LocalSet, yield_now};

const WORKLOADS: &[Workload] = &[
    Workload {
        name: "sched-batch",
        run: sched_batch,
    },
    Workload {
        name: "timers",
        run: timers,
    },
    Workload {
        name: "tcp-echo",
        run: tcp_echo,
    },
    Workload {
        name: "udp-echo",
        run: udp_echo,
    },
    Workload {
        name: "udp-sink",
        run: udp_sink,
    },
];

fn main() -> ExitCode {
    contender::main(WORKLOADS)
}

fn runtime(args: &Args) -> Result<Runtime, Failure> {
    if !args.variant.is_empty() {
        return Err(Failure::variant(args));
    }
    Ok(Builder::new_current_thread().enable_all().build()?)
}

fn sched_batch(args: &Args) -> Result<Report, Failure> {
    let meter = Meter::new(args, Scope::Process)?;
    let runtime = runtime(args)?;
    meter.measure(args, 10_000_000, |ops| {
        runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for task in 0..args.depth {
                let count = share(ops, args.depth, task);
                tasks.spawn(async move {
                    for _ in 0..count {
                        yield_now().await;
                    }
                });
            }
            tasks.join_all().await;
        });
        Ok(())
    })
}

/// As the contract says: all timers are armed before the first is cancelled and armed anew.
fn timers(args: &Args) -> Result<Report, Failure> {
    let meter = Meter::new(args, Scope::Process)?;
    let runtime = runtime(args)?;
    let _entered = runtime.enter();
    let mut armed: Vec<_> = (0..u64::from(args.count)).map(arm).collect();
    let mut next = 0_u64;
    meter.measure(args, 1_000_000, |ops| {
        for _ in 0..ops {
            let place = usize::try_from(next % u64::from(args.count)).unwrap_or(0);
            armed[place] = arm(next);
            next += 1;
        }
        Ok(())
    })
}

/// A timer that has been polled once, which is what arms it.
fn arm(number: u64) -> std::pin::Pin<Box<tokio::time::Sleep>> {
    let mut sleep = Box::pin(tokio::time::sleep(Duration::from_millis(timeout_ms(
        number,
    ))));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let polled = std::future::Future::poll(sleep.as_mut(), &mut context);
    assert!(polled.is_pending(), "none comes due");
    sleep
}

fn tcp_echo(args: &Args) -> Result<Report, Failure> {
    let control = Control::open(args)?;
    let runtime = runtime(args)?;
    let len = args.buf;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        control.ready(listener.local_addr()?)?;
        LocalSet::new()
            .run_until(async {
                loop {
                    let (stream, _) = listener.accept().await?;
                    tokio::task::spawn_local(session(stream, len));
                }
            })
            .await
    })
}

async fn session(mut stream: TcpStream, len: usize) {
    let mut buffer = vec![0; len];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(n) => {
                if stream.write_all(&buffer[..n]).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn udp_echo(args: &Args) -> Result<Report, Failure> {
    let control = Control::open(args)?;
    runtime(args)?.block_on(async {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        control.ready(socket.local_addr()?)?;
        let mut buffer = vec![0; args.buf];
        loop {
            let (n, from) = socket.recv_from(&mut buffer).await?;
            socket.send_to(&buffer[..n], from).await?;
        }
    })
}

fn udp_sink(args: &Args) -> Result<Report, Failure> {
    let control = Control::open(args)?;
    runtime(args)?.block_on(async {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        control.ready(socket.local_addr()?)?;
        let mut buffer = vec![0; args.buf];
        loop {
            socket.recv(&mut buffer).await?;
            serve::received(1);
        }
    })
}

//! The contender `glommio`.

use std::net::Ipv4Addr;
use std::process::ExitCode;

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use glommio::net::{TcpListener, TcpStream, UdpSocket};
use glommio::{LocalExecutor, LocalExecutorBuilder, Placement};
use sendio_bench::args::Args;
use sendio_bench::contender::{self, Failure, Workload};
use sendio_bench::meter::{Meter, Scope};
use sendio_bench::report::Report;
use sendio_bench::serve::{self, Control};
use sendio_bench::work::share;

const WORKLOADS: &[Workload] = &[
    Workload {
        name: "sched-batch",
        run: sched_batch,
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

fn executor(args: &Args) -> Result<LocalExecutor, Failure> {
    if !args.variant.is_empty() {
        return Err(Failure::variant(args));
    }
    Ok(LocalExecutorBuilder::new(Placement::Unbound)
        .make()
        .map_err(std::io::Error::from)?)
}

fn sched_batch(args: &Args) -> Result<Report, Failure> {
    let meter = Meter::new(args, Scope::Process)?;
    let executor = executor(args)?;
    meter.measure(args, 10_000_000, |ops| {
        executor.run(async {
            let tasks: Vec<_> = (0..args.depth)
                .map(|task| {
                    let count = share(ops, args.depth, task);
                    glommio::spawn_local(async move {
                        for _ in 0..count {
                            glommio::executor().yield_now().await;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await;
            }
        });
        Ok(())
    })
}

fn tcp_echo(args: &Args) -> Result<Report, Failure> {
    let control = Control::open(args)?;
    let len = args.buf;
    executor(args)?.run(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(std::io::Error::from)?;
        control.ready(listener.local_addr().map_err(std::io::Error::from)?)?;
        loop {
            let stream = listener.accept().await.map_err(std::io::Error::from)?;
            glommio::spawn_local(session(stream, len)).detach();
        }
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
    executor(args)?.run(async {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(std::io::Error::from)?;
        control.ready(socket.local_addr().map_err(std::io::Error::from)?)?;
        let mut buffer = vec![0; args.buf];
        loop {
            let (n, from) = socket
                .recv_from(&mut buffer)
                .await
                .map_err(std::io::Error::from)?;
            socket
                .send_to(&buffer[..n], from)
                .await
                .map_err(std::io::Error::from)?;
        }
    })
}

fn udp_sink(args: &Args) -> Result<Report, Failure> {
    let control = Control::open(args)?;
    executor(args)?.run(async {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(std::io::Error::from)?;
        control.ready(socket.local_addr().map_err(std::io::Error::from)?)?;
        let mut buffer = vec![0; args.buf];
        loop {
            socket
                .recv_from(&mut buffer)
                .await
                .map_err(std::io::Error::from)?;
            serve::received(1);
        }
    })
}

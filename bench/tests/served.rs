//! Every served workload of both contenders, through the load generator.
//! Method: a thousand operations each; the result must be a line as the contract wants it.

use std::process::Command;

const LOAD: &str = env!("CARGO_BIN_EXE_load");
const RAW: &str = env!("CARGO_BIN_EXE_raw-bench");
const SENDIO: &str = env!("CARGO_BIN_EXE_sendio-bench");

/// The result line of one run.
fn result(words: &str, server: &str, traffic_only: bool) -> String {
    let output = Command::new(LOAD)
        .args(words.split_whitespace())
        .args(["--", server])
        .env("BENCH_TRAFFIC_ONLY", if traffic_only { "1" } else { "0" })
        .output()
        .expect("the load generator runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{server} {words}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn echo_servers_answer_every_request() {
    for server in [RAW, SENDIO] {
        for workload in ["tcp-echo", "udp-echo"] {
            let words = format!("{workload} --ops 1000 --conns 16 --size 100");
            let line = result(&words, server, false);
            for name in ["\"ns_op\":", "\"cpu_ns\":", "\"ops\":1000", "\"p99\":"] {
                assert!(line.contains(name), "{server} {words}: {line}");
            }
        }
    }
}

#[test]
fn messages_longer_than_the_buffer_come_back_whole() {
    for (server, variant) in [
        (RAW, ""),
        (RAW, "multishot"),
        (SENDIO, ""),
        (SENDIO, "poll"),
    ] {
        let words = "tcp-echo --ops 100 --conns 4 --size 100000 --buf 512 --variant";
        let mut command = Command::new(LOAD);
        command
            .args(words.split_whitespace())
            .args([variant, "--", server]);
        let output = command.output().expect("the load generator runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{server} {variant}: {errors}");
    }
}

#[test]
fn sinks_count_what_arrives() {
    for (server, words) in [
        (RAW, "udp-sink --ops 1000"),
        (RAW, "udp-sink --ops 1000 --variant recvmmsg"),
        (SENDIO, "udp-sink --ops 1000"),
    ] {
        let line = result(words, server, false);
        assert!(line.contains("\"ops\":"), "{server} {words}: {line}");
        assert!(!line.contains("\"ops\":0."), "none arrived: {line}");
    }
}

#[test]
fn idle_connections_are_weighed() {
    for (server, words) in [
        (RAW, "idle --conns 200"),
        (SENDIO, "idle --conns 200"),
        (SENDIO, "idle --conns 200 --variant poll"),
    ] {
        let line = result(words, server, false);
        assert!(line.contains("\"rss_conn\":"), "{server} {words}: {line}");
    }
}

#[test]
fn traffic_ends_with_the_server() {
    for workload in ["tcp-echo", "udp-echo"] {
        let words = format!("{workload} --ops 1000 --conns 16");
        let line = result(&words, SENDIO, true);
        assert!(line.contains("\"ops\":"), "{workload}: {line}");
    }
}

#[test]
fn server_that_lacks_the_variant_gives_its_status() {
    let output = Command::new(LOAD)
        .args(["tcp-echo", "--variant", "none", "--", SENDIO])
        .output()
        .expect("the load generator runs");
    assert_eq!(output.status.code(), Some(3));
}

//! Tests in a process of their own: this binary again, for the ignored test `child` of a module.

use std::process::Command;

/// Runs the body of this name of the test `child` in `module`, in a process that `prepare` has made ready.
pub(crate) fn in_child(module: &str, body: &str, prepare: impl FnOnce(&mut Command)) {
    let own = std::env::current_exe().expect("the path of this binary");
    let mut command = Command::new(own);
    command
        .arg(format!("{module}::child"))
        .args(["--exact", "--nocapture", "--include-ignored"])
        .env("SENDIO_CHILD", body);
    prepare(&mut command);
    let output = command.output().expect("run the child");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{body}: {}\n{text}\n{errors}",
        output.status
    );
    assert!(text.contains("1 passed"), "{text}");
}

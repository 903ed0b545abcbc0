//! A child process that never outlives this one: a shell between the two kills it when the pipe to us closes,
//! however we end.

use std::{
    io::Read,
    path::Path,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
};

const SCRIPT: &str = r#"exec 3<&0; log=$1; shift
"$@" >>"$log" 2>&1 </dev/null & p=$!; echo $p
(read _ <&3; kill -9 $p) >/dev/null 2>&1 &
wait $p; exit $?"#;

/// A running child on its leash.
pub struct Leashed {
    shell: Child,
    leash: Option<ChildStdin>,
    pub pid: u32,
}

impl Leashed {
    /// Starts `command` in `folder`; its output is appended to `log`.
    pub fn start(command: &[String], folder: &Path, log: &Path) -> Leashed {
        let mut shell = Command::new("bash")
            .args(["-c", SCRIPT, "leash"])
            .arg(log)
            .args(command)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let leash = shell.stdin.take();
        let mut out = shell.stdout.take().unwrap();
        let (mut line, mut byte) = (Vec::new(), [0]);
        while out.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
            line.push(byte[0]);
        }
        let pid = String::from_utf8(line).unwrap().parse().unwrap();
        Leashed { shell, leash, pid }
    }

    /// The exit status, if the child has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.shell.try_wait().unwrap()
    }

    /// Waits for the child's end.
    pub fn wait(&mut self) -> ExitStatus {
        self.shell.wait().unwrap()
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(&mut self) {
        signal("-KILL", self.pid);
        self.shell.wait().unwrap();
        self.leash = None;
    }
}

/// Sends a signal to a process that this test started. The shell's own `kill`: a bare machine has no other.
pub fn signal(which: &str, pid: u32) {
    let _ = Command::new("sh").args(["-c", &format!("kill {which} {pid}")]).stderr(Stdio::null()).status();
}

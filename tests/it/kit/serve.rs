//! Servers of the room's remote over git's own transports: `git daemon`, and ssh with a key of its own.
#![cfg(unix)]

use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Room;
use super::room::clean_env;

/// Longest wait for a server to take connections.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often another port is tried: between finding a free one and using it somebody else may take it.
const TRIES: usize = 5;

/// A server in a process group of its own, which ends with this value.
pub struct Server {
    child: Child,
    url: String,
    options: String,
}

impl Server {
    /// Serves the room by `git daemon`.
    pub fn git_daemon(room: &Room) -> Self {
        let (child, port) = start(room, |port| {
            let mut command = Command::new("git");
            command.args(["daemon", "--enable=receive-pack", "--export-all", "--reuseaddr", "--max-connections=0"]);
            command.args(["--listen=127.0.0.1", &format!("--port={port}")]);
            command.arg(format!("--base-path={}", room.path().display()));
            command
        });
        Self { child, url: format!("git://127.0.0.1:{port}/remote.git"), options: String::new() }
    }

    /// Serves the room by `sshd`, to whoever has a key that is made here; `None` where there is no sshd.
    pub fn sshd(room: &Room) -> Option<Self> {
        let sshd = super::need("sshd")?;
        let home = room.path().join("ssh");
        std::fs::create_dir(&home).expect("a new folder");
        for name in ["host", "user"] {
            let mut made = Command::new("ssh-keygen");
            made.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(home.join(name));
            made.stdin(Stdio::null()).stdout(Stdio::null());
            assert!(made.status().expect("ssh-keygen starts").success(), "a key for {name}");
        }
        // The folder that sshd keeps empty for itself; a system that starts it at boot has made it.
        if rustix::process::geteuid().is_root() {
            std::fs::create_dir_all("/run/sshd").expect("root may make it");
        }
        let path = std::env::var("PATH").expect("there is a PATH");
        let (child, port) = start(room, |port| {
            let config = home.join(format!("sshd-{port}"));
            let text = format!(
                "ListenAddress 127.0.0.1:{port}\nHostKey {0}/host\nAuthorizedKeysFile {0}/user.pub\nPidFile none\n\
                 UsePAM no\nStrictModes no\nPermitRootLogin yes\nPasswordAuthentication no\nMaxStartups 100\n\
                 AcceptEnv GIT_PROTOCOL\nSetEnv PATH={path} GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null\n",
                home.display()
            );
            std::fs::write(&config, text).expect("a file");
            let mut command = Command::new(&sshd);
            command.args(["-D", "-e", "-f"]).arg(config);
            command
        });
        let user = String::from_utf8(Command::new("id").arg("-un").output().expect("id starts").stdout);
        let url = format!("ssh://{}@127.0.0.1:{port}{}", user.expect("a name is text").trim(), room.remote().display());
        let client = format!(
            "ssh -F none -i {}/user -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile={}/known \
             -o LogLevel=ERROR -o BatchMode=yes",
            home.display(),
            home.display()
        );
        Some(Self { child, url, options: format!("-c 'core.sshCommand={client}'") })
    }

    /// Returns what `git clone` is given to clone the remote from here.
    pub fn clone_args(&self) -> String {
        format!("{} {}", self.options, self.url)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end_group(&self.child);
        let _ = self.child.wait();
    }
}

fn end_group(child: &Child) {
    let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(group) = group {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

/// Starts a server on a free port and returns once it takes connections there.
fn start(room: &Room, command: impl Fn(u16) -> Command) -> (Child, u16) {
    let log = room.path().join("server.log");
    for _ in 0..TRIES {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let mut command = command(port);
        clean_env(&mut command, room.path());
        let said = std::fs::File::create(&log).expect("a file");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said).process_group(0);
        let mut child = command.spawn().expect("the server starts");
        let until = Instant::now() + PATIENCE;
        while child.try_wait().expect("it is ours").is_none() && Instant::now() < until {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return (child, port);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        end_group(&child);
        let _ = child.wait();
    }
    panic!("no server after {TRIES} tries: {}", std::fs::read_to_string(&log).unwrap_or_default());
}

/// Returns the program of this name, from `PATH` or where a system keeps its servers.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(system).map(|folder| folder.join(name)).find(|path| path.is_file())
}

//! An HTTP server over `git http-backend`, which can be told to fail: before the push has come through, or after.
//!
//! Owns the socket, the CGI call and the faults. One thread a connection, one request a connection; nothing but the
//! standard library. What a client is told and what has happened are two things here, and a test may choose both.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::Room;

/// Which requests a fault is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// Those that bring a pack: the ref moves while they are served.
    Push,
    /// Those of a fetch.
    Fetch,
}

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection is closed once the headers have come; git here never sees the body.
    DropAtOnce,
    /// The connection is closed once everything has come; git here never sees it.
    DropBefore,
    /// git here has done it; then the connection is closed without a word.
    DropAfter,
    /// git here has done it; the connection is closed in the middle of the answer.
    DropMidAnswer,
    /// 503, and git here never sees it.
    UnavailableBefore,
    /// git here has done it, and the answer is 504.
    TimeoutAfter,
    /// git here has done it, and the answer is half of its answer, well-formed as far as HTTP goes.
    Truncated,
    /// The same in chunks.
    TruncatedChunks,
    /// git here has done it; the answer is a whole one that says nothing about the refs.
    NoStatus,
    /// git here has done it; the answer says that it has refused.
    RefusedThoughDone,
    /// git here sees it only after so long, whether the client is still there or not.
    DelayBefore(Duration),
    /// git here has done it; the answer comes so much later.
    DelayAfter(Duration),
}

impl Fault {
    /// Tells whether git here is given the request.
    pub fn is_served(self) -> bool {
        !matches!(self, Self::DropAtOnce | Self::DropBefore | Self::UnavailableBefore)
    }
}

#[derive(Default)]
struct State {
    plan: Option<(On, Fault, usize)>,
    struck: usize,
    running: usize,
    closed: bool,
}

struct Shared {
    folder: PathBuf,
    state: Mutex<State>,
    calm: Condvar,
}

/// The server; it ends with this value.
pub struct HttpServer {
    port: u16,
    shared: Arc<Shared>,
}

struct Request {
    method: String,
    path: String,
    query: String,
    headers: HashMap<String, String>,
}

impl HttpServer {
    /// Serves the repositories of a room on a free port of this machine.
    pub fn of(room: &Room) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared { folder: room.path().to_owned(), state: Mutex::default(), calm: Condvar::new() });
        let server = Self { port, shared: Arc::clone(&shared) };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.lock(|state| state.closed) {
                    break;
                }
                shared.lock(|state| state.running += 1);
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    // A client that hangs up is no fault of the server's.
                    let _ = shared.serve(stream);
                    shared.lock(|state| state.running -= 1);
                    shared.calm.notify_all();
                });
            }
        });
        server
    }

    /// Returns the address of the room's remote.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/remote.git", self.port)
    }

    /// Lets the next so many requests of a kind fail.
    pub fn fail(&self, on: On, fault: Fault, times: usize) {
        self.shared.lock(|state| state.plan = Some((on, fault, times)));
    }

    /// Lets nothing fail any more, and waits until every request has been served to its end: what is late has arrived.
    pub fn heal(&self) {
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.plan = None;
        while state.running > 0 {
            state = self.shared.calm.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Returns how many requests have failed as they were told to.
    pub fn struck(&self) -> usize {
        self.shared.lock(|state| state.struck)
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.shared.lock(|state| state.closed = true);
        // Wakes the thread that waits for connections.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Shared {
    fn lock<T>(&self, with: impl FnOnce(&mut State) -> T) -> T {
        with(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let Some(request) = Request::read(&mut reader)? else { return Ok(()) };
        let fault = self.fault_of(&request);
        if fault == Some(Fault::DropAtOnce) {
            return stream.shutdown(Shutdown::Both);
        }
        let body = request.body(&mut reader)?;
        match fault {
            Some(Fault::DropBefore) => return stream.shutdown(Shutdown::Both),
            Some(Fault::UnavailableBefore) => {
                return answer(&stream, "503 Service Unavailable", "text/plain", b"later\n");
            }
            Some(Fault::DelayBefore(time)) => thread::sleep(time),
            _ => {}
        }
        let (status, kind, reply) = request.ask_git(&self.folder, &body);
        let half = &reply[..reply.len() / 2];
        match fault {
            Some(Fault::DropAfter) => stream.shutdown(Shutdown::Both),
            Some(Fault::DropMidAnswer) => {
                head(&stream, &status, &kind, &format!("Content-Length: {}", reply.len()))?;
                (&stream).write_all(half)?;
                stream.shutdown(Shutdown::Both)
            }
            Some(Fault::TimeoutAfter) => answer(&stream, "504 Gateway Timeout", "text/plain", b"too late\n"),
            Some(Fault::Truncated) => answer(&stream, &status, &kind, half),
            Some(Fault::TruncatedChunks) => {
                head(&stream, &status, &kind, "Transfer-Encoding: chunked")?;
                write!(&stream, "{:x}\r\n", half.len())?;
                (&stream).write_all(half)?;
                (&stream).write_all(b"\r\n0\r\n\r\n")
            }
            Some(Fault::NoStatus) => answer(&stream, &status, &kind, &report(&["unpack ok\n"])),
            Some(Fault::RefusedThoughDone) => {
                answer(&stream, &status, &kind, &report(&["unpack ok\n", "ng refs/heads/main failed to update ref\n"]))
            }
            Some(Fault::DelayAfter(time)) => {
                thread::sleep(time);
                answer(&stream, &status, &kind, &reply)
            }
            _ => answer(&stream, &status, &kind, &reply),
        }
    }

    /// Returns the fault that this request meets, and counts it.
    fn fault_of(&self, request: &Request) -> Option<Fault> {
        let on = request.kind()?;
        self.lock(|state| {
            let (of, fault, left) = state.plan.as_mut()?;
            if *of != on || *left == 0 {
                return None;
            }
            *left -= 1;
            state.struck += 1;
            Some(*fault)
        })
    }
}

impl Request {
    fn read(reader: &mut impl BufRead) -> std::io::Result<Option<Self>> {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_whitespace();
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut request =
            Self { method: method.to_owned(), path: path.to_owned(), query: query.to_owned(), headers: HashMap::new() };
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { return Ok(Some(request)) };
            request.headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    fn kind(&self) -> Option<On> {
        // Where a pack is large, git first sends four bytes to find out whether it has to log in.
        if self.path.ends_with("/git-receive-pack") && self.header("content-length") != "4" {
            return Some(On::Push);
        }
        let fetches = self.path.ends_with("/git-upload-pack") || self.query.contains("service=git-upload-pack");
        fetches.then_some(On::Fetch)
    }

    fn body(&self, reader: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
        let mut body = Vec::new();
        if self.header("transfer-encoding") != "chunked" {
            let length = self.header("content-length").parse().unwrap_or(0);
            reader.take(length).read_to_end(&mut body)?;
            return Ok(body);
        }
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let length = u64::from_str_radix(line.trim(), 16).unwrap_or(0);
            reader.take(length).read_to_end(&mut body)?;
            reader.read_line(&mut line)?;
            if length == 0 {
                return Ok(body);
            }
        }
    }

    /// Hands the request to git, and returns status, type and body of its answer.
    fn ask_git(&self, folder: &Path, body: &[u8]) -> (String, String, Vec<u8>) {
        let mut command = Command::new("git");
        super::room::clean_env(&mut command, folder);
        command
            .arg("http-backend")
            .env("GIT_PROJECT_ROOT", folder)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("REQUEST_METHOD", &self.method)
            .env("PATH_INFO", &self.path)
            .env("QUERY_STRING", &self.query)
            .env("CONTENT_TYPE", self.header("content-type"))
            .env("CONTENT_LENGTH", body.len().to_string())
            .env("HTTP_CONTENT_ENCODING", self.header("content-encoding"))
            .env("GIT_PROTOCOL", self.header("git-protocol"))
            .env("REMOTE_ADDR", "127.0.0.1")
            // Whoever is known may push.
            .env("REMOTE_USER", "somebody");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("git http-backend starts");
        let mut stdin = child.stdin.take().expect("it was piped");
        let output = thread::scope(|scope| {
            scope.spawn(move || drop(stdin.write_all(body)));
            child.wait_with_output().expect("it ends").stdout
        });
        let split = output.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap_or(output.len());
        let said = String::from_utf8_lossy(&output[..split]).into_owned();
        let value = |name: &str| {
            said.lines().find_map(|line| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)))
        };
        let status = value("Status").map_or("200 OK", |(_, status)| status).to_owned();
        let kind = value("Content-Type").map_or("text/plain", |(_, kind)| kind).to_owned();
        (status, kind, output.get(split + 4..).unwrap_or_default().to_vec())
    }
}

fn head(mut stream: &TcpStream, status: &str, kind: &str, length: &str) -> std::io::Result<()> {
    let text = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{length}\r\nCache-Control: no-cache\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(text.as_bytes())
}

fn answer(mut stream: &TcpStream, status: &str, kind: &str, body: &[u8]) -> std::io::Result<()> {
    head(stream, status, kind, &format!("Content-Length: {}", body.len()))?;
    stream.write_all(body)?;
    stream.shutdown(Shutdown::Write)
}

/// Returns the answer to a push that has these lines as its report, as gitprotocol-pack(5) spells it.
fn report(lines: &[&str]) -> Vec<u8> {
    let packet = |text: &str| format!("{:04x}{text}", text.len() + 4);
    let inner: String = lines.iter().map(|line| packet(line)).collect::<String>() + "0000";
    (packet(&format!("\u{1}{inner}")) + "0000").into_bytes()
}

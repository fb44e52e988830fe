//! `esteira serve` as a process of its own: started on a home, asked until it answers, ended with the measurement.

use anyhow::{Context, Result, ensure};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a start may take: a large home may have to be brought to a new version first.
const PATIENCE: Duration = Duration::from_secs(300);

/// A server that ends with the measurement.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    began: Instant,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts the binary beside this one, on a free port.
    pub(crate) fn start(home: &Path, dags: &Path) -> Result<Self> {
        let program = program()?;
        let address = free_address()?;
        let began = Instant::now();
        let child = Command::new(&program)
            .args(["serve", "--listen", &address.to_string(), "--dags"])
            .arg(dags)
            .arg("--home")
            .arg(home)
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("{} does not start", program.display()))?;
        Ok(Self { child, address, began })
    }

    /// Asks for the health until it comes; how long that was after the start.
    pub(crate) fn wait_for_answer(&mut self) -> Result<Duration> {
        while !answers(self.address) {
            ensure!(self.began.elapsed() < PATIENCE, "no answer came");
            ensure!(
                self.child.try_wait()?.is_none(),
                "the server ended at once: does another hold its home?"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(self.began.elapsed())
    }

    /// Its number in the system.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Where it answers: `http://127.0.0.1:12345`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// The binary beside this one, of the same build.
fn program() -> Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("esteira");
    ensure!(program.is_file(), "build it first: cargo build --release");
    Ok(program)
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn answers(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let request =
        format!("GET /api/v2/monitor/health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    stream.write_all(request.as_bytes()).is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer.starts_with("HTTP/1.1 200")
}

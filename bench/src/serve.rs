//! `esteira serve`, idle: how soon after its start it answers, and how much memory it holds.

use anyhow::{Context, Result, ensure};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Once it answers, how long it is left alone before its memory is read.
const SETTLE: Duration = Duration::from_secs(3);

/// How often the start is measured.
const STARTS: usize = 5;

/// A server that ends with the measurement.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn measure() -> Result<()> {
    let program = program()?;
    let folder = tempfile::tempdir()?;
    let mut times = Vec::new();
    let mut resident = 0;
    for start in 0..STARTS {
        let address = free_address()?;
        let began = Instant::now();
        let server = Command::new(&program)
            .args(["serve", "--listen", &address.to_string(), "--dags", "dags", "--home"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("{} does not start", program.display()))?;
        let server = Server(server);
        wait_for_answer(address, began)?;
        times.push(began.elapsed());
        if start + 1 == STARTS {
            std::thread::sleep(SETTLE);
            resident = resident_kilobytes(server.0.id())?;
        }
    }
    times.sort();
    let (median, first) = (times[times.len() / 2], times[times.len() - 1]);
    println!(
        "start to first answer {:>6.0} ms (median of {STARTS}; slowest {:.0} ms); wanted: within 200 ms",
        median.as_secs_f64() * 1_000.0,
        first.as_secs_f64() * 1_000.0
    );
    println!("resident when idle    {:>6.1} MB; wanted: under 40 MB", resident as f64 / 1_000.0);
    Ok(())
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

/// Asks for the health until it comes.
fn wait_for_answer(address: SocketAddr, began: Instant) -> Result<()> {
    loop {
        ensure!(began.elapsed() < Duration::from_secs(30), "no answer came");
        if let Ok(mut stream) = TcpStream::connect(address) {
            let request = format!(
                "GET /api/v2/monitor/health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
            );
            let mut answer = String::new();
            if stream.write_all(request.as_bytes()).is_ok()
                && stream.read_to_string(&mut answer).is_ok()
                && answer.starts_with("HTTP/1.1 200")
            {
                return Ok(());
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn resident_kilobytes(process: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.split_whitespace().next().context("no number")?.parse()?)
}

//! `esteira serve`, idle: how soon after its start it answers, and how much memory it holds.

use crate::process;
use crate::server::Server;
use anyhow::Result;
use std::path::Path;
use std::time::Duration;

/// Once it answers, how long it is left alone before its memory is read.
const SETTLE: Duration = Duration::from_secs(3);

/// How often the start is measured.
const STARTS: usize = 5;

pub(crate) fn measure() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut times = Vec::new();
    let mut resident = 0.0;
    for start in 0..STARTS {
        let mut server = Server::start(folder.path(), Path::new("dags"))?;
        times.push(server.wait_for_answer()?);
        if start + 1 == STARTS {
            std::thread::sleep(SETTLE);
            resident = process::memory(server.process())?;
        }
    }
    times.sort();
    let (median, first) = (times[times.len() / 2], times[times.len() - 1]);
    println!(
        "start to first answer {:>6.0} ms (median of {STARTS}; slowest {:.0} ms); wanted: within 200 ms",
        median.as_secs_f64() * 1_000.0,
        first.as_secs_f64() * 1_000.0
    );
    println!("resident when idle    {resident:>6.1} MB; wanted: under 40 MB");
    Ok(())
}

//! What the system says of a process: how long it has had a core, and how much memory it holds.

use anyhow::{Context, Result};

/// The time that a process has had a core, in seconds.
pub(crate) fn cpu_time(process: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    // utime and stime, the 14th and 15th of all, in hundredths of a second.
    let ticks: f64 = fields
        .get(11)
        .zip(fields.get(12))
        .context("no times in /proc/PID/stat")
        .and_then(|(user, system)| Ok(user.parse::<f64>()? + system.parse::<f64>()?))?;
    Ok(ticks / 100.0)
}

/// The memory that a process has, in MB.
pub(crate) fn memory(process: u32) -> Result<f64> {
    megabytes(process, "VmRSS:")
}

/// The most memory that a process has had, in MB.
pub(crate) fn peak_memory(process: u32) -> Result<f64> {
    megabytes(process, "VmHWM:")
}

fn megabytes(process: u32, name: &str) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|line| line.split_whitespace().next());
    let kilobytes = kilobytes.with_context(|| format!("no {name} in /proc/PID/status"))?;
    Ok(kilobytes.parse::<f64>()? / 1024.0)
}
